// What windows of a convolution lie in: the caller's image as it is, or a copy with its border, as
// numbers or codes.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "runtime/conv_plan.hpp"
#include "runtime/dispatch_arrays.hpp"

namespace cordwood::runtime {

/// The image that windows lie in.
struct Padded {
  Space size;  ///< what all windows cover
  uint64_t row_stride;
  uint64_t plane_stride;
  bool direct;      ///< the caller's own
  uint64_t offset;  ///< direct: from an image's first number to the first window's, to be taken off
  uint64_t bytes;   ///< of a copy
  uint64_t row_bytes;  ///< of room for one row on its way into the copy
};

/// How images of this size are held for a plan. `bordered`: around each lies the border that the plan
/// wants, filled with its zero.
Padded plan_padded(const ConvPlan& plan, const Images& images, bool bordered, const Space& size,
                   const Space& output) noexcept;

/// One image on its way into a copy.
struct ImageCopy {
  const ConvPlan& plan;
  const Images& images;
  const Padded& padded;
  Space size;
  uint64_t image;
  std::byte* copy;
  std::byte* row;  ///< room for a row
};

/// Makes the copy; `scale` becomes that of its codes. Fails where a value to be coded is NaN or infinite.
Status copy_image(const ImageCopy& work, const ArrayKernels& kernels, float& scale) noexcept;

}  // namespace cordwood::runtime
