// qmatmul_bf16 on AVX2: tiles of 2 rows by 32 outputs, 8 sums in registers, two fma for a pair.
#include "kernels/qmatmul/avx2.hpp"
#include "kernels/qmatmul/flush_mode.hpp"

namespace cordwood::kernels::avx2 {
namespace {

struct Isa : Avx2 {
  static constexpr uint32_t kTileRows = 2;
  using FlushMode = kernels::FlushMode;

  [[gnu::always_inline]] static Ints spread_pair(const uint32_t* pair) noexcept {
    return reinterpret_cast<Ints>(_mm256_set1_epi32(static_cast<int32_t>(*pair)));
  }
  [[gnu::always_inline]] static Floats dot(Floats sum, Ints x, Ints w) noexcept {
    return dot_by_fma<Isa>(sum, x, w);
  }
};

}  // namespace

void qmatmul_bf16(const QmatmulBf16& task) noexcept {
  run_pairs<Isa>(task);
}

}  // namespace cordwood::kernels::avx2
