/* What a device offers the runtime: one table of functions. The CPU's is built in; another extension
 * registers its own. With `base/status.h` and `format/layout.h` this is all that such an extension
 * needs. Plain C11: no C++ type crosses, and nothing is thrown. `docs/devices.md` tells the story. */
#ifndef CORDWOOD_RUNTIME_BACKEND_H
#define CORDWOOD_RUNTIME_BACKEND_H

#include <stdint.h>

#include "base/status.h"
#include "format/layout.h"

#ifdef __cplusplus
#define CORDWOOD_NOEXCEPT noexcept
extern "C" {
#else
#define CORDWOOD_NOEXCEPT
#endif

/* Grows with every change of a struct or a rule below; a table of another version is refused. */
#define CORDWOOD_BACKEND_ABI 6u

/* Name of the Python capsule that carries a `const struct cordwood_backend *`. */
#define CORDWOOD_BACKEND_CAPSULE "cordwood.backend"

/* Opaque: each device says what they are. */
struct cordwood_backend_model;
struct cordwood_backend_context;

/* Says in words why a call failed: what was given, what was expected, where, what to do. UTF-8, ends
 * with a zero byte. A call that returns CORDWOOD_STATUS_ok leaves it alone. */
struct cordwood_message {
  char text[512];
};

/* A caller's rows as they lie in the host's memory: any number type, any strides, any alignment. */
struct cordwood_rows {
  const void* data;
  int64_t row_stride;    /* bytes */
  int64_t column_stride; /* bytes */
  uint64_t n_rows;
  uint64_t first_row; /* number of the first row in the caller's batch, for messages */
  uint32_t n_features;
  uint8_t dtype; /* enum cordwood_dtype; bool rows are UINT8 */
  uint8_t reserved[3];
};

/* An array of a net, C-ordered, aligned to its elements. */
struct cordwood_array {
  void* data;
  uint64_t size[6];
  uint8_t dtype; /* enum cordwood_dtype; BIT is bool, a byte of 0 or 1 */
  uint8_t rank;
  uint8_t reserved[6];
};

/* The answers that a model may have. */
enum cordwood_target {
  CORDWOOD_TARGET_MARGIN = 0, /* what the trees sum up to, whatever its role */
  CORDWOOD_TARGET_RESPONSE = 1,
  CORDWOOD_TARGET_PROBABILITY = 2,
  CORDWOOD_TARGET_LABEL = 3,  /* class indices */
  CORDWOOD_TARGET_LEAVES = 4, /* the source's number of the leaf that a row reaches, per tree */
  CORDWOOD_TARGET_SCORE = 5,
  CORDWOOD_TARGET_DECISION = 6,
  CORDWOOD_TARGET_EMBEDDING = 7, /* by tree, the column of an embedding that the row sets */
  CORDWOOD_TARGET_COUNT = 8
};

/* Which trees of the program's last tree operator a model holds, where that is not all of them. */
struct cordwood_tree_range {
  uint64_t first;
  uint64_t last;      /* one past the last; at most the operator's number of trees */
  uint64_t per_stage; /* 0, or trees of one stage, a divisor of their number: the model then answers
                         by `stage` alone */
};

/* The form of one answer: C-ordered [n_rows, columns]. */
struct cordwood_answer {
  uint64_t columns;
  uint64_t classes; /* class indices are below this, in the widest column; 0 where it holds none */
  uint8_t dtype;    /* enum cordwood_dtype; 0 where the model has no such answer */
  uint8_t role;     /* enum cordwood_role of the value that answers; NONE for leaves */
  uint8_t reserved[6];
};

/* What the bins of a model are: small integers that stand for where values lie among the cuts and
 * categories of its trees. They depend on the file alone, so that bins made anywhere serve anywhere. */
struct cordwood_bin_form {
  uint32_t n_columns;
  uint32_t bin_bytes; /* 1: columns lie apart, each contiguous; 2: rows lie apart */
  const uint16_t*
      highest;        /* [n_columns] highest bin of each; 0xFFFF besides where bins have 2 bytes */
  uint64_t digest[2]; /* equal where the columns mean the same */
};

/* What a loaded model is. The texts live as long as the model. */
struct cordwood_facts {
  uint64_t n_features; /* columns of its rows, of bins where it was loaded for these */
  uint64_t n_trees;
  uint64_t resident_bytes;   /* private tables, on the host and on the device */
  const char* processor;     /* what runs it: an instruction set, a product's name */
  const char* engine;        /* how: "slice", "walk" */
  const char* engine_reason; /* why so */
  struct cordwood_answer answers[CORDWOOD_TARGET_COUNT]; /* by enum cordwood_target */
  struct cordwood_bin_form bins; /* of a model that was loaded for rows of bins; else zero */
  uint32_t n_inputs;             /* of a net; 0 for a model of rows, which has answers instead */
  uint32_t n_outputs;
  uint32_t ordinal; /* which of the devices of its kind; 0 where there is one */
  uint8_t reserved[4];
};

/* Where a function returns int32_t, that is an enum cordwood_status. All of them may be called from
 * any thread, and from many at once; a context serves one call at a time. The table and its texts
 * stay as they are until the process ends. */
struct cordwood_backend {
  uint32_t abi_version;  /* CORDWOOD_BACKEND_ABI */
  uint32_t struct_bytes; /* sizeof(struct cordwood_backend) */

  /* What users write as `device=`: 1 to 31 of a-z, 0-9, '-' and '_'. */
  const char* name;

  /* NULL where the device can be used here and now, else a sentence that says why it cannot and what
   * to do. Cheap: it is asked at every load. */
  const char* (*availability)(void)CORDWOOD_NOEXCEPT;

  /* Makes a model of a whole .cord file that the door has let in: headers, records and sections are
   * sound, what tensors hold is still to be judged. The bytes may go once this returns. `trees` is
   * NULL for all of them. An average over part of the trees divides by the same part of its divisor;
   * every other sum starts as in the whole model. */
  int32_t (*load)(const void* bytes, uint64_t length, const struct cordwood_tree_range* trees,
                  struct cordwood_backend_model** model,
                  struct cordwood_message* why) CORDWOOD_NOEXCEPT;
  void (*release)(struct cordwood_backend_model* model) CORDWOOD_NOEXCEPT;
  void (*describe)(const struct cordwood_backend_model* model,
                   struct cordwood_facts* facts) CORDWOOD_NOEXCEPT;

  /* Scratch that a caller owns. Every model of this device may use it. */
  int32_t (*context_create)(struct cordwood_backend_context** context,
                            struct cordwood_message* why) CORDWOOD_NOEXCEPT;
  void (*context_free)(struct cordwood_backend_context* context) CORDWOOD_NOEXCEPT;

  /* Writes the answer for `rows` to `out`, in the host's memory, in the form that `describe` gave
   * for `target` (enum cordwood_target). On return the answer is there. With `threads` of 1 no
   * thread is started; their number changes no bit. */
  int32_t (*run)(const struct cordwood_backend_model* model,
                 struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                 uint32_t target, void* out, uint32_t threads,
                 struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* Adds the trees of one stage to `margin`, which has the form of the target MARGIN and holds the
   * sums of all stages before (stage 0 only writes it), and writes what `target` makes of it to
   * `out`. `target` is MARGIN or follows from it. */
  int32_t (*stage)(const struct cordwood_backend_model* model,
                   struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                   uint64_t stage, uint32_t target, void* margin, void* out, uint32_t threads,
                   struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* Both NULL where the device takes no binned rows. */

  /* As `load`; the rows of the model's `run` and `stage` are bins, UINT8 or UINT16, each at most what
   * the form says. */
  int32_t (*load_binned)(const void* bytes, uint64_t length,
                         const struct cordwood_tree_range* trees,
                         struct cordwood_backend_model** model,
                         struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* Bins rows of values for such a model. `step` is the distance in bytes from one column to the next
   * where bins have one byte, from one row to the next where they have two. */
  int32_t (*bin)(const struct cordwood_backend_model* model,
                 struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                 void* out, uint64_t step, uint32_t threads,
                 struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* Both NULL where the device runs no nets. */

  /* Fills in type and shape of each output for inputs of these types and shapes; no data is read. */
  int32_t (*shape_net)(const struct cordwood_backend_model* model,
                       struct cordwood_backend_context* context,
                       const struct cordwood_array* inputs, uint32_t n_inputs,
                       struct cordwood_array* outputs, uint32_t n_outputs,
                       struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* Runs a net. Outputs have the forms that `shape_net` gave, and memory of the caller's. `seconds`, where
   * it is not NULL, has one entry for each operator of the file; the time that it took is added. */
  int32_t (*run_net)(const struct cordwood_backend_model* model,
                     struct cordwood_backend_context* context, const struct cordwood_array* inputs,
                     uint32_t n_inputs, const struct cordwood_array* outputs, uint32_t n_outputs,
                     uint32_t threads, double* seconds,
                     struct cordwood_message* why) CORDWOOD_NOEXCEPT;

  /* NULL where the device reads the host's memory alone. As `run`, for rows in the device's own memory and
   * an answer that goes there. The work is done in the order of `stream`, which the device's own kind of
   * stream converts to, and may still go on when this returns; a model that refuses values waits for it,
   * to say so. A context that other calls use may be used. */
  int32_t (*run_there)(const struct cordwood_backend_model* model,
                       struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                       uint32_t target, void* out, uint64_t stream,
                       struct cordwood_message* why) CORDWOOD_NOEXCEPT;
};

#ifdef __cplusplus
}
#endif

#endif
