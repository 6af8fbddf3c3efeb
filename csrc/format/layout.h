/* The container of a .cord file as C structs: header, sections, values, tensors, labels. What the
 * operators in it are stands in operators.h. `docs/format.md` is normative and both follow it.
 * Little-endian, no implicit padding (each struct is a whole number of its widest member and every
 * gap is a named reserved field that must be zero). Plain C11: the edge reader and CUDA share it. */
#ifndef CORDWOOD_FORMAT_LAYOUT_H
#define CORDWOOD_FORMAT_LAYOUT_H

#include <stdint.h>

#define CORDWOOD_MAGIC                                                                             \
  "\x89"                                                                                           \
  "CORD1\r\n" /* 8 bytes: text-mode transfers and 7-bit paths break it */
#define CORDWOOD_MAJOR 1u
#define CORDWOOD_MINOR 0u
#define CORDWOOD_ALIGNMENT 64u
#define CORDWOOD_EDGE_ALIGNMENT 4u
#define CORDWOOD_NO_TENSOR 0xFFFFFFFFu

enum cordwood_profile { CORDWOOD_PROFILE_STANDARD = 0, CORDWOOD_PROFILE_EDGE = 1 };

/* File offset 0. The checksum is CRC-32 (IEEE 802.3) of the header, this field as zero, followed by
 * the section table. */
struct cordwood_header {
  uint8_t magic[8];
  uint16_t major;
  uint16_t minor;
  uint32_t checksum;
  uint64_t file_bytes;
  uint32_t section_count;
  uint32_t profile; /* enum cordwood_profile */
  uint8_t reserved[32];
}; /* 64 bytes; the section table follows */

enum cordwood_section_kind {
  CORDWOOD_SECTION_PROGRAM = 1,     /* struct cordwood_operator[] */
  CORDWOOD_SECTION_OPERANDS = 2,    /* uint32_t[] */
  CORDWOOD_SECTION_ATTRIBUTES = 3,  /* structs, 8-byte aligned */
  CORDWOOD_SECTION_VALUES = 4,      /* struct cordwood_value[] */
  CORDWOOD_SECTION_TENSORS = 5,     /* struct cordwood_tensor[] */
  CORDWOOD_SECTION_PAYLOAD = 6,     /* tensor bytes */
  CORDWOOD_SECTION_NAMES = 7,       /* feature names: string table */
  CORDWOOD_SECTION_CLASSES = 8,     /* struct cordwood_labels + data, one after another */
  CORDWOOD_SECTION_PROVENANCE = 9,  /* canonical JSON, UTF-8 */
  CORDWOOD_SECTION_SIGNATURE = 10,  /* reserved */
  CORDWOOD_SECTION_ENCRYPTION = 11, /* reserved */
  CORDWOOD_SECTION_CATEGORIES = 12  /* struct cordwood_categories + labels by feature */
};

enum cordwood_section_flag { CORDWOOD_SECTION_REQUIRED = 1 };

struct cordwood_section {
  uint32_t kind;
  uint16_t version; /* 1 */
  uint16_t flags;
  uint32_t encoding; /* 0: as is */
  uint32_t checksum; /* CRC-32 of the section's bytes */
  uint64_t offset;   /* from the start of the file */
  uint64_t length;   /* bytes */
}; /* 32 bytes */

/* Operands are three runs in OPERANDS, one after the other: input value ids, output value ids,
 * tensor ids (CORDWOOD_NO_TENSOR where an optional tensor is absent). */
struct cordwood_operator {
  uint16_t opcode;
  uint16_t version; /* 1 */
  uint16_t input_count;
  uint16_t output_count;
  uint32_t tensor_count;
  uint32_t first_operand;
  uint32_t attribute_offset; /* into ATTRIBUTES, multiple of 8 */
  uint32_t attribute_bytes;
}; /* 24 bytes */

enum cordwood_dtype {
  CORDWOOD_DTYPE_BIT = 1, /* one bit an element, least significant first */
  CORDWOOD_DTYPE_INT2 = 2,
  CORDWOOD_DTYPE_INT3 = 3,
  CORDWOOD_DTYPE_INT4 = 4,
  CORDWOOD_DTYPE_INT8 = 5,
  CORDWOOD_DTYPE_UINT8 = 6,
  CORDWOOD_DTYPE_INT16 = 7,
  CORDWOOD_DTYPE_UINT16 = 8,
  CORDWOOD_DTYPE_INT32 = 9,
  CORDWOOD_DTYPE_UINT32 = 10,
  CORDWOOD_DTYPE_INT64 = 11,
  CORDWOOD_DTYPE_UINT64 = 12,
  CORDWOOD_DTYPE_FLOAT16 = 13,
  CORDWOOD_DTYPE_BFLOAT16 = 14,
  CORDWOOD_DTYPE_FLOAT32 = 15,
  CORDWOOD_DTYPE_FLOAT64 = 16
};

