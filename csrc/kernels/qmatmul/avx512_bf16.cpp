// qmatmul_bf16 on AVX-512 without vdpbf16ps: tiles of 12 rows by 32 outputs, two fma for a pair.
#include "kernels/qmatmul/flush_mode.hpp"

namespace cordwood::kernels::avx512 {
namespace {

struct Isa {
  static constexpr uint32_t kBytes = 64;
  static constexpr uint32_t kTileRows = 12;
  using Ints = Lanes<kBytes>::Ints;
  using Floats = Lanes<kBytes>::Floats;
  using FlushMode = kernels::FlushMode;

  static Floats spread(float x) noexcept { return _mm512_set1_ps(x); }
  [[gnu::always_inline]] static Floats fma(Floats a, Floats b, Floats c) noexcept {
    return _mm512_fmadd_ps(a, b, c);
  }
  [[gnu::always_inline]] static Ints spread_pair(const uint32_t* pair) noexcept {
    return reinterpret_cast<Ints>(_mm512_set1_epi32(static_cast<int32_t>(*pair)));
  }
  [[gnu::always_inline]] static Floats dot(Floats sum, Ints x, Ints w) noexcept {
    return dot_by_fma<Isa>(sum, x, w);
  }
};

}  // namespace

void qmatmul_bf16(const QmatmulBf16& task) noexcept {
  run_pairs<Isa>(task);
}

}  // namespace cordwood::kernels::avx512
