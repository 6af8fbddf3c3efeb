// qmatmul with sdot on 16-byte vectors, 6 rows by 16 outputs or 3 by 32: 24 sums in registers.
//
// A step of 6 rows is 4 loads of weights and 6 broadcasts against 24 multiply-adds. Both operands are
// signed: codes of 8 bits are taken less 128, one instruction for 6 rows; fewer bits are as they are.
#include "kernels/qmatmul/dots.hpp"
#include "kernels/qmatmul/neon.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::neon_dotprod {
namespace {

struct Dot : Neon {
  static constexpr uint32_t kTileRows = 6;

  static Ints add_products(Ints sum, int8x16_t codes, int8x16_t own) noexcept {
    return reinterpret_cast<Ints>(vdotq_s32(reinterpret_cast<int32x4_t>(sum), codes, own));
  }
};

struct ByteCodes : Dot {
  static constexpr bool kSigned = true;
  static int8x16_t weights(const uint8_t* bytes) noexcept { return signed_weights(bytes); }
};

struct FewBits : Dot {
  static constexpr bool kSigned = false;
  static int8x16_t weights(const uint8_t* bytes) noexcept { return load_bytes(bytes); }
};

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.weights.bits == 8 ? run_panels<DotLoops<ByteCodes>>(task)
                         : run_panels<DotLoops<FewBits>>(task);
}

}  // namespace cordwood::kernels::neon_dotprod
