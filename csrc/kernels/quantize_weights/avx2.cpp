// quantize_weights on AVX2: 32 weights, four registers, at a time; a tail goes through 32 places on
// the stack.
//
// Cost for 32 weights: ranges 4 loads and 8 maxima, and 42 instructions for the ends of up to 8
// groups; encoding 28, 4 to bring codes together and the packing; decoding 19 and the
// unpacking. Memory binds here too: 128 bytes take some 40 cycles.
#include "kernels/quantize_weights/packing.hpp"
#include "kernels/quantize_weights/quantize_weights.hpp"

namespace cordwood::kernels::avx2 {
namespace {

using Floats = __m256;  // f32x8

constexpr uint64_t kLanes = 8;

uint64_t end_of_group(uint64_t first, uint64_t group_size, uint64_t n_inputs) noexcept {
  return n_inputs - first > group_size ? first + group_size : n_inputs;
}

// ---- ranges ------------------------------------------------------------------------------------

// As integers, floats above zero grow with their bits, and those below it as unsigned ones: a signed
// maximum from 0 up finds the largest, an unsigned one from -0 up the least, and either keeps a NaN or
// an infinity of its sign, beyond all others, until the end.

using Bits = __m256i;  // u32x8

/// Groups whose ends are found together, a lane each.
constexpr uint64_t kTogether = 8;

Bits least_of_none() noexcept {
  return _mm256_set1_epi32(INT32_MIN);
}

Bits load_bits(const float* w) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
}

struct Range {
  Bits low = least_of_none();
  Bits high = _mm256_setzero_si256();

  void add(Bits w) noexcept {
    asm("" : "+x"(w));  // else the compiler reads it twice, across two lines each time
    low = _mm256_max_epu32(low, w);
    high = _mm256_max_epi32(high, w);
  }
  void add_32(const float* w, Range& odd) noexcept {
    add(load_bits(w));
    odd.add(load_bits(w + kLanes));
    add(load_bits(w + 2 * kLanes));
    odd.add(load_bits(w + 3 * kLanes));
  }
};

struct Least {
  Bits operator()(Bits a, Bits b) const noexcept { return _mm256_max_epu32(a, b); }
};
struct Largest {
  Bits operator()(Bits a, Bits b) const noexcept { return _mm256_max_epi32(a, b); }
};

/// Lane i of the result is the least, or largest, of register i: each step halves the registers and
/// what is left of a group in each. Three instructions for two registers.
template <class Choose>
Floats choose_in_each(Bits (&groups)[kTogether], Choose choose) noexcept {
#pragma GCC unroll 8
  for (uint64_t i = 0; i < 4; ++i) {
    const Bits a = groups[2 * i];
    const Bits b = groups[2 * i + 1];
    groups[i] = choose(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  }
#pragma GCC unroll 8
  for (uint64_t i = 0; i < 2; ++i) {
    const Bits a = groups[2 * i];
    const Bits b = groups[2 * i + 1];
    groups[i] = choose(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
  }
  return _mm256_castsi256_ps(choose(_mm256_permute2x128_si256(groups[0], groups[1], 0x20),
                                    _mm256_permute2x128_si256(groups[0], groups[1], 0x31)));
}

void store_first(Floats values, uint64_t count, float* out) noexcept {
  float all[kTogether];
  _mm256_storeu_ps(all, values);
  std::memcpy(out, all, count * sizeof(float));
}

/// All ones in each lane that is NaN or infinite: less itself that is NaN.
Floats not_finite(Floats w) noexcept {
  const Floats nothing = _mm256_sub_ps(w, w);
  return _mm256_cmp_ps(nothing, nothing, _CMP_UNORD_Q);
}

// ---- codes -------------------------------------------------------------------------------------

/// What all weights of a group share.
struct Encoder {
  Floats reciprocal;
  Floats lowest;
  Floats highest;
  __m256i zero;

  Encoder(float reciprocal_, uint8_t zero_, uint32_t bits) noexcept
      : reciprocal(_mm256_set1_ps(reciprocal_)),
        lowest(_mm256_set1_ps(-static_cast<float>(zero_))),
        highest(_mm256_set1_ps(static_cast<float>((1 << bits) - 1 - zero_))),
        zero(_mm256_set1_epi32(zero_)) {}

  /// Bounds are whole numbers, so that cutting first rounds to the same codes and fits an int32.
  [[nodiscard]] __m256i codes_i32x8(const float* w) const noexcept {
    const Floats steps = _mm256_mul_ps(_mm256_loadu_ps(w), reciprocal);
    const Floats cut = _mm256_min_ps(_mm256_max_ps(steps, lowest), highest);
    return _mm256_add_epi32(_mm256_cvtps_epi32(cut), zero);
  }

  /// Packing keeps 128-bit halves apart: fours of codes come out as 0 2 4 6 1 3 5 7.
  [[nodiscard]] __m256i codes_u8x32(const float* w) const noexcept {
    const __m256i first = _mm256_packs_epi32(codes_i32x8(w), codes_i32x8(w + kLanes));
    const __m256i second =
        _mm256_packs_epi32(codes_i32x8(w + 2 * kLanes), codes_i32x8(w + 3 * kLanes));
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(first, second),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
};

template <uint32_t kBits>
void encode_tail(const Encoder& encoder, const float* w, uint64_t count, uint8_t* out) noexcept {
  float some[kPackedCodes] = {};
  std::memcpy(some, w, count * sizeof(float));
  uint8_t codes[kPackedCodes];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), encoder.codes_u8x32(some));
  std::memset(codes + count, 0, kPackedCodes - count);
  uint8_t bytes[kPackedCodes / 8 * kBits];
  pack<kBits>(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes)), bytes);
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
      pack<kBits>(encoder.codes_u8x32(task.w + k), task.payload + k / 8 * kBits);
    }
    if (k < end) encode_tail<kBits>(encoder, task.w + k, end - k, task.payload + k / 8 * kBits);
    first = end;
  }
}

