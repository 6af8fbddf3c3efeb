// A convolution's weights, laid out in panels for kernels/conv, and where its windows lie.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "format/net_operators.h"
#include "kernels/conv/conv.hpp"
#include "runtime/image.hpp"

namespace cordwood::runtime {

/// (outputs, channels / groups, kernel...), or transposed (channels, outputs / groups, kernel...). Either
/// numbers, or codes of 8 bits, symmetric, with a scale for each output.
struct ConvWeights {
  std::span<const float> numbers;
  std::span<const uint8_t> codes;
  std::span<const float> scales;
  uint64_t outputs;   ///< of all groups
  uint64_t channels;  ///< of all groups
  Space kernel;
};

/// Where the windows of one axis lie: a transposed convolution is one of stride 1 over an input with
/// zeros between its numbers.
struct ConvAxis {
  uint64_t kernel;
  uint64_t stride;
  uint64_t dilation;
  int64_t before;   ///< positions of padding; below 0 where the input is cut instead
  uint64_t spread;  ///< distance of the input's numbers
};

class ConvPlan {
 public:
  /// Fails where sizes do not fit one another or memory could not be had.
  static Result<ConvPlan> build(const cordwood_conv_attributes& attributes,
                                const ConvWeights& weights) noexcept;

  /// Sizes of the answer, or a failure where the input is smaller than a window.
  [[nodiscard]] Result<Space> output_size(const Space& size) const noexcept;

  /// The border in which images are read in place; none where they are copied all the same.
  [[nodiscard]] Border border() const noexcept;
  /// Windows of neighbouring positions touch: rows without gaps are one.
  [[nodiscard]] bool pointwise() const noexcept;

  [[nodiscard]] bool floats() const noexcept { return floats_; }
  [[nodiscard]] bool depthwise() const noexcept { return depthwise_; }
  [[nodiscard]] uint64_t groups() const noexcept { return groups_; }
  [[nodiscard]] uint64_t channels() const noexcept { return channels_; }
  [[nodiscard]] uint64_t outputs() const noexcept { return outputs_; }
  [[nodiscard]] const std::array<ConvAxis, 3>& axes() const noexcept { return axes_; }
  [[nodiscard]] const cordwood_linear_attributes& product() const noexcept { return product_; }
  /// The byte that stands for zero.
  [[nodiscard]] int32_t zero() const noexcept { return zero_; }
  [[nodiscard]] uint32_t n_segments() const noexcept { return n_segments_; }
  [[nodiscard]] uint32_t segment_inputs() const noexcept { return segment_inputs_; }
  [[nodiscard]] uint64_t window_inputs() const noexcept {
    return uint64_t{n_segments_} * segment_inputs_;
  }

  /// Where segments begin in an image with these distances from row to row and plane to plane.
  void lay_segments(uint64_t row_stride, uint64_t plane_stride, uint64_t* segments) const noexcept;

  /// A group's weights in a task.
  void set_weights(uint64_t group, kernels::ConvU8& task) const noexcept;
  void set_weights(uint64_t group, kernels::ConvF32& task) const noexcept;

  /// Bytes of weights, sums and scales as laid out.
  [[nodiscard]] uint64_t n_bytes() const noexcept {
    return codes_.size() + (numbers_.size() + scales_.size()) * sizeof(float) +
           2 * starts_.size() * sizeof(int32_t);
  }

 private:
  void set_axes(const cordwood_conv_attributes& attributes, const Space& kernel) noexcept;
  void lay(const ConvWeights& weights);
  void put(const ConvWeights& weights, uint64_t from, uint64_t output, uint64_t position,
           uint64_t channel) noexcept;
  /// Inputs of a window as laid out: segments are whole steps.
  [[nodiscard]] uint64_t padded_inputs() const noexcept;

  std::array<ConvAxis, 3> axes_{};
  cordwood_linear_attributes product_{};
  AlignedVector<int8_t> codes_;
  AlignedVector<float> numbers_;
  AlignedVector<float> scales_;    // [group][output of whole panels]
  AlignedVector<int32_t> starts_;  // the same
  AlignedVector<int32_t> signed_starts_;
  Space output_padding_{};
  Space pad_after_{};
  uint64_t groups_ = 1;
  uint64_t channels_ = 0;
  uint64_t outputs_ = 0;
  uint64_t group_lanes_ = 0;  ///< outputs of a group's panels
  int32_t zero_ = kSignedZero;
  uint32_t n_segments_ = 0;
  uint32_t segment_inputs_ = 0;
  bool floats_ = true;
  bool depthwise_ = false;
  bool transposed_ = false;
};

}  // namespace cordwood::runtime
