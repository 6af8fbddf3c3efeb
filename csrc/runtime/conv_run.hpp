// A convolution over a batch of images, with everything around it: codes and border, windows over
// threads, the ending.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/activation.hpp"
#include "runtime/context.hpp"
#include "runtime/conv_plan.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// What is convolved and where it goes.
struct ConvCall {
  Images x{};
  bool bordered = false;  ///< channels-last codes or numbers: the border that the plan wants lies
                          ///< around each image, filled with its zero
  Space size{};           ///< of x
  uint64_t n_images = 0;
  const float* bias = nullptr;  ///< [output]
  Images residual{};            ///< of the answer's shape; no data for none
  Images out{};
  float low = 0.0f;  ///< the answer is cut to low and high
  float high = 0.0f;
  bool cut = false;
  Activation activation{};  ///< of the answer, in place of a cut
  unsigned threads = 1;     ///< most that may work
};

/// Scratch of one caller at a time. Once warm, a convolution allocates nothing.
struct ConvContext {
  Arena segments;
  Arena copy;       ///< of an image that several threads share
  Context scratch;  ///< of each thread
};

/// Fails where a value to be coded is NaN or infinite, with its image; where images do not fit the plan,
/// or memory could not be had.
Status run_conv(ConvContext& context, const ConvPlan& plan, const ConvCall& call,
                const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
