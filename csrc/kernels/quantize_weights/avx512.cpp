// quantize_weights on AVX-512: 32 weights, two registers, at a time; a tail under masks.
//
// Cost for 32 weights: ranges 2 loads and 4 maxima, and 90 instructions for the ends of up to 16
// groups; encoding 14 and the packing (1 for eight bits, 2 for four, 8 for three, 4 for
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

// As integers, floats above zero grow with their bits, and those below it as unsigned ones: a signed
// maximum from 0 up finds the largest, an unsigned one from -0 up the least, and either keeps a NaN or
// an infinity of its sign, beyond all others, until the end.

using Bits = __m512i;  // u32x16

/// Groups whose ends are found together, a lane each.
constexpr uint64_t kTogether = 16;

Bits least_of_none() noexcept {
  return _mm512_set1_epi32(INT32_MIN);
}

struct Range {
  Bits low = least_of_none();
  Bits high = _mm512_setzero_si512();

  void add(Bits w) noexcept {
    asm("" : "+v"(w));  // else the compiler reads it twice, across two lines each time
    low = _mm512_max_epu32(low, w);
    high = _mm512_max_epi32(high, w);
  }
};

struct Least {
  Bits operator()(Bits a, Bits b) const noexcept { return _mm512_max_epu32(a, b); }
};
struct Largest {
  Bits operator()(Bits a, Bits b) const noexcept { return _mm512_max_epi32(a, b); }
};

/// Lane i of the result is the least, or largest, of register i: each step halves the registers and
/// what is left of a group in each. Three instructions for two registers.
template <class Choose>
Bits choose_in_each(Bits (&groups)[kTogether], Choose choose) noexcept {
#pragma GCC unroll 8
  for (uint64_t i = 0; i < 8; ++i) {
    const Bits a = groups[2 * i];
    const Bits b = groups[2 * i + 1];
    groups[i] = choose(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  }
#pragma GCC unroll 8
  for (uint64_t i = 0; i < 4; ++i) {
    const Bits a = groups[2 * i];
    const Bits b = groups[2 * i + 1];
    groups[i] = choose(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
  }
#pragma GCC unroll 8
  for (uint64_t i = 0; i < 2; ++i) {
    const Bits a = groups[2 * i];
    const Bits b = groups[2 * i + 1];
    groups[i] = choose(_mm512_shuffle_i32x4(a, b, 0b01'00'01'00),
                       _mm512_shuffle_i32x4(a, b, 0b11'10'11'10));
  }
  return choose(_mm512_shuffle_i32x4(groups[0], groups[1], 0b10'00'10'00),
                _mm512_shuffle_i32x4(groups[0], groups[1], 0b11'01'11'01));
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
  unsigned not_finite = 0;
  uint64_t n_done = 0;
  for (uint64_t first = 0; first < task.n_inputs;) {
    Bits lows[kTogether];
    Bits highs[kTogether];
    uint64_t count = 0;
    for (; count < kTogether && first < task.n_inputs; ++count) {
      const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
      Range even;
      Range odd;
      uint64_t k = first;
      for (; k + kPackedCodes <= end; k += kPackedCodes) {
        even.add(_mm512_loadu_si512(task.w + k));
        odd.add(_mm512_loadu_si512(task.w + k + kLanes));
      }
      if (k < end) {
        even.add(_mm512_maskz_loadu_epi32(first_lanes(end - k), task.w + k));
        odd.add(_mm512_maskz_loadu_epi32(second_lanes(end - k), task.w + k + kLanes));
      }
      lows[count] = Least{}(even.low, odd.low);
      highs[count] = Largest{}(even.high, odd.high);
      first = end;
    }
    for (uint64_t i = count; i < kTogether; ++i) {
      lows[i] = least_of_none();
      highs[i] = _mm512_setzero_si512();
    }
    const __mmask16 lanes = first_lanes(count);
    const Floats low = _mm512_castsi512_ps(choose_in_each(lows, Least{}));
    const Floats high = _mm512_castsi512_ps(choose_in_each(highs, Largest{}));
    _mm512_mask_storeu_ps(task.low + n_done, lanes, _mm512_add_ps(low, _mm512_setzero_ps()));
    _mm512_mask_storeu_ps(task.high + n_done, lanes, high);
    constexpr int kNotFinite = 0x01 | 0x08 | 0x10 | 0x80;  // quiet NaN, infinities, signalling NaN
    const unsigned bad =
        _mm512_fpclass_ps_mask(low, kNotFinite) | _mm512_fpclass_ps_mask(high, kNotFinite);
    not_finite |= bad;
    n_done += count;
  }
  return not_finite == 0;
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