enum cordwood_role {
  CORDWOOD_ROLE_NONE = 0,
  CORDWOOD_ROLE_ROWS = 1,
  CORDWOOD_ROLE_MARGIN = 2,
  CORDWOOD_ROLE_RESPONSE = 3,
  CORDWOOD_ROLE_PROBABILITY = 4,
  CORDWOOD_ROLE_LABEL = 5,
  CORDWOOD_ROLE_SCORE = 6,
  CORDWOOD_ROLE_DECISION = 7,
  CORDWOOD_ROLE_EMBEDDING = 8,
  CORDWOOD_ROLE_INPUT = 9, /* of a net; any number of values */
  CORDWOOD_ROLE_OUTPUT = 10
};

#define CORDWOOD_MAX_RANK 6u

struct cordwood_value {
  uint8_t dtype;
  uint8_t role;
  uint8_t rank;
  uint8_t code_zero;     /* of a coded value: uint8 codes that stand for (code - zero) * scale */
  float code_scale;      /* 0: not coded */
  uint8_t symbol_of[8];  /* per dimension: 0 a constant, 1 the batch, 2 the sequence, 3... others */
  uint64_t dimension[6]; /* size, or the symbol's declared maximum (0: none) */
}; /* 64 bytes */

enum cordwood_tensor_encoding {
  CORDWOOD_ENCODING_RAW = 0,
  CORDWOOD_ENCODING_PLANES = 1,     /* byte planes, each constant, raw or entropy coded */
  CORDWOOD_ENCODING_DIFFERENCES = 2 /* float32 and float64: planes of neighbours' differences */
};

enum cordwood_sparsity {
  CORDWOOD_SPARSITY_DENSE = 0,
  CORDWOOD_SPARSITY_N_OF_M = 1,
  CORDWOOD_SPARSITY_COLUMN_BLOCK = 2,
  CORDWOOD_SPARSITY_BITMAP = 3
};

struct cordwood_tensor {
  uint8_t dtype;
  uint8_t rank;
  uint8_t encoding;
  uint8_t sparsity;
  uint32_t quant_axis;      /* CORDWOOD_NO_TENSOR: not quantised */
  uint32_t group;           /* elements along the axis that share a scale; 0: whole axis */
  uint32_t scale_tensor;    /* CORDWOOD_NO_TENSOR: none */
  uint32_t zero_tensor;     /* CORDWOOD_NO_TENSOR: none */
  uint32_t sparsity_tensor; /* CORDWOOD_NO_TENSOR: none */
  uint64_t dimension[6];
  uint64_t offset; /* into PAYLOAD, multiple of the file's alignment */
  uint64_t length; /* encoded bytes */
}; /* 88 bytes */

enum cordwood_label_type {
  CORDWOOD_LABELS_INT64 = 1,
  CORDWOOD_LABELS_FLOAT64 = 2,
  CORDWOOD_LABELS_BOOL = 3, /* one byte each */
  CORDWOOD_LABELS_UTF8 = 4  /* a string table follows */
};

struct cordwood_labels {
  uint32_t type;
  uint32_t count;
}; /* 8 bytes, then the data. A string table is uint32_t count, uint32_t end[count], bytes. Where
      another table follows, zeros pad to a multiple of 8. */

enum cordwood_unseen {
  CORDWOOD_UNSEEN_MISSING = 0,
  CORDWOOD_UNSEEN_REFUSED = 1,
  CORDWOOD_UNSEEN_OTHER = 2 /* -1, a code in no set */
};

/* Labels that stand for codes in a feature's column; the code is the position. */
struct cordwood_categories {
  uint32_t count;
  uint32_t unseen; /* enum cordwood_unseen: what a label that is not listed means */
}; /* 8 bytes, then `count` times: struct cordwood_category_labels and its table, padded to 8 */

struct cordwood_category_labels {
  uint32_t feature; /* ascending */
  uint32_t reserved;
}; /* 8 bytes */

#endif
