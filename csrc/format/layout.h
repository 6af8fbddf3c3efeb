/* The bytes of a .cord file as C structs; `docs/format.md` is normative and this header follows it.
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
#define CORDWOOD_MAX_DEPTH 4096u /* deepest tree */
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
  CORDWOOD_SECTION_PROGRAM = 1,    /* struct cordwood_operator[] */
  CORDWOOD_SECTION_OPERANDS = 2,   /* uint32_t[] */
  CORDWOOD_SECTION_ATTRIBUTES = 3, /* structs, 8-byte aligned */
  CORDWOOD_SECTION_VALUES = 4,     /* struct cordwood_value[] */
  CORDWOOD_SECTION_TENSORS = 5,    /* struct cordwood_tensor[] */
  CORDWOOD_SECTION_PAYLOAD = 6,    /* tensor bytes */
  CORDWOOD_SECTION_NAMES = 7,      /* feature names: string table */
  CORDWOOD_SECTION_CLASSES = 8,    /* struct cordwood_labels + data, one after another */
  CORDWOOD_SECTION_PROVENANCE = 9, /* canonical JSON, UTF-8 */
  CORDWOOD_SECTION_SIGNATURE = 10, /* reserved */
  CORDWOOD_SECTION_ENCRYPTION = 11, /* reserved */
  CORDWOOD_SECTION_CATEGORIES = 12 /* struct cordwood_categories + labels by feature */
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

/* Fixed for ever; docs/graph.md is the table. */
enum cordwood_opcode {
  /* trees */
  CORDWOOD_OP_TREE_ENSEMBLE = 1,
  CORDWOOD_OP_LINK = 2,
  CORDWOOD_OP_DECIDE = 3,
  /* preprocessing */
  CORDWOOD_OP_CAST = 16,
  CORDWOOD_OP_SCALE = 17,
  CORDWOOD_OP_IMPUTE = 18,
  CORDWOOD_OP_ONE_HOT = 19,
  CORDWOOD_OP_ORDINAL = 20,
  CORDWOOD_OP_SELECT = 21,
  CORDWOOD_OP_CONCAT = 22,
  CORDWOOD_OP_BIN = 23,
  CORDWOOD_OP_POLYNOMIAL = 24,
  CORDWOOD_OP_NORMALIZE = 25,
  CORDWOOD_OP_PROJECT = 26,
  /* nets: layers */
  CORDWOOD_OP_LINEAR = 32,
  CORDWOOD_OP_MATMUL = 33,
  CORDWOOD_OP_CONV = 34,
  CORDWOOD_OP_POOL = 35,
  CORDWOOD_OP_BATCH_NORM = 36,
  CORDWOOD_OP_LAYER_NORM = 37,
  CORDWOOD_OP_RMS_NORM = 38,
  CORDWOOD_OP_GROUP_NORM = 39,
  CORDWOOD_OP_ACTIVATION = 40,
  CORDWOOD_OP_SOFTMAX = 41,
  CORDWOOD_OP_ATTENTION = 42,
  CORDWOOD_OP_EMBEDDING = 43,
  CORDWOOD_OP_LSTM = 44,
  CORDWOOD_OP_GRU = 45,
  /* nets: elementwise and reductions */
  CORDWOOD_OP_UNARY = 48,
  CORDWOOD_OP_BINARY = 49,
  CORDWOOD_OP_COMPARE = 50,
  CORDWOOD_OP_WHERE = 51,
  CORDWOOD_OP_QUANTIZE = 52,
  CORDWOOD_OP_DEQUANTIZE = 53,
  CORDWOOD_OP_REDUCE = 56,
  CORDWOOD_OP_ARG_REDUCE = 57,
  /* nets: shape and gather */
  CORDWOOD_OP_CONSTANT = 64,
  CORDWOOD_OP_RESHAPE = 65,
  CORDWOOD_OP_TRANSPOSE = 66,
  CORDWOOD_OP_SLICE = 67,
  CORDWOOD_OP_PAD = 68,
  CORDWOOD_OP_EXPAND = 69,
  CORDWOOD_OP_RESIZE = 70,
  CORDWOOD_OP_GATHER = 71
};

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
  CORDWOOD_ROLE_EMBEDDING = 8
};

