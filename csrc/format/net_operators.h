/* The operators of nets in a .cord file: their choices, and their attributes as C structs. Those of
 * trees stand in operators.h, the container in layout.h. `docs/format.md` and `docs/graph.md` are
 * normative and this follows them. Axes count from the front. Little-endian, no implicit padding.
 * Plain C11: the edge reader and CUDA share it. */
#ifndef CORDWOOD_FORMAT_NET_OPERATORS_H
#define CORDWOOD_FORMAT_NET_OPERATORS_H

#include <stdint.h>

#define CORDWOOD_MAX_SPACE 3u /* space axes of conv, pool and resize */

enum cordwood_dimension_kind {
  CORDWOOD_DIMENSION_CONSTANT = 0,
  CORDWOOD_DIMENSION_OF_INPUT = 1, /* size of an input's axis, plus value */
  CORDWOOD_DIMENSION_INFERRED = 2  /* reshape: what is left; expand: as it is; slice: the whole */
};

/* A size or a position that may depend on the shape of an operator's inputs. */
struct cordwood_dimension {
  int64_t value;
  uint8_t kind;
  uint8_t input;
  uint8_t axis;
  uint8_t reserved[5];
}; /* 16 bytes */

enum cordwood_activation_kind {
  CORDWOOD_ACTIVATION_RELU = 0,
  CORDWOOD_ACTIVATION_LEAKY_RELU = 1,
  CORDWOOD_ACTIVATION_PRELU = 2,
  CORDWOOD_ACTIVATION_ELU = 3,
  CORDWOOD_ACTIVATION_SELU = 4,
  CORDWOOD_ACTIVATION_CELU = 5,
  CORDWOOD_ACTIVATION_GELU = 6,
  CORDWOOD_ACTIVATION_GELU_TANH = 7,
  CORDWOOD_ACTIVATION_SILU = 8,
  CORDWOOD_ACTIVATION_SIGMOID = 9,
  CORDWOOD_ACTIVATION_TANH = 10,
  CORDWOOD_ACTIVATION_SOFTPLUS = 11,
  CORDWOOD_ACTIVATION_MISH = 12,
  CORDWOOD_ACTIVATION_HARD_SIGMOID = 13,
  CORDWOOD_ACTIVATION_HARD_SWISH = 14,
  CORDWOOD_ACTIVATION_CLIP = 15,
  CORDWOOD_ACTIVATION_COUNT = 16,
  CORDWOOD_ACTIVATION_NONE = 255
};

/* How the rows of a product are coded before integers are multiplied. */
enum cordwood_row_coding {
  CORDWOOD_ROWS_FLOAT32 = 0,
  CORDWOOD_ROWS_INT8_DYNAMIC = 1,
  CORDWOOD_ROWS_INT8_STATIC = 2,
  CORDWOOD_ROWS_UINT8_DYNAMIC = 3,
  CORDWOOD_ROWS_UINT8_STATIC = 4,
  CORDWOOD_ROWS_BFLOAT16 = 5,
  CORDWOOD_ROWS_COUNT = 6
};

/* linear. Inputs: x, residual (optional). Tensors: weight, bias. */
struct cordwood_linear_attributes {
  uint8_t rows;       /* enum cordwood_row_coding */
  uint8_t activation; /* enum cordwood_activation_kind */
  uint8_t reserved[2];
  uint32_t row_group; /* dynamic: inputs that share a scale; 0 for the whole row */
  float row_scale;    /* static, else 0 */
  int32_t row_zero;   /* uint8 static, else 0 */
  float alpha;        /* of the activation */
  float beta;
}; /* 24 bytes */

struct cordwood_matmul_attributes {
  uint32_t transpose_a;
  uint32_t transpose_b;
}; /* 8 bytes */

/* conv. Inputs: x, residual (optional). Tensors: weight, bias. By space axis, unused ones 0. */
struct cordwood_conv_attributes {
  uint32_t axes;
  uint32_t groups;
  uint32_t transposed;
  uint32_t stride[3];
  uint32_t dilation[3];
  uint32_t pad_before[3];
  uint32_t pad_after[3];
  uint32_t output_padding[3];
  struct cordwood_linear_attributes product;
}; /* 96 bytes */

enum cordwood_pool_kind { CORDWOOD_POOL_MAX = 0, CORDWOOD_POOL_AVERAGE = 1 };

struct cordwood_pool_attributes {
  uint32_t kind;
  uint32_t axes;
  uint32_t ceil_mode;
  uint32_t count_padding;
  uint32_t kernel[3];
  uint32_t stride[3];
  uint32_t dilation[3];
  uint32_t pad_before[3];
  uint32_t pad_after[3];
  uint32_t reserved;
}; /* 80 bytes */

