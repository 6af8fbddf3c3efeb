// qmatmul_f32: tiles of 12 rows by 32 outputs, 24 sums in registers.
//
// An input of a tile is two loads of weights and 12 broadcasts against 24 fma, two of each a cycle:
// the fma bind. Weights that are not float32 become so in L1, 128 inputs at a time, once for all rows:
// two to six instructions for 16 of them. With one row their memory binds, or that work.
#include <immintrin.h>

#include "kernels/qmatmul/qmatmul_f32.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint32_t kTileRows = 12;
constexpr uint64_t kAheadBytes = 1024;
/// Inputs of float32 weights for several tiles: 64 KiB of them stay in L2 beside the rows' own.
constexpr uint64_t kDirectInputs = 512;

struct Pair {
  __m512 low;   // outputs 0 to 15
  __m512 high;  // outputs 16 to 31
};

/// Inputs of a panel as float32, and what they belong to.
struct Part {
  const float* weights;  ///< [input][output]
  uint64_t first_input;
  uint64_t n_inputs;
  bool first;
  bool last;
};

/// A panel's place in the answer.
struct Columns {
  uint64_t first;
  __mmask16 low;
  __mmask16 high;
};

/// Codes of a step for 16 outputs, a byte each.
__m512i codes_of(const uint8_t* steps, uint32_t bits, uint64_t step) noexcept {
  const auto row = [&](uint64_t index) { return _mm512_loadu_si512(steps + index * kStepBytes); };
  const auto right = [](__m512i bytes, uint64_t count) {
    return _mm512_srl_epi16(bytes, _mm_cvtsi64_si128(static_cast<int64_t>(count)));
  };
  if (bits == 8) return row(step);
  if (bits == 4) {
    return _mm512_and_si512(right(row(step / 2), step % 2 * 4), _mm512_set1_epi8(15));
  }
  const __m512i low_two = _mm512_set1_epi8(3);
  if (bits == 2) return _mm512_and_si512(right(row(step / 4), step % 4 * 2), low_two);
  const uint64_t first = step / 8 * 3;
  const uint64_t within = step % 8;
  const __m512i low = _mm512_and_si512(right(row(first + within / 4), within % 4 * 2), low_two);
  const __m512i high = _mm512_and_si512(right(row(first + 2), within), _mm512_set1_epi8(1));
  return _mm512_or_si512(low, _mm512_slli_epi16(high, 2));
}

/// Codes of a panel's inputs to float32. Inputs begin and end with a step.
void expand_codes(const QmatmulWeights& weights, uint64_t panel, uint64_t first, uint64_t count,
                  float* numbers) noexcept {
  const uint8_t* steps = weights.panels + panel * weights.panel_bytes;
  const __m512i byte = _mm512_set1_epi32(255);
  for (uint64_t step = first / kStepInputs; step < (first + count) / kStepInputs; ++step) {
    const uint64_t group = step / weights.group_steps;
    for (uint64_t half = 0; half < 2; ++half) {
      const uint64_t at = (panel * weights.n_groups + group) * kPanelOutputs + 16 * half;
      const __m512 scale = _mm512_loadu_ps(weights.scales + at);
      const __m512i zero = weights.zeros == nullptr
                               ? _mm512_set1_epi32(1 << (weights.bits - 1))
                               : _mm512_cvtepu8_epi32(_mm_loadu_si128(
                                     reinterpret_cast<const __m128i*>(weights.zeros + at)));
      const __m512i codes = codes_of(steps + 64 * half, weights.bits, step);
      float* to = numbers + (step * kStepInputs - first) * kPanelOutputs + 16 * half;
#pragma GCC unroll 4
      for (uint32_t input = 0; input < kStepInputs; ++input) {
        const __m512i code = _mm512_and_si512(_mm512_srli_epi32(codes, 8 * input), byte);
        const __m512 number = _mm512_cvtepi32_ps(_mm512_sub_epi32(code, zero));
        _mm512_store_ps(to + input * kPanelOutputs, _mm512_mul_ps(number, scale));
      }
    }
  }
}