#define CORDWOOD_MAX_RANK 6u

struct cordwood_value {
  uint8_t dtype;
  uint8_t role;
  uint8_t rank;
  uint8_t reserved[5];
  uint8_t symbol_of[8];  /* per dimension: 0 a constant, 1 the batch, 2 the sequence */
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

/* ---- attributes ------------------------------------------------------------------------------ */

enum cordwood_integer_cast { CORDWOOD_INTEGER_DIRECT = 0, CORDWOOD_INTEGER_VIA_FLOAT32 = 1 };
enum cordwood_category_rule {
  CORDWOOD_CATEGORY_NONE = 0,
  CORDWOOD_CATEGORY_FLOOR = 1,
  CORDWOOD_CATEGORY_TRUNCATE = 2,
  CORDWOOD_CATEGORY_EXACT = 3
};
enum cordwood_aggregate {
  CORDWOOD_AGGREGATE_SUM = 0,
  CORDWOOD_AGGREGATE_AVERAGE = 1,
  CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN = 3
};
enum cordwood_tree_encoding { CORDWOOD_TREES_COMPACT = 0, CORDWOOD_TREES_WALKABLE = 1 };
enum cordwood_leaf_numbering {
  CORDWOOD_NUMBER_PREORDER = 0, /* the node's position in preorder, leaves included */
  CORDWOOD_NUMBER_LEVEL = 1,    /* its position in level order (breadth first), leaves included */
  CORDWOOD_NUMBER_LISTED = 2    /* the leaf_number tensor, one entry a leaf in preorder */
};
enum cordwood_tree_flag {
  CORDWOOD_TREES_ACCEPT_NAN = 1,
  CORDWOOD_TREES_ACCEPT_INFINITY = 2,
  CORDWOOD_TREES_MISSING_VALUE = 4 /* values equal to missing_value count as NaN */
};

/* Tensor operands of tree_ensemble, in this order; docs/format.md gives type and shape of each. */
enum cordwood_tree_tensor {
  CORDWOOD_TREE_STRUCTURE = 0,      /* bit [n_nodes]: preorder over all trees, 1 inner, 0 leaf */
  CORDWOOD_TREE_COLUMN_FEATURE = 1, /* u32 [n_columns] */
  CORDWOOD_TREE_COLUMN_KIND = 2,    /* u8 [n_columns]: enum cordwood_column_kind */
  CORDWOOD_TREE_COLUMN_SIZE = 3,    /* u32 [n_columns]: cuts, or sets, of the column */
  CORDWOOD_TREE_CUTS = 4,           /* f32 or f64: numeric columns' cuts, ascending in a column */
  CORDWOOD_TREE_CATEGORY_COUNT =
      5, /* u32 [n_columns]: listed values of a category column, else 0 */
  CORDWOOD_TREE_CATEGORY_VALUES = 6, /* f64: listed values, ascending in a column */
  CORDWOOD_TREE_SET_BITS = 7,        /* bit: per set, category_count + 1 bits (last: any other) */
  CORDWOOD_TREE_NODE_COLUMN = 8,     /* u8, u16 or u32 [n_inner], preorder over all trees */
  CORDWOOD_TREE_NODE_RANK = 9,       /* bit: grouped by column, see docs/format.md */
  CORDWOOD_TREE_MISSING_LEFT = 10,   /* bit [n_inner] */
  CORDWOOD_TREE_OUTPUT = 11,         /* u8, u16 or u32 [n_trees] */
  CORDWOOD_TREE_BASE_VALUE = 12,     /* f32 or f64 [n_outputs]: accumulate type */
  CORDWOOD_TREE_LEAF_ROW = 13,       /* bit: n_leaves indices, or absent where leaf i has row i */
  CORDWOOD_TREE_LEAF_VALUES = 14,    /* [n_leaf_rows, leaf_width]: accumulate type, or i8 or i16
                                        and times the tree's weight */
  CORDWOOD_TREE_LEAF_NUMBER = 15,    /* u8, u16 or u32 [n_leaves], or absent */
  CORDWOOD_TREE_WEIGHT = 16,         /* f64 [n_trees]: integer leaves, weighted median; or absent */
  CORDWOOD_TREE_LINEAR_COUNT = 17,   /* u8, u16 or u32 [n_leaf_rows]: terms of a linear leaf; or
                                        absent, and so are the three that follow */
  CORDWOOD_TREE_LINEAR_FEATURE = 18,     /* u8, u16 or u32 [terms] */
  CORDWOOD_TREE_LINEAR_COEFFICIENT = 19, /* f64 [terms] */
  CORDWOOD_TREE_LINEAR_CONSTANT = 20,    /* f64 [n_leaf_rows] */
  CORDWOOD_TREE_TENSOR_COUNT = 21
};

enum cordwood_column_kind {
  CORDWOOD_COLUMN_NUMERIC = 0,
  CORDWOOD_COLUMN_NUMERIC_ZERO_MISSING = 1, /* values within zero_band of zero count as NaN */
  CORDWOOD_COLUMN_CATEGORY = 2
};

struct cordwood_tree_attributes {
  uint32_t n_features;
  uint32_t n_outputs;
  uint32_t n_trees;
  uint32_t n_columns;
  uint64_t n_inner;
  uint64_t n_leaf_rows;
  uint32_t leaf_width;     /* 1 or n_outputs */
  uint8_t input_type;      /* FLOAT32 or FLOAT64 */
  uint8_t accumulate_type; /* FLOAT32 or FLOAT64; leaf values and base value have this type */
  uint8_t integer_cast;
  uint8_t category_rule;
  uint8_t aggregate;
  uint8_t leaf_numbering;
  uint8_t tree_encoding;
  uint8_t flags;
  uint8_t reserved[4];
  double divisor;
  double zero_band; /* of NUMERIC_ZERO_MISSING columns; thresholds have it folded in */
  double missing_value; /* with MISSING_VALUE; else 0 */
}; /* 72 bytes */

enum cordwood_link_kind {
  CORDWOOD_LINK_IDENTITY = 0,
  CORDWOOD_LINK_SIGMOID = 1,
  CORDWOOD_LINK_EXP = 2,
  CORDWOOD_LINK_SOFTMAX = 3,
  CORDWOOD_LINK_SOFTPLUS = 4,
  CORDWOOD_LINK_SIGNED_SQUARE = 5,
  CORDWOOD_LINK_SIGMOID_PAIR = 8,
  CORDWOOD_LINK_NEGATIVE_EXP2 = 9,
  CORDWOOD_LINK_SHIFT = 10,
  CORDWOOD_LINK_STEP = 11,
  CORDWOOD_LINK_LOGIT = 12
};

struct cordwood_link_attributes {
  uint32_t kind;
  uint32_t complement; /* 0 or 1 */
  double scale;        /* of sigmoid, sigmoid_pair, softmax, logit; else 1 */
  double offset;       /* of shift; of logit what it clips at, in (0, 1/2); else 0 */
}; /* 24 bytes */

enum cordwood_decide_rule {
  CORDWOOD_DECIDE_ARGMAX = 0,
  CORDWOOD_DECIDE_GREATER = 1,
  CORDWOOD_DECIDE_GREATER_EQUAL = 2,
  CORDWOOD_DECIDE_EACH_GREATER = 3
};

struct cordwood_decide_attributes {
  uint32_t rule;
  uint32_t group_count; /* 0, or the length of the operator's only tensor, u32: columns by group */
  double cut;
}; /* 16 bytes */

#endif
