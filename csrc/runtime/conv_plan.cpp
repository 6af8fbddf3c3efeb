#include "runtime/conv_plan.hpp"

#include <algorithm>

namespace cordwood::runtime {
namespace {

using kernels::kConvInputs;
using kernels::kConvOutputs;

constexpr uint64_t kMostNumbers = uint64_t{1} << 40;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

Status check_axes(const cordwood_conv_attributes& attributes, const Space& kernel) noexcept {
  if (attributes.axes == 0 || attributes.axes > CORDWOOD_MAX_SPACE) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution", "{} space axes; expected 1 to 3",
                attributes.axes);
  }
  for (uint32_t axis = 0; axis < attributes.axes; ++axis) {
    const uint64_t size = kernel[CORDWOOD_MAX_SPACE - attributes.axes + axis];
    if (size == 0 || size > UINT16_MAX || attributes.stride[axis] == 0 ||
        attributes.dilation[axis] == 0) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                  "axis {}: kernel {}, stride {}, dilation {}; each is at least 1", axis, size,
                  attributes.stride[axis], attributes.dilation[axis]);
    }
  }
  return {};
}

Status check(const cordwood_conv_attributes& attributes, const ConvWeights& weights) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check_axes(attributes, weights.kernel));
  const uint64_t groups = attributes.groups;
  if (groups == 0 || weights.channels == 0 || weights.outputs == 0 ||
      weights.channels % groups != 0 || weights.outputs % groups != 0) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "{} channels and {} outputs in {} groups; groups divide both", weights.channels,
                weights.outputs, groups);
  }
  const uint64_t inputs = weights.channels / groups * count(weights.kernel);
  const bool floats = !weights.numbers.empty();
  if (inputs > kernels::kMaxConvInputs || weights.outputs * inputs > kMostNumbers) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "{} weights of an output; expected at most {}", inputs, kernels::kMaxConvInputs);
  }
  const uint64_t given = floats ? weights.numbers.size() : weights.codes.size();
  if (given != weights.outputs * inputs || (!floats && weights.scales.size() != weights.outputs)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "{} weights and {} scales; expected {} and {}", given, weights.scales.size(),
                weights.outputs * inputs, floats ? 0 : weights.outputs);
  }
  const uint32_t rows = attributes.product.rows;
  const bool codes_rows = rows == CORDWOOD_ROWS_INT8_DYNAMIC || rows == CORDWOOD_ROWS_INT8_STATIC ||
                          rows == CORDWOOD_ROWS_UINT8_STATIC;
  if (floats ? rows != CORDWOOD_ROWS_FLOAT32 : !codes_rows) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "row coding {}; float32 weights take 0, codes take 1, 2 or 4", rows);
  }
  const bool is_static = !floats && rows != CORDWOOD_ROWS_INT8_DYNAMIC;
  const int32_t zero = attributes.product.row_zero;
  if (is_static && !(attributes.product.row_scale >= 0x1p-100f)) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "a static scale of activations is positive, at least 2^-100");
  }
  const int32_t lowest = rows == CORDWOOD_ROWS_INT8_STATIC ? -128 : 0;
  const int32_t highest = is_static ? lowest + 255 : 0;
  if (zero < lowest || zero > highest) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                "a zero point of activations that is no code of their type");
  }
  return {};
}

}  // namespace

