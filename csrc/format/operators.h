/* The operators of a .cord file: their numbers, and their attributes as C structs. The container
 * around them stands in layout.h. `docs/format.md` is normative and both follow it. Little-endian, no
 * implicit padding. Plain C11: the edge reader and CUDA share it. */
#ifndef CORDWOOD_FORMAT_OPERATORS_H
#define CORDWOOD_FORMAT_OPERATORS_H

#include <stdint.h>

#define CORDWOOD_MAX_DEPTH 4096u /* edges from a tree's root to its deepest leaf */

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
  CORDWOOD_TREES_MISSING_VALUE = 4,    /* values equal to missing_value count as NaN */
  CORDWOOD_TREES_MISSING_FROM_ZERO = 8 /* missing_left says where NaN parts from zero */
};

/* Tensor operands of tree_ensemble, in this order; docs/format.md gives type and shape of each. */
enum cordwood_tree_tensor {
  CORDWOOD_TREE_STRUCTURE = 0,      /* bit [n_nodes]: depth after depth, 1 inner, 0 leaf */
  CORDWOOD_TREE_COLUMN_FEATURE = 1, /* u32 [n_columns] */
  CORDWOOD_TREE_COLUMN_KIND = 2,    /* u8 [n_columns]: enum cordwood_column_kind */
  CORDWOOD_TREE_COLUMN_SIZE = 3,    /* u32 [n_columns]: cuts, or sets, of the column */
  CORDWOOD_TREE_CUTS = 4,           /* f32 or f64: numeric columns' cuts, ascending in a column */
  CORDWOOD_TREE_CATEGORY_COUNT =
      5, /* u32 [n_columns]: listed values of a category column, else 0 */
  CORDWOOD_TREE_CATEGORY_VALUES = 6, /* f64: listed values, ascending in a column */
  CORDWOOD_TREE_SET_BITS = 7,        /* bit: per set, category_count + 1 bits (last: any other) */
  CORDWOOD_TREE_NODE_COLUMN = 8,     /* u8, u16 or u32 [n_inner], preorder over all trees */
  CORDWOOD_TREE_NODE_RANK = 9,       /* bit: each within what is open, see docs/format.md */
  CORDWOOD_TREE_MISSING_LEFT = 10,   /* bit [n_inner]: 1 where NaN goes left, or parts from zero */
  CORDWOOD_TREE_OUTPUT = 11,         /* u8, u16 or u32 [n_trees] */
  CORDWOOD_TREE_BASE_VALUE = 12,     /* f32 or f64 [n_outputs]: accumulate type */
  CORDWOOD_TREE_LEAF_ROW = 13,       /* bit: n_leaves indices, or absent where leaf i has row i */
  CORDWOOD_TREE_LEAF_VALUES = 14,    /* [n_leaf_rows, leaf_width]: accumulate type, or i8 or i16
                                        and times the tree's weight */
  CORDWOOD_TREE_LEAF_NUMBER = 15,    /* u8, u16 or u32 [n_leaves], or absent */
  CORDWOOD_TREE_WEIGHT = 16,         /* f64 [n_trees]: integer leaves, weighted median; or absent */
  CORDWOOD_TREE_LINEAR_COUNT = 17,   /* u8, u16 or u32 [n_leaf_rows]: terms of a linear leaf; or
                                        absent, and so are the three that follow */
  CORDWOOD_TREE_LINEAR_FEATURE = 18, /* u8, u16 or u32 [terms] */
  CORDWOOD_TREE_LINEAR_COEFFICIENT = 19, /* f64 [terms] */
  CORDWOOD_TREE_LINEAR_CONSTANT = 20,    /* f64 [n_leaf_rows] */
  CORDWOOD_TREE_TENSOR_COUNT = 21
};

enum cordwood_column_kind {
  CORDWOOD_COLUMN_NUMERIC = 0,
  CORDWOOD_COLUMN_NUMERIC_ZERO_MISSING = 1, /* values within zero_band of zero count as NaN */
  CORDWOOD_COLUMN_CATEGORY = 2,
  CORDWOOD_COLUMN_NESTS = 4 /* added to the others but CATEGORY: how ranks are stored */
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
  double zero_band;     /* of NUMERIC_ZERO_MISSING columns; thresholds have it folded in */
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
