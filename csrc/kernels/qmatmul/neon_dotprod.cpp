// qmatmul with sdot on 16-byte vectors, 3 rows by 32 outputs: 24 sums in registers.
//
// A step of 3 rows is 8 loads of weights and 3 broadcasts against 24 multiply-adds. Both operands are
// signed: codes of 8 bits are taken less 128, one instruction for 3 rows; fewer bits are as they are.
#include "kernels/qmatmul/dots.hpp"
#include "kernels/qmatmul/neon.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::neon_dotprod {
namespace {

struct Dot : Neon {
  static constexpr uint32_t kTileRows = 3;
  static constexpr uint32_t kWholeRows = 3;

  static Ints add_products(Ints sum, int8x16_t codes, int8x16_t own) noexcept {
    return reinterpret_cast<Ints>(vdotq_s32(reinterpret_cast<int32x4_t>(sum), codes, own));
  }
};

struct ByteCodes : Dot {
  static constexpr uint32_t kNibbleRows = 0;
  static constexpr bool kSigned = true;
  static int8x16_t weights(const uint8_t* bytes) noexcept { return signed_weights(bytes); }
};

struct FewBits : Dot {
  static constexpr uint32_t kNibbleRows = 12;
  static constexpr bool kSigned = false;
  static int8x16_t weights(const uint8_t* bytes) noexcept { return load_bytes(bytes); }
};

template <class Codes>
void run(const Qmatmul& task) noexcept {
  task.rows.zeros == nullptr ? run_panels<DotLoops<Codes>>(task)
                             : run_panels<Affine<DotLoops<Codes>>>(task);
}

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.weights.bits == 8 ? run<ByteCodes>(task) : run<FewBits>(task);
}

}  // namespace cordwood::kernels::neon_dotprod
