// qmatmul_bf16 with vdpbf16ps: tiles of 12 rows by 32 outputs, 24 sums in registers.
//
// A pair of a tile is two loads of weights and 12 broadcasts against 24 vdpbf16ps, two of each a cycle:
// the arithmetic binds, 64 operations an instruction. With one row it is the weights' memory.
#include <immintrin.h>

#include "kernels/qmatmul/panels_bf16.hpp"

namespace cordwood::kernels::avx512bf16 {
namespace {

struct Isa {
  static constexpr uint32_t kBytes = 64;
  static constexpr uint32_t kTileRows = 12;
  using Ints = Lanes<kBytes>::Ints;
  using Floats = Lanes<kBytes>::Floats;

  /// The instruction flushes by itself.
  struct FlushMode {};

  static Floats spread(float x) noexcept { return _mm512_set1_ps(x); }
  static Floats fma(Floats a, Floats b, Floats c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  [[gnu::always_inline]] static Ints spread_pair(const uint32_t* pair) noexcept {
    return reinterpret_cast<Ints>(_mm512_set1_epi32(static_cast<int32_t>(*pair)));
  }
  [[gnu::always_inline]] static Floats dot(Floats sum, Ints x, Ints w) noexcept {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

constexpr uint64_t kInputs = 32;  // of a step of the rounding

__mmask16 first_lanes(uint64_t count) noexcept {
  return static_cast<__mmask16>(count >= 16 ? 0xFFFFu : (1u << count) - 1u);
}

}  // namespace

void round_rows_bf16(const RoundRows& task) noexcept {
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    uint32_t* pairs = task.pairs + row * task.pair_stride;
    for (uint64_t input = 0; input < task.n_inputs; input += kInputs) {
      const uint64_t left = task.n_inputs - input;
      const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), x + input);
      const __m512 high =
          _mm512_maskz_loadu_ps(first_lanes(left > 16 ? left - 16 : 0), x + input + 16);
      const auto both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
      _mm512_mask_storeu_epi32(pairs + input / 2, first_lanes(input_pairs(left)), both);
    }
  }
}

void qmatmul_bf16(const QmatmulBf16& task) noexcept {
  run_pairs<Isa>(task);
}

}  // namespace cordwood::kernels::avx512bf16
