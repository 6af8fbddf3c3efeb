// The door, inner part: attributes of the operators of nets that work on arrays.
#include <algorithm>

#include "format/validate_nets.hpp"

namespace cordwood::format {
namespace {

constexpr int64_t kMaxPosition = int64_t{1} << 48;

bool dimension_fits(const Judge& judge, const cordwood_dimension& size, int64_t least) noexcept {
  if (size.kind > CORDWOOD_DIMENSION_INFERRED || size.value > kMaxPosition) return false;
  if (std::any_of(std::begin(size.reserved), std::end(size.reserved),
                  [](uint8_t byte) { return byte != 0; })) {
    return false;
  }
  if (size.kind == CORDWOOD_DIMENSION_OF_INPUT) {
    return size.input < judge.op.input_count && size.axis < CORDWOOD_MAX_RANK &&
           size.value >= -kMaxPosition;
  }
  if (size.input != 0 || size.axis != 0) return false;
  return size.kind == CORDWOOD_DIMENSION_INFERRED ? size.value == 0 : size.value >= least;
}

Status check_shape(const Judge& judge) noexcept {
  const auto shape = judge.attributes<cordwood_shape_attributes>();
  bool good = shape.rank <= CORDWOOD_MAX_RANK && shape.reserved == 0;
  uint32_t inferred = 0;
  for (uint32_t axis = 0; good && axis < CORDWOOD_MAX_RANK; ++axis) {
    good = dimension_fits(judge, shape.dimension[axis], axis < shape.rank ? 1 : 0);
    inferred += axis < shape.rank && shape.dimension[axis].kind == CORDWOOD_DIMENSION_INFERRED;
  }
  good = good && (judge.op.opcode == CORDWOOD_OP_EXPAND || inferred <= 1);
  return judge.need(
      good,
      "operator {}: expected at most six sizes of 1 or more, or of an input's axis; one to infer");
}

Status check_slice(const Judge& judge) noexcept {
  const auto slice = judge.attributes<cordwood_slice_attributes>();
  bool good = true;
  for (uint32_t axis = 0; good && axis < CORDWOOD_MAX_RANK; ++axis) {
    good = dimension_fits(judge, slice.start[axis], -kMaxPosition) &&
           dimension_fits(judge, slice.stop[axis], -kMaxPosition) &&
           slice.step[axis] >= -kMaxPosition && slice.step[axis] <= kMaxPosition &&
           (axis >= judge.input(0).rank || slice.step[axis] != 0);
  }
  return judge.need(good, "operator {}: expected positions within 2^48 and steps other than 0");
}

Status check_transpose(const Judge& judge) noexcept {
  const auto transpose = judge.attributes<cordwood_transpose_attributes>();
  const uint32_t rank = judge.input(0).rank;
  uint32_t seen = 0;
  for (uint32_t axis = 0; axis < CORDWOOD_MAX_RANK; ++axis) {
    if (axis < rank) seen |= 1u << std::min<uint32_t>(transpose.axes[axis], 31);
  }
  return judge.need(seen == (1u << rank) - 1, "operator {}: expected a permutation of the axes");
}

Status check_pad(const Judge& judge) noexcept {
  const auto pad = judge.attributes<cordwood_pad_attributes>();
  bool good = pad.mode <= CORDWOOD_PAD_CIRCULAR && pad.reserved == 0;
  for (uint32_t axis = 0; good && axis < CORDWOOD_MAX_RANK; ++axis) {
    const uint64_t most = axis < judge.input(0).rank ? uint64_t{1} << 32 : 0;
    good = pad.before[axis] <= most && pad.after[axis] <= most;
  }
  return judge.need(good,
                    "operator {}: expected a listed mode and at most 2^32 elements at each border");
}

Status check_resize(const Judge& judge) noexcept {
  const auto resize = judge.attributes<cordwood_resize_attributes>();
  bool good = resize.mode <= CORDWOOD_RESIZE_LINEAR &&
              resize.coordinates <= CORDWOOD_COORDINATES_ASYMMETRIC && resize.axes >= 1 &&
              resize.axes <= CORDWOOD_MAX_SPACE && resize.reserved == 0;
  for (uint32_t axis = 0; good && axis < resize.axes; ++axis) {
    const double factor = resize.factor[axis];
    good = resize.size[axis] == 0 ? factor > 0 && factor <= 65536
                                  : factor == 0 && resize.size[axis] <= (uint64_t{1} << 32);
  }
  return judge.need(
      good, "operator {}: expected a listed mode, and a size or a factor for one to three axes");
}

Status check_kind(const Judge& judge, uint32_t count) noexcept {
  const auto kind = judge.attributes<cordwood_kind_attributes>();
  return judge.need(kind.kind < count && kind.reserved == 0, "operator {}: expected a listed kind");
}

Status check_reduce(const Judge& judge) noexcept {
  const auto reduce = judge.attributes<cordwood_reduce_attributes>();
  return judge.need(reduce.kind < CORDWOOD_REDUCE_COUNT && reduce.keep_axes <= 1 &&
                        reduce.axes < (1u << judge.input(0).rank) && reduce.reserved == 0,
                    "operator {}: expected a listed kind, and axes of the input");
}

Status check_arg_reduce(const Judge& judge) noexcept {
  const auto reduce = judge.attributes<cordwood_arg_reduce_attributes>();
  CORDWOOD_RETURN_IF_FAILED(
      judge.need(reduce.kind <= 1 && reduce.keep_axes <= 1 && reduce.reserved == 0,
                 "operator {}: expected a listed kind"));
  return check_axis(judge, reduce.axis);
}

}  // namespace

Status check_array_operator(const Judge& judge) noexcept {
  switch (judge.op.opcode) {
    case CORDWOOD_OP_UNARY:
      return check_kind(judge, CORDWOOD_UNARY_COUNT);
    case CORDWOOD_OP_BINARY:
      return check_kind(judge, CORDWOOD_BINARY_COUNT);
    case CORDWOOD_OP_COMPARE:
      return check_kind(judge, CORDWOOD_COMPARE_COUNT);
    case CORDWOOD_OP_CONCAT:
      return check_axis(judge, judge.attributes<cordwood_concat_attributes>().axis);
    case CORDWOOD_OP_REDUCE:
      return check_reduce(judge);
    case CORDWOOD_OP_ARG_REDUCE:
      return check_arg_reduce(judge);
    case CORDWOOD_OP_CONSTANT:
      return judge.need_tensor(judge.has(0), "operator {}: expected a tensor");
    case CORDWOOD_OP_RESHAPE:
    case CORDWOOD_OP_EXPAND:
      return check_shape(judge);
    case CORDWOOD_OP_TRANSPOSE:
      return check_transpose(judge);
    case CORDWOOD_OP_SLICE:
      return check_slice(judge);
    case CORDWOOD_OP_PAD:
      return check_pad(judge);
    case CORDWOOD_OP_RESIZE:
      return check_resize(judge);
    case CORDWOOD_OP_GATHER: {
      const auto gather = judge.attributes<cordwood_gather_attributes>();
      CORDWOOD_RETURN_IF_FAILED(
          judge.need(gather.form <= CORDWOOD_GATHER_ALONG, "operator {}: expected a listed form"));
      return check_axis(judge, gather.axis);
    }
    default:  // cast and where have no attributes
      return {};
  }
}

}  // namespace cordwood::format
