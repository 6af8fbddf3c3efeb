// Packing, turning and ending on AdvSIMD. A square is 4 by 4.
#include <arm_neon.h>

#include "kernels/matmul/rows.hpp"

namespace cordwood::kernels::neon {
namespace {

struct Neon {
  static constexpr uint32_t kBytes = 16;

  static void turn_square(const float* from, uint64_t from_stride, float* to,
                          uint64_t to_stride) noexcept {
    const float32x4x2_t ab = vtrnq_f32(vld1q_f32(from), vld1q_f32(from + from_stride));
    const float32x4x2_t cd =
        vtrnq_f32(vld1q_f32(from + 2 * from_stride), vld1q_f32(from + 3 * from_stride));
    vst1q_f32(to, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
    vst1q_f32(to + to_stride, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
    vst1q_f32(to + 2 * to_stride, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
    vst1q_f32(to + 3 * to_stride, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
  }
};

}  // namespace

void transpose_f32(const Transpose& task) noexcept {
  turn<Neon>(task);
}
bool pack_rows_f32(const PackRows& task) noexcept {
  return pack<Neon>(task);
}
void end_rows_f32(const EndRows& task) noexcept {
  end<Neon>(task);
}

}  // namespace cordwood::kernels::neon
