// Pools of windows and normalisation by channel over a batch of images.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatch_arrays.hpp"
#include "runtime/image.hpp"

namespace cordwood::runtime {

/// What is pooled and where it goes. Images of codes keep their scale: kinds of x and out are one.
struct PoolCall {
  cordwood_pool_attributes attributes{};
  Images x{};
  Images out{};
  Space size{};
  uint64_t n_images = 0;
  uint64_t channels = 0;
  unsigned threads = 1;  ///< most that may work

  [[nodiscard]] bool in_planes() const noexcept { return x.channels_first || out.channels_first; }
};

/// Sizes of the answer: with ceil_mode a last window that begins inside the image or its padding before
/// counts though it passes the end.
Result<Space> pool_size(const cordwood_pool_attributes& attributes, const Space& size) noexcept;

/// Fails where images do not fit or memory could not be had.
Status run_pool(Context& scratch, const PoolCall& call, const ArrayKernels& kernels) noexcept;

struct BatchNormCall {
  const float* x;
  float* out;           ///< may be x
  const float* factor;  ///< [channel]
  const float* offset;
  uint64_t n_images;
  uint64_t positions;  ///< of an image
  uint64_t channels;
  bool channels_first;
  unsigned threads;
};

Status run_batch_norm(const BatchNormCall& call, const ArrayKernels& kernels) noexcept;

}  // namespace cordwood::runtime
