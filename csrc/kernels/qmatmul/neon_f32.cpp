// qmatmul_f32 on AdvSIMD: tiles of 3 rows by 32 outputs, 24 sums in registers.
#include "kernels/qmatmul/neon.hpp"
#include "kernels/qmatmul/panels_f32.hpp"

namespace cordwood::kernels::neon {
namespace {

struct Isa : Neon {
  static Floats from_float16(const uint8_t* halves) noexcept {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves)));
  }
};

}  // namespace

void qmatmul_f32(const QmatmulF32& task) noexcept {
  run_panels<Isa>(task);
}

}  // namespace cordwood::kernels::neon
