// Trees evaluated whole, 32 rows in a word: the innermost steps.
//
// For a column of bytes two sets of words are kept, one bit a row: `bin / 16 > h` and `bin % 16 > l`.
// A node's condition bin > 16 h + l is then two operations. Nodes are numbered in order, node i between
// leaf i and leaf i + 1; with `above` and `below` the nearest ancestors on either side,
//
//     reached[i] = (condition[i] | reached[above]) & reached[below]
//
// says whether a row's leaf lies behind node i. The words reached[0], reached[1], ... count up to the
// leaf's number like a thermometer, so that bit b of the number is the parity of every 2^b-th word.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace cordwood::cuda {

/// 32 bytes as eight words.
__device__ __forceinline__ void split(const uint4 (&bytes)[2], uint32_t (&words)[8]) {
#pragma unroll
  for (uint32_t half = 0; half < 2; ++half) {
    words[4 * half] = bytes[half].x;
    words[4 * half + 1] = bytes[half].y;
    words[4 * half + 2] = bytes[half].z;
    words[4 * half + 3] = bytes[half].w;
  }
}

/// Turns eight rows of bytes into eight planes of bits, and back: bit k of byte b of word j changes places
/// with bit j of byte b of word k. Byte b of word j is row 4 j + b, and so is bit 8 b + j of a plane.
/// Three rounds in which neighbours, pairs and halves swap corners, four operations a swap.
__device__ __forceinline__ void transpose(uint32_t (&words)[8]) {
  constexpr uint32_t kKept[] = {0x55555555u, 0x33333333u, 0x0F0F0F0Fu};
#pragma unroll
  for (uint32_t round = 0; round < 3; ++round) {
    const uint32_t far = 1u << round;
    const uint32_t kept = kKept[round];
#pragma unroll
    for (uint32_t i = 0; i < 8; ++i) {
      if ((i & far) != 0) continue;
      const uint32_t a = words[i];
      const uint32_t b = words[i + far];
      words[i] = (a & kept) | ((b << far) & ~kept);
      words[i + far] = ((a >> far) & kept) | (b & ~kept);
    }
  }
}

/// Rows whose number in four planes, the lowest first, is more than h; h of -1 takes all.
__device__ __forceinline__ uint32_t more_than(const uint32_t* planes, int32_t h) {
  if (h < 0) return 0xFFFFFFFFu;
  uint32_t more = 0;
#pragma unroll
  for (uint32_t k = 0; k < 4; ++k) {
    more = (static_cast<uint32_t>(h) >> k & 1u) != 0 ? planes[k] & more : planes[k] | more;
  }
  return more;
}

/// Rows whose bin a set of 256 bits holds.
__device__ __forceinline__ uint32_t members(const uint32_t (&words)[8], const uint32_t* set) {
  uint32_t in = 0;
#pragma unroll
  for (uint32_t row = 0; row < 32; ++row) {
    const uint32_t bin = words[row / 4] >> (8 * (row % 4)) & 0xFFu;
    in |= (set[bin / 32] >> (bin % 32) & 1u) << (8 * (row % 4) + row / 4);
  }
  return in;
}

/// The planes of leaf numbers, the lowest first, from `n` words of a thermometer that lie `step` apart; n is
/// a multiple of four.
template <uint32_t kPlanes>
__device__ __forceinline__ void count_thermometer(const uint32_t* reached, uint32_t n,
                                                  uint32_t step, uint32_t (&planes)[8]) {
#pragma unroll
  for (uint32_t first = 0; first < (1u << kPlanes); first += 4) {
    if (first >= n) break;
    const uint32_t* at = reached + first * step;
    const uint32_t words[4] = {at[0], at[step], at[2 * step], at[3 * step]};
    planes[0] ^= words[0] ^ words[1] ^ words[2] ^ words[3];
    planes[1] ^= words[1] ^ words[3];
#pragma unroll
    for (uint32_t k = 2; k < kPlanes; ++k) {
      if ((first + 4) % (1u << k) == 0) planes[k] ^= words[3];
    }
  }
}

}  // namespace cordwood::cuda