/// float16 of a panel's inputs to float32.
void expand_float16(const uint8_t* halves, uint64_t count, float* numbers) noexcept {
  for (uint64_t at = 0; at < count * kPanelOutputs; at += 16) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves + 2 * at));
    _mm_prefetch(reinterpret_cast<const char*>(halves + 2 * at + kAheadBytes), _MM_HINT_T0);
    _mm512_store_ps(numbers + at, _mm512_cvtph_ps(half));
  }
}

/// bfloat16 of a panel's pairs of inputs to float32.
void expand_bfloat16(const uint8_t* pairs, uint64_t n_pairs, float* numbers) noexcept {
  const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000u));
  for (uint64_t pair = 0; pair < n_pairs; ++pair) {
    for (uint64_t half = 0; half < kPanelOutputs; half += 16) {
      const __m512i both = _mm512_loadu_si512(pairs);
      _mm_prefetch(reinterpret_cast<const char*>(pairs + kAheadBytes), _MM_HINT_T0);
      _mm512_store_si512(numbers + half, _mm512_slli_epi32(both, 16));
      _mm512_store_si512(numbers + half + kPanelOutputs, _mm512_and_si512(both, upper));
      pairs += 64;
    }
    numbers += 2 * uint64_t{kPanelOutputs};
  }
}

/// Cut to `low` and `high`, either sign of a zero to a bound of zero. Maxima drop NaN: one more
/// instruction puts it back.
[[gnu::always_inline]] inline __m512 cut(__m512 y, __m512 low, __m512 high) noexcept {
  const __m512i nan_of_second = _mm512_set1_epi32(0x22);
  const __m512 within = _mm512_min_ps(_mm512_max_ps(y, low), high);
  return _mm512_fixupimm_ps(within, y, nan_of_second, 0);
}

__m512 finish_half(const QmatmulEnd& end, __m512 y, uint32_t row, uint64_t at,
                   __mmask16 lanes) noexcept {
  if (end.bias != nullptr) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, end.bias + at));
  if (end.residual != nullptr) {
    y = _mm512_add_ps(y,
                      _mm512_maskz_loadu_ps(lanes, end.residual + row * end.residual_stride + at));
  }
  if (end.cut != 0) {
    y = cut(y, _mm512_set1_ps(end.low), _mm512_set1_ps(end.high));
  }
  return y;
}

void finish(const QmatmulEnd& end, Pair sum, uint32_t row, const Columns& columns) noexcept {
  float* out = end.out + row * end.out_stride + columns.first;
  _mm512_mask_storeu_ps(out, columns.low,
                        finish_half(end, sum.low, row, columns.first, columns.low));
  if (columns.high == 0) return;
  _mm512_mask_storeu_ps(out + 16, columns.high,
                        finish_half(end, sum.high, row, columns.first + 16, columns.high));
}

/// Sums are the answer as they are.
bool is_plain(const QmatmulEnd& end) noexcept {
  return end.bias == nullptr && end.residual == nullptr && end.cut == 0;
}

/// R rows from `row` on.
template <uint32_t R>
void run_tile(const QmatmulF32& task, const Part& part, const Columns& columns, uint32_t row,
              float* sums) noexcept {
  Pair sum[R]{};
  if (!part.first) {
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      sum[r].low = _mm512_load_ps(sums + (row + r) * kPanelOutputs);
      sum[r].high = _mm512_load_ps(sums + (row + r) * kPanelOutputs + 16);
    }
  }
  const float* x = task.x + row * task.x_stride + part.first_input;
  const float* weights = part.weights;
  for (uint64_t input = 0; input < part.n_inputs; ++input) {
    const __m512 low = _mm512_loadu_ps(weights);
    const __m512 high = _mm512_loadu_ps(weights + 16);
    _mm_prefetch(reinterpret_cast<const char*>(weights) + kAheadBytes, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(weights) + kAheadBytes + 64, _MM_HINT_T0);
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      const __m512 own = _mm512_set1_ps(x[r * task.x_stride]);
      sum[r].low = _mm512_fmadd_ps(own, low, sum[r].low);
      sum[r].high = _mm512_fmadd_ps(own, high, sum[r].high);
    }
    weights += kPanelOutputs;
    ++x;
  }
  if (part.last && columns.high == 0xFFFF && is_plain(task.end)) {
    float* out = task.end.out + row * task.end.out_stride + columns.first;
#pragma GCC unroll 12
    for (uint32_t r = 0; r < R; ++r) {
      _mm512_storeu_ps(out, sum[r].low);
      _mm512_storeu_ps(out + 16, sum[r].high);
      out += task.end.out_stride;
    }
    return;
  }
