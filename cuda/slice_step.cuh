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

/// Bit k of each of 32 bytes, as the word `planes[k]`: byte r gives bit r.
__device__ __forceinline__ void transpose_bytes(const uint4 (&bytes)[2], uint32_t (&planes)[8]) {
  const uint32_t words[8] = {bytes[0].x, bytes[0].y, bytes[0].z, bytes[0].w,
                             bytes[1].x, bytes[1].y, bytes[1].z, bytes[1].w};
#pragma unroll
  for (uint32_t k = 0; k < 8; ++k) {
    uint32_t plane = 0;
#pragma unroll
    for (uint32_t w = 0; w < 8; ++w) {
      // The product brings one bit of each byte together at the top: no two of its terms meet below.
      const uint32_t four = (((words[w] >> k) & 0x01010101u) * 0x01020408u) >> 24;
      plane |= (four & 0xFu) << (4 * w);
    }
    planes[k] = plane;
  }
}

/// Bytes of which bit k is bit r of `planes[k]`: back from planes to 32 numbers below 2^kPlanes.
template <uint32_t kPlanes>
__device__ __forceinline__ void untranspose_bytes(const uint32_t (&planes)[kPlanes],
                                                  uint4 (&bytes)[2]) {
  uint32_t words[8];
#pragma unroll
  for (uint32_t w = 0; w < 8; ++w) {
    uint32_t word = 0;
#pragma unroll
    for (uint32_t k = 0; k < kPlanes; ++k) {
      const uint32_t four = (planes[k] >> (4 * w)) & 0xFu;
      word |= ((four * 0x00204081u) & 0x01010101u) << k;
    }
    words[w] = word;
  }
  bytes[0] = make_uint4(words[0], words[1], words[2], words[3]);
  bytes[1] = make_uint4(words[4], words[5], words[6], words[7]);
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
__device__ __forceinline__ uint32_t members(const uint4 (&bytes)[2], const uint32_t* set) {
  const uint32_t words[8] = {bytes[0].x, bytes[0].y, bytes[0].z, bytes[0].w,
                             bytes[1].x, bytes[1].y, bytes[1].z, bytes[1].w};
  uint32_t in = 0;
#pragma unroll
  for (uint32_t row = 0; row < 32; ++row) {
    const uint32_t bin = words[row / 4] >> (8 * (row % 4)) & 0xFFu;
    in |= (set[bin / 32] >> (bin % 32) & 1u) << row;
  }
  return in;
}

/// The planes of leaf numbers, from `n` words of a thermometer that lie `step` apart.
template <uint32_t kPlanes>
__device__ __forceinline__ void count_thermometer(const uint32_t* reached, uint32_t n,
                                                  uint32_t step, uint32_t (&planes)[kPlanes]) {
#pragma unroll
  for (uint32_t k = 0; k < kPlanes; ++k) planes[k] = 0;
#pragma unroll
  for (uint32_t i = 1; i < (1u << kPlanes); ++i) {
    if (i > n) break;
    const uint32_t word = reached[(i - 1) * step];
#pragma unroll
    for (uint32_t k = 0; k < kPlanes; ++k) {
      if (i % (1u << k) == 0) planes[k] ^= word;
    }
  }
}

}  // namespace cordwood::cuda
