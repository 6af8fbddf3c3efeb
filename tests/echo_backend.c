/* A device for tests, "echo", in plain C11: it reads a file's length and number of features, and
 * gives each row the margin [rows of the call, the row's first feature, runs of the context so far]
 * and, as its leaf, its number in the batch. Asked for a part of the trees, it says so: the margin of
 * each stage grows by the stage's number and by where the part begins and ends. */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/backend.h"

struct cordwood_backend_model {
  uint64_t file_bytes;
  uint64_t n_features;
  struct cordwood_tree_range trees;
};
struct cordwood_backend_context {
  uint64_t runs;
};

static atomic_int models;
static atomic_int contexts;
static _Atomic(const char*) absence;
static atomic_int refuse_load;
static atomic_int refuse_context;

/* For the tests: what is alive, and what shall fail. */
int echo_models(void) {
  return models;
}
int echo_contexts(void) {
  return contexts;
}
void echo_unplug(const char* reason) {
  absence = reason;
}
void echo_refuse_load(int yes) {
  refuse_load = yes;
}
void echo_refuse_context(int yes) {
  refuse_context = yes;
}

static const char* availability(void) {
  return absence;
}

static int32_t refuse(int32_t code, const char* text, uint64_t number,
                      struct cordwood_message* why) {
  snprintf(why->text, sizeof why->text, text, (unsigned long long)number);
  return code;
}

/* Columns of the value that plays the role of the rows. */
static uint64_t count_features(const unsigned char* file) {
  struct cordwood_header header;
  memcpy(&header, file, sizeof header);
  for (uint32_t i = 0; i < header.section_count; ++i) {
    struct cordwood_section section;
    memcpy(&section, file + sizeof header + i * sizeof section, sizeof section);
    if (section.kind != CORDWOOD_SECTION_VALUES) continue;
    for (uint64_t at = 0; at < section.length; at += sizeof(struct cordwood_value)) {
      struct cordwood_value value;
      memcpy(&value, file + section.offset + at, sizeof value);
      if (value.role == CORDWOOD_ROLE_ROWS) return value.dimension[1];
    }
  }
  return 0;
}

static int32_t load(const void* bytes, uint64_t length, const struct cordwood_tree_range* trees,
                    struct cordwood_backend_model** model, struct cordwood_message* why) {
  if (refuse_load) {
    return refuse(CORDWOOD_STATUS_tensor_encoding_unknown,
                  "echo: a file of %llu bytes is not to its taste; pack another", length, why);
  }
  struct cordwood_backend_model* made = malloc(sizeof *made);
  if (made == NULL) return refuse(CORDWOOD_STATUS_out_of_memory, "echo: no memory", 0, why);
  made->file_bytes = length;
  made->n_features = count_features(bytes);
  memset(&made->trees, 0, sizeof made->trees);
  if (trees != NULL) made->trees = *trees;
  *model = made;
  ++models;
  return CORDWOOD_STATUS_ok;
}

static void release(struct cordwood_backend_model* model) {
  free(model);
  --models;
}

static void describe(const struct cordwood_backend_model* model, struct cordwood_facts* facts) {
  memset(facts, 0, sizeof *facts);
  facts->n_features = model->n_features;
  facts->n_trees = 1;
  facts->resident_bytes = model->file_bytes;
  facts->processor = "a mountain";
  facts->engine = "valley";
  facts->engine_reason = "sound comes back";
  facts->answers[CORDWOOD_TARGET_MARGIN].columns = 3;
  facts->answers[CORDWOOD_TARGET_MARGIN].dtype = CORDWOOD_DTYPE_FLOAT64;
  facts->answers[CORDWOOD_TARGET_MARGIN].role = CORDWOOD_ROLE_MARGIN;
  facts->answers[CORDWOOD_TARGET_LEAVES].columns = 1;
  facts->answers[CORDWOOD_TARGET_LEAVES].dtype = CORDWOOD_DTYPE_INT32;
}

static int32_t context_create(struct cordwood_backend_context** context,
                              struct cordwood_message* why) {
  *context = refuse_context ? NULL : calloc(1, sizeof **context);
  if (*context == NULL) return refuse(CORDWOOD_STATUS_out_of_memory, "echo: no scratch", 0, why);
  ++contexts;
  return CORDWOOD_STATUS_ok;
}

static void context_free(struct cordwood_backend_context* context) {
  free(context);
  --contexts;
}

static int32_t run(const struct cordwood_backend_model* model,
                   struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                   uint32_t target, void* out, uint32_t threads, struct cordwood_message* why) {
  (void)threads;
  if (rows->n_features != model->n_features) {
    return refuse(CORDWOOD_STATUS_feature_count_mismatch, "echo: %llu features", rows->n_features,
                  why);
  }
  if (rows->dtype != CORDWOOD_DTYPE_FLOAT64) {
    return refuse(CORDWOOD_STATUS_dtype_not_supported, "echo: type %llu is not float64",
                  rows->dtype, why);
  }
  ++context->runs;
  for (uint64_t row = 0; row < rows->n_rows; ++row) {
    if (target == CORDWOOD_TARGET_LEAVES) {
      ((int32_t*)out)[row] = (int32_t)(rows->first_row + row);
      continue;
    }
    double first;
    memcpy(&first, (const char*)rows->data + (int64_t)row * rows->row_stride, sizeof first);
    if (first != first) {
      return refuse(CORDWOOD_STATUS_nan_refused, "echo: row %llu starts with NaN",
                    rows->first_row + row, why);
    }
    double* margin = (double*)out + 3 * row;
    margin[0] = (double)rows->n_rows;
    margin[1] = first;
    margin[2] = (double)context->runs;
  }
  return CORDWOOD_STATUS_ok;
}

static int32_t stage(const struct cordwood_backend_model* model,
                     struct cordwood_backend_context* context, const struct cordwood_rows* rows,
                     uint64_t number, uint32_t target, void* margin, void* out, uint32_t threads,
                     struct cordwood_message* why) {
  (void)context;
  (void)threads;
  if (target != CORDWOOD_TARGET_MARGIN || model->trees.per_stage == 0) {
    return refuse(CORDWOOD_STATUS_output_not_available, "echo: no stages for target %llu", target,
                  why);
  }
  const double terms[3] = {(double)number, (double)model->trees.first, (double)model->trees.last};
  double* sums = margin;
  for (uint64_t i = 0; i < 3 * rows->n_rows; ++i) {
    sums[i] = (number == 0 ? 0.0 : sums[i]) + terms[i % 3];
  }
  memcpy(out, margin, 3 * rows->n_rows * sizeof(double));
  return CORDWOOD_STATUS_ok;
}

static const struct cordwood_backend table = {CORDWOOD_BACKEND_ABI,
                                              sizeof(struct cordwood_backend),
                                              "echo",
                                              availability,
                                              load,
                                              release,
                                              describe,
                                              context_create,
                                              context_free,
                                              run,
                                              stage,
                                              NULL, /* takes no binned rows */
                                              NULL,
                                              NULL, /* runs no nets */
                                              NULL,
                                              NULL}; /* has no memory of its own */

const struct cordwood_backend* echo_table(void) {
  return &table;
}