#pragma GCC unroll 12
  for (uint32_t r = 0; r < R; ++r) {
    if (part.last) {
      finish(task.end, sum[r], row + r, columns);
    } else {
      _mm512_store_ps(sums + (row + r) * kPanelOutputs, sum[r].low);
      _mm512_store_ps(sums + (row + r) * kPanelOutputs + 16, sum[r].high);
    }
  }
}

using Tile = void (*)(const QmatmulF32&, const Part&, const Columns&, uint32_t, float*) noexcept;

constexpr Tile kTiles[] = {nullptr,      run_tile<1>,  run_tile<2>, run_tile<3>, run_tile<4>,
                           run_tile<5>,  run_tile<6>,  run_tile<7>, run_tile<8>, run_tile<9>,
                           run_tile<10>, run_tile<11>, run_tile<12>};

/// All rows, in tiles as even as can be.
void run_part(const QmatmulF32& task, const Part& part, const Columns& columns,
              float* sums) noexcept {
  const uint32_t n_tiles = (task.n_rows + kTileRows - 1) / kTileRows;
  uint32_t row = 0;
  for (uint32_t tile = 0; tile < n_tiles; ++tile) {
    const uint32_t count = (task.n_rows - row + n_tiles - tile - 1) / (n_tiles - tile);
    kTiles[count](task, part, columns, row, sums);
    row += count;
  }
}

void run_panel(const QmatmulF32& task, uint64_t panel) noexcept {
  auto* sums = static_cast<float*>(task.scratch);
  float* numbers = sums + uint64_t{task.n_rows} * kPanelOutputs;
  const uint64_t first_output = panel * kPanelOutputs;
  const uint64_t left = task.end.n_outputs - first_output;
  const uint32_t lanes = left >= kPanelOutputs ? 0xFFFFFFFFu : (uint32_t{1} << left) - 1u;
  const Columns columns{first_output, static_cast<__mmask16>(lanes),
                        static_cast<__mmask16>(lanes >> 16)};
  const uint8_t* packed = task.weights.panels + panel * task.weights.panel_bytes;
  const bool direct = task.kind == WeightKind::float32;
  const bool one_tile = task.n_rows <= kTileRows;
  const uint64_t step = !direct ? kFloatInputs : one_tile ? task.n_inputs : kDirectInputs;
  for (uint64_t first = 0; first < task.n_inputs; first += step) {
    const uint64_t count = task.n_inputs - first < step ? task.n_inputs - first : step;
    if (task.kind == WeightKind::codes) {
      const uint64_t whole_steps = (count + kStepInputs - 1) / kStepInputs * kStepInputs;
      expand_codes(task.weights, panel, first, whole_steps, numbers);
    } else if (task.kind == WeightKind::bfloat16) {
      expand_bfloat16(packed + first * kPanelOutputs * 2, (count + 1) / 2, numbers);
    } else if (!direct) {
      expand_float16(packed + first * kPanelOutputs * 2, count, numbers);
    }
    run_part(task,
             {.weights =
                  direct ? reinterpret_cast<const float*>(packed) + first * kPanelOutputs : numbers,
              .first_input = first,
              .n_inputs = count,
              .first = first == 0,
              .last = first + step >= task.n_inputs},
             columns, sums);
  }
}

}  // namespace

void qmatmul_f32(const QmatmulF32& task) noexcept {
  const uint64_t n_panels = (task.end.n_outputs + kPanelOutputs - 1) / kPanelOutputs;
  for (uint64_t panel = 0; panel < n_panels; ++panel) run_panel(task, panel);
}

}  // namespace cordwood::kernels::avx512
