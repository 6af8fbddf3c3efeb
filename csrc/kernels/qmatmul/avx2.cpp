// qmatmul with vpmaddubsw, which adds pairs of products of unsigned and signed bytes, saturating at
// 16 bits.
//
// Codes of up to 4 bits never reach that: a pair is at most 2 * 15 * 127 = 3810, and eight steps of
// them, 30480, are added in 16 bits before vpmaddwd widens them: 2.25 instructions for 32 products.
// Codes of 8 bits become signed, w = code - 128; the unsigned operand is |w|, and the activation takes
// w's sign: a pair is at most 2 * 128 * 127 = 32512. Four instructions for 32 products, of which two
// multiply, on two ports: half the rate of avxvnni.
//
// Activations with zero points reach -128, which has no negative and would pass 16 bits in pairs. There
// codes of 8 bits go as words: vpmaddwd for two outputs in two parts each, added at a group's end. Four
// instructions for 32 products again, and three to widen weights for all rows. Fewer bits stay below
// 2 * 15 * 128 * 8 = 30720.
#include "kernels/qmatmul/avx2.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::avx2 {
namespace {

using Shorts = Lanes<Avx2::kBytes>::Shorts;

void add_pairs(Avx2::Ints& sum, __m256i pairs) noexcept {
  sum += reinterpret_cast<Avx2::Ints>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

struct ByteCodes : Avx2 {
  static constexpr uint32_t kTileRows = 4;
  static constexpr uint32_t kWholeRows = 2;
  static constexpr uint32_t kNibbleRows = 0;
  static constexpr bool kSigned = true;

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    const __m256i middle = _mm256_set1_epi8(-128);
    for (uint32_t step = 0; step < n_steps; ++step) {
      for (uint32_t at = 0; at < C * kBytes; at += 64) ask_ahead(steps + at);
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const __m256i weights = _mm256_xor_si256(load_bytes(steps + c * kBytes), middle);
        const __m256i magnitudes = _mm256_abs_epi8(weights);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          const __m256i signs = _mm256_sign_epi8(inputs(codes + r * stride), weights);
          add_pairs(sums[r][c], _mm256_maddubs_epi16(magnitudes, signs));
        }
      }
      steps += kStepBytes;
      codes += kStepInputs;
    }
  }
};

/// Bytes of four outputs as words: the first two of each half, then the others.
struct WordCodes : Avx2 {
  static constexpr uint32_t kTileRows = 2;
  static constexpr uint32_t kWholeRows = 1;
  static constexpr uint32_t kNibbleRows = 0;
  static constexpr bool kSigned = false;
  static constexpr bool kAffine = true;

  static Ints multiply(__m256i weights, __m256i own) noexcept {
    return reinterpret_cast<Ints>(_mm256_madd_epi16(weights, own));
  }
  static __m256i input_words(const int8_t* codes) noexcept {
    return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(load<int32_t>(codes))));
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    Ints low[R][C]{};
    Ints high[R][C]{};
    for (uint32_t step = 0; step < n_steps; ++step) {
      for (uint32_t at = 0; at < C * kBytes; at += 64) ask_ahead(steps + at);
      __m256i own[R];
#pragma GCC unroll 8
      for (uint32_t r = 0; r < R; ++r) own[r] = input_words(codes + r * stride);
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const __m256i weights = load_bytes(steps + c * kBytes);
        const __m256i first = _mm256_unpacklo_epi8(weights, _mm256_setzero_si256());
        const __m256i second = _mm256_unpackhi_epi8(weights, _mm256_setzero_si256());
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          low[r][c] += multiply(first, own[r]);
          high[r][c] += multiply(second, own[r]);
        }
      }
      steps += kStepBytes;
      codes += kStepInputs;
    }
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        sums[r][c] += reinterpret_cast<Ints>(_mm256_hadd_epi32(
            reinterpret_cast<__m256i>(low[r][c]), reinterpret_cast<__m256i>(high[r][c])));
      }
    }
  }
};

struct FewBits : Avx2 {
  static constexpr uint32_t kTileRows = 6;
  static constexpr uint32_t kWholeRows = 3;
  static constexpr uint32_t kNibbleRows = 3;
  static constexpr bool kSigned = false;
  static constexpr uint32_t kBlockSteps = 8;  // groups are multiples of it

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void add_all(Ints (&sums)[R][C],
                                             const Shorts (&pairs)[R][C]) noexcept {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        add_pairs(sums[r][c], reinterpret_cast<__m256i>(pairs[r][c]));
      }
    }
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    for (uint32_t block = 0; block < n_steps; block += kBlockSteps) {
      Shorts pairs[R][C]{};
      for (uint32_t step = 0; step < kBlockSteps; ++step) {
        __m256i weights[C];
#pragma GCC unroll 8
        for (uint32_t c = 0; c < C; ++c) weights[c] = load_bytes(steps + c * kBytes);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          const __m256i own = inputs(codes + r * stride);
#pragma GCC unroll 8
          for (uint32_t c = 0; c < C; ++c) {
            pairs[r][c] += reinterpret_cast<Shorts>(_mm256_maddubs_epi16(weights[c], own));
          }
        }
        steps += kStepBytes;
        codes += kStepInputs;
      }
      add_all(sums, pairs);
    }
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot_nibbles(const uint8_t* steps, uint32_t n_steps,
                                                 const int8_t* codes, uint64_t stride,
                                                 Ints (&sums)[R][C]) noexcept {
    for (uint32_t block = 0; block < n_steps; block += kBlockSteps) {
      Shorts pairs[R][C]{};
      for (uint32_t step = 0; step < kBlockSteps; step += 2) {
        for (uint32_t at = 0; at < C * kBytes; at += 64) ask_ahead(steps + at);
#pragma GCC unroll 8
        for (uint32_t c = 0; c < C; ++c) {
          const __m256i bytes = load_bytes(steps + c * kBytes);
          const __m256i even = even_nibbles(bytes);
          const __m256i odd = odd_nibbles(bytes);
#pragma GCC unroll 8
          for (uint32_t r = 0; r < R; ++r) {
            const __m256i first = inputs(codes + r * stride);
            const __m256i second = inputs(codes + r * stride + kStepInputs);
            pairs[r][c] += reinterpret_cast<Shorts>(_mm256_maddubs_epi16(even, first));
            pairs[r][c] += reinterpret_cast<Shorts>(_mm256_maddubs_epi16(odd, second));
          }
        }
        steps += kStepBytes;
        codes += 2 * kStepInputs;
      }
      add_all(sums, pairs);
    }
  }
};

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  if (task.rows.zeros != nullptr) {
    return task.weights.bits == 8 ? run_panels<WordCodes>(task) : run_panels<Affine<FewBits>>(task);
  }
  task.weights.bits == 8 ? run_panels<ByteCodes>(task) : run_panels<FewBits>(task);
}

}  // namespace cordwood::kernels::avx2