Result<ConvPlan> ConvPlan::build(const cordwood_conv_attributes& attributes,
                                 const ConvWeights& weights) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(attributes, weights));
  return guard_memory("weights of a convolution", [&]() -> Result<ConvPlan> {
    ConvPlan plan;
    plan.set_axes(attributes, weights.kernel);
    plan.product_ = attributes.product;
    plan.groups_ = attributes.groups;
    plan.channels_ = weights.channels;
    plan.outputs_ = weights.outputs;
    plan.floats_ = !weights.numbers.empty();
    plan.transposed_ = attributes.transposed != 0;
    const bool is_unsigned = attributes.product.rows == CORDWOOD_ROWS_UINT8_STATIC;
    plan.zero_ = attributes.product.row_zero + (is_unsigned ? 0 : kSignedZero);
    const uint64_t group_outputs = weights.outputs / attributes.groups;
    const uint64_t group_channels = weights.channels / attributes.groups;
    plan.depthwise_ = group_outputs == 1 && group_channels == 1 && attributes.groups > 1;
    // Kernel positions that touch are one segment.
    const bool touch = plan.groups_ == 1 && plan.axes_[2].dilation == 1;
    const uint64_t along = touch ? weights.kernel[2] : 1;
    plan.n_segments_ = static_cast<uint32_t>(count(weights.kernel) / along);
    plan.segment_inputs_ = static_cast<uint32_t>(along * group_channels);
    plan.group_lanes_ = plan.depthwise_ ? 1 : divide_up(group_outputs, kConvOutputs) * kConvOutputs;
    plan.lay(weights);
    return plan;
  });
}

void ConvPlan::set_axes(const cordwood_conv_attributes& attributes, const Space& kernel) noexcept {
  const bool transposed = attributes.transposed != 0;
  const uint32_t lead = CORDWOOD_MAX_SPACE - attributes.axes;
  for (uint32_t i = 0; i < CORDWOOD_MAX_SPACE; ++i) {
    axes_[i] = {.kernel = 1, .stride = 1, .dilation = 1, .before = 0, .spread = 1};
    if (i < lead) continue;
    const uint32_t axis = i - lead;
    const uint64_t stride = attributes.stride[axis];
    const uint64_t dilation = attributes.dilation[axis];
    const auto before = static_cast<int64_t>(attributes.pad_before[axis]);
    const auto reach = static_cast<int64_t>(dilation * (kernel[i] - 1));
    axes_[i] = {.kernel = kernel[i],
                .stride = transposed ? 1 : stride,
                .dilation = dilation,
                .before = transposed ? reach - before : before,
                .spread = transposed ? stride : 1};
    pad_after_[i] = attributes.pad_after[axis];
    output_padding_[i] = transposed ? attributes.output_padding[axis] : 0;
  }
}

Result<Space> ConvPlan::output_size(const Space& size) const noexcept {
  Space answer{};
  for (uint32_t i = 0; i < CORDWOOD_MAX_SPACE; ++i) {
    const ConvAxis& axis = axes_[i];
    const auto reach = static_cast<int64_t>(axis.dilation * (axis.kernel - 1));
    const auto after = static_cast<int64_t>(pad_after_[i]);
    const auto held = static_cast<int64_t>((size[i] - 1) * axis.spread) + 1 + axis.before;
    const int64_t room = transposed_
                             ? held + reach - after + static_cast<int64_t>(output_padding_[i])
                             : held + after;
    if (size[i] == 0 || size[i] > INT32_MAX || room <= reach) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "convolution",
                  "size {} of space axis {} (of three) is too small for the window", size[i], i);
    }
    answer[i] = static_cast<uint64_t>(room - reach - 1) / axis.stride + 1;
  }
  return answer;
}

Border ConvPlan::border() const noexcept {
  Border border;
  // Steps of four bytes must not read what is not there.
  if (!floats_ && !depthwise_ && segment_inputs_ % kConvInputs != 0) return border;
  for (uint32_t i = 0; i < CORDWOOD_MAX_SPACE; ++i) {
    const ConvAxis& axis = axes_[i];
    if (transposed_ ||
        std::max<uint64_t>(static_cast<uint64_t>(axis.before), pad_after_[i]) > kMostBorder)
      return {};
    border.before[i] = static_cast<uint8_t>(axis.before);
    border.after[i] = static_cast<uint8_t>(pad_after_[i]);
  }
  return border;
}

bool ConvPlan::pointwise() const noexcept {
  return std::ranges::all_of(axes_, [](const ConvAxis& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.before == 0;
  });
}

uint64_t ConvPlan::padded_inputs() const noexcept {
  if (floats() || depthwise_) return window_inputs();
  return n_segments_ * divide_up(segment_inputs_, kConvInputs) * kConvInputs;
}

