// qmatmul with usdot on 16-byte vectors, 3 rows by 32 outputs: 24 sums in registers.
//
// A step of 3 rows is 8 loads of weights and 3 broadcasts against 24 multiply-adds of unsigned and
// signed bytes.
#include "kernels/qmatmul/dots.hpp"
#include "kernels/qmatmul/neon.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::neon_i8mm {
namespace {

struct Dot : Neon {
  static constexpr uint32_t kTileRows = 3;
  static constexpr uint32_t kWholeRows = 3;
  static constexpr uint32_t kNibbleRows = 12;
  static constexpr bool kSigned = false;

  static int8x16_t weights(const uint8_t* bytes) noexcept { return load_bytes(bytes); }
  static Ints add_products(Ints sum, int8x16_t codes, int8x16_t own) noexcept {
    return reinterpret_cast<Ints>(
        vusdotq_s32(reinterpret_cast<int32x4_t>(sum), vreinterpretq_u8_s8(codes), own));
  }
};

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.rows.zeros == nullptr ? run_panels<DotLoops<Dot>>(task)
                             : run_panels<Affine<DotLoops<Dot>>>(task);
}

}  // namespace cordwood::kernels::neon_i8mm
