// quantize_weights on AVX-512: 32 weights, two registers, at a time; a tail under masks.
//
// Cost for 32 weights: ranges 2 loads, 4 comparing and 2 fused operations, and 14 a group for its
// horizontal end; encoding 14 and the packing (1 for eight bits, 2 for four, 8 for three, 4 for
// two), decoding 8 and the unpacking. Memory binds: 32 weights are 128 bytes, some 40 cycles.
#include "kernels/quantize_weights/packing.hpp"
#include "kernels/quantize_weights/quantize_weights.hpp"

namespace cordwood::kernels::avx512 {
namespace {

using Floats = __m512;  // f32x16

constexpr uint64_t kLanes = 16;

uint64_t end_of_group(uint64_t first, uint64_t group_size, uint64_t n_inputs) noexcept {
  return n_inputs - first > group_size ? first + group_size : n_inputs;
}

/// The first `count` lanes; all of them from 16 on.
__mmask16 first_lanes(uint64_t count) noexcept {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFFu : (1u << count) - 1);
}

__mmask16 second_lanes(uint64_t count) noexcept {
  return first_lanes(count > kLanes ? count - kLanes : 0);
}

// ---- ranges ------------------------------------------------------------------------------------

struct Range {
  Floats low = _mm512_setzero_ps();
  Floats high = _mm512_setzero_ps();
  Floats finite = _mm512_setzero_ps();  // zero times each: NaN where one is NaN or infinite