// ---- and back ----------------------------------------------------------------------------------

void store_weights(__m128i codes_u8x8, Floats scale, __m256i zero, float* w) noexcept {
  const __m256i steps = _mm256_sub_epi32(_mm256_cvtepu8_epi32(codes_u8x8), zero);
  _mm256_storeu_ps(w, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(steps)));
}

void store_32(__m256i codes_u8x32, Floats scale, __m256i zero, float* w) noexcept {
  const __m128i low = _mm256_castsi256_si128(codes_u8x32);
  const __m128i high = _mm256_extracti128_si256(codes_u8x32, 1);
  store_weights(low, scale, zero, w);
  store_weights(_mm_srli_si128(low, 8), scale, zero, w + kLanes);
  store_weights(high, scale, zero, w + 2 * kLanes);
  store_weights(_mm_srli_si128(high, 8), scale, zero, w + 3 * kLanes);
}

template <uint32_t kBits>
void decode(const DecodeWeights& task) noexcept {
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    const Floats scale = _mm256_set1_ps(task.scales[group]);
    const __m256i zero = _mm256_set1_epi32(task.zeros[group]);
    uint64_t k = first;
    for (; k + kPackedCodes <= end; k += kPackedCodes) {
      store_32(unpack<kBits>(task.payload + k / 8 * kBits), scale, zero, task.w + k);
    }
    if (k < end) {
      uint8_t bytes[kPackedCodes / 8 * kBits] = {};
      std::memcpy(bytes, task.payload + k / 8 * kBits, ((end - k) * kBits + 7) / 8);
      float some[kPackedCodes];
      store_32(unpack<kBits>(bytes), scale, zero, some);
      std::memcpy(task.w + k, some, (end - k) * sizeof(float));
    }
    first = end;
  }
}

}  // namespace

bool weight_ranges_f32(const WeightRanges& task) noexcept {
  Floats bad = _mm256_setzero_ps();
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
      for (; k + kPackedCodes <= end; k += kPackedCodes) even.add_32(task.w + k, odd);
      if (k < end) {
        float some[kPackedCodes] = {};
        std::memcpy(some, task.w + k, (end - k) * sizeof(float));
        even.add_32(some, odd);
      }
      lows[count] = Least{}(even.low, odd.low);
      highs[count] = Largest{}(even.high, odd.high);
      first = end;
    }
    for (uint64_t i = count; i < kTogether; ++i) {
      lows[i] = least_of_none();
      highs[i] = _mm256_setzero_si256();
    }
    const Floats low = choose_in_each(lows, Least{});
    const Floats high = choose_in_each(highs, Largest{});
    store_first(_mm256_add_ps(low, _mm256_setzero_ps()), count, task.low + n_done);
    store_first(high, count, task.high + n_done);
    bad = _mm256_or_ps(bad, _mm256_or_ps(not_finite(low), not_finite(high)));
    n_done += count;
  }
  return _mm256_movemask_ps(bad) == 0;
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
    _mm256_stream_ps(target + k, _mm256_loadu_ps(source + k));
  }
  std::memcpy(target + k, source + k, (count - k) * sizeof(float));
}

void end_stream() noexcept {
  _mm_sfence();
}

}  // namespace cordwood::kernels::avx2