/* batch_norm has no attributes. Tensors: factor, offset, by channel (axis 1). */

/* layer_norm. Tensors: weight, bias; each may be absent. */
struct cordwood_layer_norm_attributes {
  uint32_t axes;
  float epsilon;
}; /* 8 bytes */

/* rms_norm. Tensors: weight, which may be absent. */
struct cordwood_rms_norm_attributes {
  float epsilon;
  float weight_offset; /* 0 or 1 */
}; /* 8 bytes */

/* group_norm. Tensors: weight, bias; each may be absent. */
struct cordwood_group_norm_attributes {
  uint32_t groups;
  float epsilon;
}; /* 8 bytes */

/* activation. Tensors: slope of prelu, else absent. */
struct cordwood_activation_attributes {
  uint32_t kind;
  float alpha;
  float beta;
  uint32_t reserved;
}; /* 16 bytes */

struct cordwood_softmax_attributes {
  uint32_t axis;
  uint32_t log;
}; /* 8 bytes */

/* attention. Inputs: queries, keys, values, mask (optional). */
struct cordwood_attention_attributes {
  float scale;
  float soft_cap;
  uint32_t causal;
  uint32_t window;
  uint8_t
      heads_last[4]; /* queries, keys, values, output: 1 where the shape is (batch, n, heads, d) */
  uint8_t rows;      /* enum cordwood_row_coding: float32, or int8 dynamic */
  uint8_t reserved[3];
}; /* 24 bytes */

enum cordwood_combine {
  CORDWOOD_COMBINE_NONE = 0,
  CORDWOOD_COMBINE_SUM = 1,
  CORDWOOD_COMBINE_MEAN = 2,
  CORDWOOD_COMBINE_MAX = 3
};

/* embedding. Tensors: table. */
struct cordwood_embedding_attributes {
  uint32_t combine;
  uint32_t reserved;
}; /* 8 bytes */

enum cordwood_direction {
  CORDWOOD_DIRECTION_FORWARD = 0,
  CORDWOOD_DIRECTION_REVERSE = 1,
  CORDWOOD_DIRECTION_BOTH = 2
};

/* lstm: inputs x, h, c (both or neither of the latter); outputs all h, last h, last c; tensors weight_x,
 * weight_h, bias. gru: inputs x, h; outputs all h, last h; tensors weight_x, weight_h, bias_x, bias_h.
 * In both directions there are two runs of tensors, forward first. */
struct cordwood_recurrence_attributes {
  uint32_t direction;
  uint32_t reserved;
  struct cordwood_linear_attributes product; /* coding of x; no activation */
}; /* 32 bytes */

enum cordwood_unary_kind {
  CORDWOOD_UNARY_NEGATIVE = 0,
  CORDWOOD_UNARY_ABSOLUTE = 1,
  CORDWOOD_UNARY_SIGN = 2,
  CORDWOOD_UNARY_FLOOR = 3,
  CORDWOOD_UNARY_CEIL = 4,
  CORDWOOD_UNARY_ROUND = 5,
  CORDWOOD_UNARY_TRUNCATE = 6,
  CORDWOOD_UNARY_SQRT = 7,
  CORDWOOD_UNARY_RECIPROCAL = 8,
  CORDWOOD_UNARY_SQUARE = 9,
  CORDWOOD_UNARY_NOT = 10,
  CORDWOOD_UNARY_IS_NAN = 11,
  CORDWOOD_UNARY_IS_INFINITE = 12,
  CORDWOOD_UNARY_EXP = 13,
  CORDWOOD_UNARY_EXPM1 = 14,
  CORDWOOD_UNARY_LOG = 15,
  CORDWOOD_UNARY_LOG1P = 16,
  CORDWOOD_UNARY_ERF = 17,
  CORDWOOD_UNARY_SIN = 18,
  CORDWOOD_UNARY_COS = 19,
  CORDWOOD_UNARY_RSQRT = 20,
  CORDWOOD_UNARY_COUNT = 21
};

enum cordwood_binary_kind {
  CORDWOOD_BINARY_ADD = 0,
  CORDWOOD_BINARY_SUBTRACT = 1,
  CORDWOOD_BINARY_MULTIPLY = 2,
  CORDWOOD_BINARY_DIVIDE = 3,
  CORDWOOD_BINARY_MINIMUM = 4,
  CORDWOOD_BINARY_MAXIMUM = 5,
  CORDWOOD_BINARY_REMAINDER = 6,
  CORDWOOD_BINARY_FLOOR_DIVIDE = 7,
  CORDWOOD_BINARY_AND = 8,
  CORDWOOD_BINARY_OR = 9,
  CORDWOOD_BINARY_XOR = 10,
  CORDWOOD_BINARY_POWER = 11,
  CORDWOOD_BINARY_COUNT = 12
};

