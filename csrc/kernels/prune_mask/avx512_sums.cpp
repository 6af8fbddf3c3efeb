// prune_mask, sums of blocks on AVX-512: 16 inputs are lanes.
//
// Rows are added one after another, in runs of inputs whose sums stay in the first cache level: memory is
// one stream, asked for far ahead. Four rows at once load and store a sum a quarter as often, and
// take half as long again: blocks of 16 x 1 3.2 ms of 4096 square, not 2.4. Blocks of up to 16 inputs
// that divide 16 are folded in registers.
#include <immintrin.h>

#include "kernels/prune_mask/prune_mask.hpp"

namespace cordwood::kernels::avx512 {
namespace {

constexpr uint64_t kLanes = kPruneLanes;
constexpr uint64_t kRunInputs = 4096;
constexpr uint64_t kBytesAhead = 16384;

__mmask16 first_lanes(uint64_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFFu : (1u << count) - 1);
}

/// Neighbouring inputs of a strip of rows.
struct Columns {
  const float* scores;
  uint64_t n_rows;
  uint64_t stride;
  uint64_t count;
};

template <bool kSigned>
[[gnu::always_inline]] inline __m512 score_of(__m512 scores) {
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  if constexpr (kSigned) return scores;
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(scores), magnitude));
}

/// Sums down the rows of up to kRunInputs columns, and zeros up to a whole vector.
template <bool kSigned>
void add_columns(const Columns& columns, float* sums) {
  for (uint64_t row = 0; row < columns.n_rows; ++row) {
    const float* from = columns.scores + row * columns.stride;
    for (uint64_t k = 0; k < columns.count; k += kLanes) {
      _mm_prefetch(reinterpret_cast<const char*>(from + k) + kBytesAhead, _MM_HINT_T0);
      const __mmask16 lanes = first_lanes(columns.count - k);
      const __m512 score = score_of<kSigned>(_mm512_maskz_loadu_ps(lanes, from + k));
      _mm512_store_ps(sums + k, row == 0 ? score : _mm512_add_ps(_mm512_load_ps(sums + k), score));
    }
  }
}

/// Folds every `kSize` lanes by halves; the sum of each is in its first lane.
template <uint64_t kSize>
[[gnu::always_inline]] inline __m512 fold(__m512 sums) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#pragma GCC unroll 4
  for (uint64_t half = kSize / 2; half > 0; half /= 2) {
    const __m512i other = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int32_t>(half)));
    sums = _mm512_add_ps(sums, _mm512_permutexvar_ps(other, sums));
  }
  return sums;
}

/// Blocks of kSize inputs, a vector of them at a time. Adding zero makes -0 of a signed sum +0, as
/// adding to a first sum of zero would have.
template <uint64_t kSize>
void pack_blocks(const float* columns, uint64_t count, float* sums) {
  uint32_t first_of_each = 0;
  for (uint64_t lane = 0; lane < kLanes; lane += kSize) first_of_each |= 1u << lane;
  for (uint64_t k = 0; k < count; k += kLanes) {
    const uint64_t left = count - k < kLanes ? count - k : kLanes;
    const __m512 added = _mm512_add_ps(_mm512_load_ps(columns + k), _mm512_setzero_ps());
    const __m512 packed =
        _mm512_maskz_compress_ps(static_cast<__mmask16>(first_of_each), fold<kSize>(added));
    _mm512_mask_storeu_ps(sums + k / kSize, first_lanes((left + kSize - 1) / kSize), packed);
  }
}

using PackBlocks = void (*)(const float*, uint64_t, float*);

PackBlocks packer_of(uint64_t block_inputs) {
  switch (block_inputs) {
    case 1:
      return pack_blocks<1>;
    case 2:
      return pack_blocks<2>;
    case 4:
      return pack_blocks<4>;
    case 8:
      return pack_blocks<8>;
    case 16:
      return pack_blocks<16>;
    default:
      return nullptr;
  }
}

template <bool kSigned>
void add_packed_blocks(const PruneSums& task, PackBlocks pack) {
  alignas(64) float run[kRunInputs];
  for (uint64_t first = 0; first < task.n_inputs; first += kRunInputs) {
    const uint64_t left = task.n_inputs - first;
    const uint64_t count = left < kRunInputs ? left : kRunInputs;
    add_columns<kSigned>({task.scores + first, task.n_rows, task.n_inputs, count}, run);
    pack(run, count, task.sums + first / task.block_inputs);
  }
}

/// Blocks one after another. A narrow one fills its first lanes; the others add nothing.
template <bool kSigned>
void add_single_blocks(const PruneSums& task) {
  alignas(64) float run[kRunInputs];
  for (uint64_t first = 0; first < task.n_inputs; first += task.block_inputs) {
    const uint64_t left = task.n_inputs - first;
    const uint64_t end = first + (left < task.block_inputs ? left : task.block_inputs);
    __m512 sum = _mm512_setzero_ps();
    for (uint64_t at = first; at < end; at += kRunInputs) {
      const uint64_t count = end - at < kRunInputs ? end - at : kRunInputs;
      add_columns<kSigned>({task.scores + at, task.n_rows, task.n_inputs, count}, run);
      for (uint64_t k = 0; k < count; k += kLanes) {
        sum = _mm512_add_ps(sum, _mm512_load_ps(run + k));
      }
    }
    task.sums[first / task.block_inputs] = _mm512_cvtss_f32(fold<kLanes>(sum));
  }
}

template <bool kSigned>
void add_blocks(const PruneSums& task) {
  const PackBlocks pack = packer_of(task.block_inputs);
  return pack != nullptr ? add_packed_blocks<kSigned>(task, pack)
                         : add_single_blocks<kSigned>(task);
}

}  // namespace

void prune_sums_f32(const PruneSums& task) noexcept {
  return task.is_signed != 0 ? add_blocks<true>(task) : add_blocks<false>(task);
}

}  // namespace cordwood::kernels::avx512
