// qmatmul with smull and smlal, which multiply signed bytes to 16 bits, in baseline AdvSIMD.
//
// Codes of up to 4 bits: eight steps of products of at most 15 * 127 are added in 16 bits, 15240, and
// the halves of an output's four in another 16-bit addition, 30480, before they are widened: two
// instructions for 16 products, and two more for every eight steps. Codes of 8 bits are taken less
// 128: two products of at most 128 * 127 fit 16 bits, 32512, so every other step is followed by sadalp,
// three instructions for 16 products. Where activations reach -128, two products may not: each is followed
// by sadalp, four instructions.
#include "kernels/qmatmul/neon.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::neon {
namespace {

/// Products of a step of four outputs.
struct Products {
  int16x8_t low;   // two outputs, four inputs of each
  int16x8_t high;  // the other two

  void add(int8x16_t weights, int8x16_t inputs) noexcept {
    low = vmlal_s8(low, vget_low_s8(weights), vget_low_s8(inputs));
    high = vmlal_high_s8(high, weights, inputs);
  }
};

Products multiply(int8x16_t weights, int8x16_t inputs) noexcept {
  return {vmull_s8(vget_low_s8(weights), vget_low_s8(inputs)), vmull_high_s8(weights, inputs)};
}

template <bool kWithZeros>
struct ByteCodes : Neon {
  static constexpr bool kAffine = kWithZeros;
  static constexpr uint32_t kTileRows = 2;
  static constexpr uint32_t kWholeRows = 1;
  static constexpr uint32_t kNibbleRows = 0;
  static constexpr bool kSigned = true;

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    int32x4_t low[R][C]{};
    int32x4_t high[R][C]{};
    for (uint32_t step = 0; step < n_steps; step += 2) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const int8x16_t first = signed_weights(steps + c * kBytes);
        const int8x16_t second = signed_weights(steps + kStepBytes + c * kBytes);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < R; ++r) {
          const int8x16_t own = inputs(codes + r * stride);
          const int8x16_t next = inputs(codes + r * stride + kStepInputs);
          Products two = multiply(first, own);
          if constexpr (kAffine) {
            low[r][c] = vpadalq_s16(low[r][c], two.low);
            high[r][c] = vpadalq_s16(high[r][c], two.high);
            two = multiply(second, next);
          } else {
            two.add(second, next);
          }
          low[r][c] = vpadalq_s16(low[r][c], two.low);
          high[r][c] = vpadalq_s16(high[r][c], two.high);
        }
      }
      steps += 2 * kStepBytes;
      codes += 2 * kStepInputs;
    }
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        sums[r][c] += reinterpret_cast<Ints>(vpaddq_s32(low[r][c], high[r][c]));
      }
    }
  }
};

template <bool kWithZeros>
struct FewBits : Neon {
  static constexpr bool kAffine = kWithZeros;
  static constexpr uint32_t kTileRows = 3;
  static constexpr uint32_t kWholeRows = 1;
  static constexpr uint32_t kNibbleRows = 1;
  static constexpr bool kSigned = false;
  static constexpr uint32_t kBlockSteps = 8;  // groups are multiples of it

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void add_all(Ints (&sums)[R][C],
                                             const Products (&products)[R][C]) noexcept {
#pragma GCC unroll 8
    for (uint32_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (uint32_t c = 0; c < C; ++c) {
        const int16x8_t pairs = vpaddq_s16(products[r][c].low, products[r][c].high);
        sums[r][c] =
            reinterpret_cast<Ints>(vpadalq_s16(reinterpret_cast<int32x4_t>(sums[r][c]), pairs));
      }
    }
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot(const uint8_t* steps, uint32_t n_steps,
                                         const int8_t* codes, uint64_t stride,
                                         Ints (&sums)[R][C]) noexcept {
    for (uint32_t block = 0; block < n_steps; block += kBlockSteps) {
      Products products[R][C]{};
      for (uint32_t step = 0; step < kBlockSteps; ++step) {
#pragma GCC unroll 8
        for (uint32_t c = 0; c < C; ++c) {
          const int8x16_t weights = load_bytes(steps + c * kBytes);
#pragma GCC unroll 8
          for (uint32_t r = 0; r < R; ++r) {
            products[r][c].add(weights, inputs(codes + r * stride));
          }
        }
        steps += kStepBytes;
        codes += kStepInputs;
      }
      add_all(sums, products);
    }
  }

  template <uint32_t R, uint32_t C>
  [[gnu::always_inline]] static void dot_nibbles(const uint8_t* steps, uint32_t n_steps,
                                                 const int8_t* codes, uint64_t stride,
                                                 Ints (&sums)[R][C]) noexcept {
    for (uint32_t block = 0; block < n_steps; block += kBlockSteps) {
      Products products[R][C]{};
      for (uint32_t step = 0; step < kBlockSteps; step += 2) {
#pragma GCC unroll 8
        for (uint32_t c = 0; c < C; ++c) {
          const int8x16_t bytes = load_bytes(steps + c * kBytes);
#pragma GCC unroll 8
          for (uint32_t r = 0; r < R; ++r) {
            const int8_t* own = codes + r * stride;
            products[r][c].add(even_nibbles(bytes), inputs(own));
            products[r][c].add(odd_nibbles(bytes), inputs(own + kStepInputs));
          }
        }
        steps += kStepBytes;
        codes += 2 * kStepInputs;
      }
      add_all(sums, products);
    }
  }
};

template <bool kWithZeros>
void run(const Qmatmul& task) noexcept {
  task.weights.bits == 8 ? run_panels<ByteCodes<kWithZeros>>(task)
                         : run_panels<FewBits<kWithZeros>>(task);
}

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.rows.zeros == nullptr ? run<false>(task) : run<true>(task);
}

}  // namespace cordwood::kernels::neon