  void add(Floats w) noexcept {
    low = _mm512_min_ps(w, low);
    high = _mm512_max_ps(w, high);
    finite = _mm512_fmadd_ps(w, _mm512_setzero_ps(), finite);
  }
};

/// Both ends in one register, the low one negated, so that one reduction serves both.
void store_range(const Range& range, float* low, float* high) noexcept {
  const __m256 high_f32x8 =
      _mm256_max_ps(_mm512_castps512_ps256(range.high), _mm512_extractf32x8_ps(range.high, 1));
  const __m256 low_f32x8 =
      _mm256_min_ps(_mm512_castps512_ps256(range.low), _mm512_extractf32x8_ps(range.low, 1));
  Floats both = _mm512_insertf32x8(_mm512_castps256_ps512(high_f32x8),
                                   _mm256_sub_ps(_mm256_setzero_ps(), low_f32x8), 1);
  both = _mm512_max_ps(both, _mm512_shuffle_f32x4(both, both, 0b10'11'00'01));
  both = _mm512_max_ps(both, _mm512_permute_ps(both, 0b01'00'11'10));
  both = _mm512_max_ps(both, _mm512_permute_ps(both, 0b10'11'00'01));
  *high = _mm512_cvtss_f32(both) + 0.0f;
  *low = 0.0f - _mm256_cvtss_f32(_mm512_extractf32x8_ps(both, 1));
}

// ---- codes -------------------------------------------------------------------------------------

/// What all weights of a group share.
struct Encoder {
  Floats reciprocal;
  Floats lowest;
  Floats highest;
  __m512i zero;

  Encoder(float reciprocal_, uint8_t zero_, uint32_t bits) noexcept
      : reciprocal(_mm512_set1_ps(reciprocal_)),
        lowest(_mm512_set1_ps(-static_cast<float>(zero_))),
        highest(_mm512_set1_ps(static_cast<float>((1 << bits) - 1 - zero_))),
        zero(_mm512_set1_epi32(zero_)) {}

  /// Bounds are whole numbers, so that cutting first rounds to the same codes and fits an int32.
  [[nodiscard]] __m128i codes_u8x16(Floats w) const noexcept {
    const Floats steps = _mm512_mul_ps(w, reciprocal);
    const Floats cut = _mm512_min_ps(_mm512_max_ps(steps, lowest), highest);
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(cut), zero));
  }
};

template <uint32_t kBits>
void encode_tail(const Encoder& encoder, const float* w, uint64_t count, uint8_t* out) noexcept {
  const __mmask16 first = first_lanes(count);
  const __mmask16 second = second_lanes(count);
  const __m128i low = encoder.codes_u8x16(_mm512_maskz_loadu_ps(first, w));
  const __m128i high = encoder.codes_u8x16(_mm512_maskz_loadu_ps(second, w + kLanes));
  uint8_t bytes[kPackedCodes / 8 * kBits];
  pack<kBits>(_mm256_set_m128i(_mm_maskz_mov_epi8(second, high), _mm_maskz_mov_epi8(first, low)),
              bytes);
  std::memcpy(out, bytes, (count * kBits + 7) / 8);
}

template <uint32_t kBits>
void encode(const EncodeWeights& task) noexcept {
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    const Encoder encoder(task.reciprocals[group], task.zeros[group], kBits);
    uint64_t k = first;
    for (; k + kPackedCodes <= end; k += kPackedCodes) {
      ask_for_weights(task.w + k);
      const __m128i low = encoder.codes_u8x16(_mm512_loadu_ps(task.w + k));
      const __m128i high = encoder.codes_u8x16(_mm512_loadu_ps(task.w + k + kLanes));
      pack<kBits>(_mm256_set_m128i(high, low), task.payload + k / 8 * kBits);
    }
    if (k < end) encode_tail<kBits>(encoder, task.w + k, end - k, task.payload + k / 8 * kBits);
    first = end;
  }
}

// ---- and back ----------------------------------------------------------------------------------

Floats weights(__m128i codes_u8x16, Floats scale, __m512i zero) noexcept {
  const __m512i steps = _mm512_sub_epi32(_mm512_cvtepu8_epi32(codes_u8x16), zero);
  return _mm512_mul_ps(scale, _mm512_cvtepi32_ps(steps));
}

template <uint32_t kBits>
void decode(const DecodeWeights& task) noexcept {
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    const Floats scale = _mm512_set1_ps(task.scales[group]);
    const __m512i zero = _mm512_set1_epi32(task.zeros[group]);
    uint64_t k = first;
    for (; k + kPackedCodes <= end; k += kPackedCodes) {
      const __m256i codes = unpack<kBits>(task.payload + k / 8 * kBits);
      _mm512_storeu_ps(task.w + k, weights(_mm256_castsi256_si128(codes), scale, zero));
      _mm512_storeu_ps(task.w + k + kLanes,
                       weights(_mm256_extracti128_si256(codes, 1), scale, zero));
    }
    if (k < end) {
      uint8_t bytes[kPackedCodes / 8 * kBits] = {};
      std::memcpy(bytes, task.payload + k / 8 * kBits, ((end - k) * kBits + 7) / 8);
      const __m256i codes = unpack<kBits>(bytes);
      _mm512_mask_storeu_ps(task.w + k, first_lanes(end - k),
                            weights(_mm256_castsi256_si128(codes), scale, zero));
      _mm512_mask_storeu_ps(task.w + k + kLanes, second_lanes(end - k),
                            weights(_mm256_extracti128_si256(codes, 1), scale, zero));
    }
    first = end;
  }
}

}  // namespace

bool weight_ranges_f32(const WeightRanges& task) noexcept {
  Floats finite = _mm512_setzero_ps();
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    Range even;
    Range odd;
    uint64_t k = first;
    for (; k + kPackedCodes <= end; k += kPackedCodes) {
      even.add(_mm512_loadu_ps(task.w + k));
      odd.add(_mm512_loadu_ps(task.w + k + kLanes));
    }
    if (k < end) {
      even.add(_mm512_maskz_loadu_ps(first_lanes(end - k), task.w + k));
      odd.add(_mm512_maskz_loadu_ps(second_lanes(end - k), task.w + k + kLanes));
    }
    even.low = _mm512_min_ps(even.low, odd.low);
    even.high = _mm512_max_ps(even.high, odd.high);
    store_range(even, task.low + group, task.high + group);
    finite = _mm512_add_ps(finite, _mm512_add_ps(even.finite, odd.finite));
    first = end;
  }
  return _mm512_cmp_ps_mask(finite, finite, _CMP_UNORD_Q) == 0;
}

void encode_weights_f32(const EncodeWeights& task) noexcept {
  switch (task.bits) {
    case 8:
      return encode<8>(task);
    case 4:
      return encode<4>(task);
    case 3:
      return encode<3>(task);
    default:
      return encode<2>(task);
  }
}

void decode_weights_f32(const DecodeWeights& task) noexcept {
  switch (task.bits) {
    case 8:
      return decode<8>(task);
    case 4:
      return decode<4>(task);
    case 3:
      return decode<3>(task);
    default:
      return decode<2>(task);
  }
}

void stream_floats(const float* source, float* target, uint64_t count) noexcept {
  const uint64_t past_line = reinterpret_cast<uintptr_t>(target) / sizeof(float) % kLanes;
  const uint64_t head = past_line == 0 ? 0 : kLanes - past_line;
  uint64_t k = head < count ? head : count;
  std::memcpy(target, source, k * sizeof(float));
  for (; k + kLanes <= count; k += kLanes) {
    _mm512_stream_ps(target + k, _mm512_loadu_ps(source + k));
  }
  std::memcpy(target + k, source + k, (count - k) * sizeof(float));
}

void end_stream() noexcept {
  _mm_sfence();
}

}  // namespace cordwood::kernels::avx512