enum cordwood_compare_kind {
  CORDWOOD_COMPARE_EQUAL = 0,
  CORDWOOD_COMPARE_NOT_EQUAL = 1,
  CORDWOOD_COMPARE_LESS = 2,
  CORDWOOD_COMPARE_LESS_EQUAL = 3,
  CORDWOOD_COMPARE_GREATER = 4,
  CORDWOOD_COMPARE_GREATER_EQUAL = 5,
  CORDWOOD_COMPARE_COUNT = 6
};

/* unary, binary, compare. where and cast have no attributes: cast goes to its output's type. */
struct cordwood_kind_attributes {
  uint32_t kind;
  uint32_t reserved;
}; /* 8 bytes */

struct cordwood_concat_attributes {
  uint32_t axis;
  uint32_t reserved;
}; /* 8 bytes */

enum cordwood_reduce_kind {
  CORDWOOD_REDUCE_SUM = 0,
  CORDWOOD_REDUCE_MEAN = 1,
  CORDWOOD_REDUCE_MAX = 2,
  CORDWOOD_REDUCE_MIN = 3,
  CORDWOOD_REDUCE_PRODUCT = 4,
  CORDWOOD_REDUCE_ANY = 5,
  CORDWOOD_REDUCE_ALL = 6,
  CORDWOOD_REDUCE_SUM_SQUARE = 7,
  CORDWOOD_REDUCE_LOG_SUM_EXP = 8,
  CORDWOOD_REDUCE_COUNT = 9
};

struct cordwood_reduce_attributes {
  uint32_t kind;
  uint32_t keep_axes;
  uint32_t axes; /* a bit for each */
  uint32_t reserved;
}; /* 16 bytes */

struct cordwood_arg_reduce_attributes {
  uint32_t kind; /* 0 max, 1 min */
  uint32_t keep_axes;
  uint32_t axis;
  uint32_t reserved;
}; /* 16 bytes */

/* reshape, expand. Inputs after the first are there for their shapes alone; so they are for slice. */
struct cordwood_shape_attributes {
  uint32_t rank;
  uint32_t reserved;
  struct cordwood_dimension dimension[6];
}; /* 104 bytes */

struct cordwood_transpose_attributes {
  uint8_t axes[6]; /* output axis i is input axis axes[i]; unused ones 0 */
  uint8_t reserved[2];
}; /* 8 bytes */

struct cordwood_slice_attributes {
  struct cordwood_dimension start[6]; /* below 0: counted from the end */
  struct cordwood_dimension stop[6];
  int64_t step[6]; /* 1 for axes that stay whole, whose bounds are INFERRED; unused ones 0 */
}; /* 240 bytes */

enum cordwood_pad_mode {
  CORDWOOD_PAD_CONSTANT = 0,
  CORDWOOD_PAD_REFLECT = 1,
  CORDWOOD_PAD_REPLICATE = 2,
  CORDWOOD_PAD_CIRCULAR = 3
};

struct cordwood_pad_attributes {
  uint32_t mode;
  uint32_t reserved;
  double value; /* with CONSTANT */
  uint64_t before[6];
  uint64_t after[6];
}; /* 112 bytes */

enum cordwood_resize_mode { CORDWOOD_RESIZE_NEAREST = 0, CORDWOOD_RESIZE_LINEAR = 1 };
enum cordwood_coordinates {
  CORDWOOD_COORDINATES_HALF_PIXEL = 0,
  CORDWOOD_COORDINATES_ALIGN_CORNERS = 1,
  CORDWOOD_COORDINATES_ASYMMETRIC = 2
};

/* By space axis, the last ones of the value: a size, or where that is 0 a factor. */
struct cordwood_resize_attributes {
  uint32_t mode;
  uint32_t coordinates;
  uint32_t axes;
  uint32_t reserved;
  uint64_t size[3];
  double factor[3];
}; /* 64 bytes */

enum cordwood_gather_form { CORDWOOD_GATHER_TAKE = 0, CORDWOOD_GATHER_ALONG = 1 };

struct cordwood_gather_attributes {
  uint32_t axis;
  uint32_t form;
}; /* 8 bytes */

#endif