void ConvPlan::lay(const ConvWeights& weights) {
  const uint64_t lanes = groups_ * group_lanes_;
  if (floats_) {
    numbers_.resize(lanes * window_inputs());
  } else {
    codes_.resize(lanes * padded_inputs());
    scales_.resize(lanes);
    starts_.resize(lanes);
    signed_starts_.resize(lanes);
  }
  const uint64_t group_outputs = outputs_ / groups_;
  const uint64_t group_channels = channels_ / groups_;
  const uint64_t positions = count(weights.kernel);
  for (uint64_t output = 0; output < outputs_; ++output) {
    const uint64_t group = output / group_outputs;
    if (!floats_) {
      scales_[group * group_lanes_ + output % group_outputs] = weights.scales[output];
    }
    for (uint64_t channel = 0; channel < group_channels; ++channel) {
      const uint64_t line =
          transposed_ ? (group * group_channels + channel) * group_outputs + output % group_outputs
                      : output * group_channels + channel;
      for (uint64_t position = 0; position < positions; ++position) {
        // Turned round, a transposed kernel looks at the inputs from the first one on.
        const uint64_t from = transposed_ ? positions - 1 - position : position;
        put(weights, line * positions + from, output, position, channel);
      }
    }
  }
}

void ConvPlan::put(const ConvWeights& weights, uint64_t from, uint64_t output, uint64_t position,
                   uint64_t channel) noexcept {
  const uint64_t group_outputs = outputs_ / groups_;
  const uint64_t lane = output / group_outputs * group_lanes_ + output % group_outputs;
  const uint64_t group_channels = channels_ / groups_;
  const uint64_t along = segment_inputs_ / group_channels;
  const uint64_t segment = position / along;
  const uint64_t within = position % along * group_channels + channel;
  if (floats()) {
    const uint64_t input = segment * segment_inputs_ + within;
    const uint64_t at = depthwise_ ? position * channels_ + lane
                                   : lane / kConvOutputs * window_inputs() * kConvOutputs +
                                         input * kConvOutputs + lane % kConvOutputs;
    numbers_[at] = weights.numbers[from];
    return;
  }
  const auto code = static_cast<int8_t>(weights.codes[from] - 128);
  starts_[lane] -= zero_ * code;
  signed_starts_[lane] += (kSignedZero - zero_) * code;
  if (depthwise_) {
    codes_[position * channels_ + lane] = code;
    return;
  }
  const uint64_t input = segment * (padded_inputs() / n_segments_) + within;
  const uint64_t step = input / kConvInputs * kConvOutputs + lane % kConvOutputs;
  codes_[lane / kConvOutputs * padded_inputs() * kConvOutputs + step * kConvInputs +
         input % kConvInputs] = code;
}

void ConvPlan::lay_segments(uint64_t row_stride, uint64_t plane_stride,
                            uint64_t* segments) const noexcept {
  const uint64_t along = segment_inputs_ / (channels_ / groups_);
  for (uint64_t z = 0; z < axes_[0].kernel; ++z) {
    for (uint64_t y = 0; y < axes_[1].kernel; ++y) {
      for (uint64_t x = 0; x < axes_[2].kernel; x += along) {
        *segments++ = z * axes_[0].dilation * plane_stride + y * axes_[1].dilation * row_stride +
                      x * axes_[2].dilation * channels_;
      }
    }
  }
}

void ConvPlan::set_weights(uint64_t group, kernels::ConvU8& task) const noexcept {
  task.panels = codes_.data() + group * group_lanes_ * padded_inputs();
  task.panel_bytes = padded_inputs() * kConvOutputs;
  task.starts = starts_.data() + group * group_lanes_;
  task.signed_starts = signed_starts_.data() + group * group_lanes_;
  task.scales = scales_.data() + group * group_lanes_;
}

void ConvPlan::set_weights(uint64_t group, kernels::ConvF32& task) const noexcept {
  task.panels = numbers_.data() + group * group_lanes_ * window_inputs();
  task.panel_floats = window_inputs() * kConvOutputs;
}

}  // namespace cordwood::runtime
