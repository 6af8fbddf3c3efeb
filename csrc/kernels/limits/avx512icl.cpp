// limits with vpdpbusd and 64-byte loads.
#include <immintrin.h>

#include "kernels/limits/limits.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

constexpr uint64_t kSums = 12;
constexpr uint64_t kOperations = 2 * 64;  // of one instruction

}  // namespace

uint64_t multiply_adds(uint64_t rounds) noexcept {
  const __m512i codes = _mm512_set1_epi8(3);
  const __m512i inputs = _mm512_set1_epi8(5);
  __m512i sum[kSums];
  for (__m512i& one : sum) one = _mm512_setzero_si512();
  for (uint64_t round = 0; round < rounds; ++round) {
    // Written out: what a compiler may drop or reorder would measure the compiler.
    asm volatile(
        "vpdpbusd %[x], %[w], %0\n\tvpdpbusd %[x], %[w], %1\n\tvpdpbusd %[x], %[w], %2\n\t"
        "vpdpbusd %[x], %[w], %3\n\tvpdpbusd %[x], %[w], %4\n\tvpdpbusd %[x], %[w], %5\n\t"
        "vpdpbusd %[x], %[w], %6\n\tvpdpbusd %[x], %[w], %7\n\tvpdpbusd %[x], %[w], %8\n\t"
        "vpdpbusd %[x], %[w], %9\n\tvpdpbusd %[x], %[w], %10\n\tvpdpbusd %[x], %[w], %11"
        : "+v"(sum[0]), "+v"(sum[1]), "+v"(sum[2]), "+v"(sum[3]), "+v"(sum[4]), "+v"(sum[5]),
          "+v"(sum[6]), "+v"(sum[7]), "+v"(sum[8]), "+v"(sum[9]), "+v"(sum[10]), "+v"(sum[11])
        : [w] "v"(codes), [x] "v"(inputs));
  }
  return rounds * kSums * kOperations;
}

uint64_t read_bytes(const void* block, uint64_t n_bytes) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(block);
  __m512i all[4];
  for (__m512i& one : all) one = _mm512_setzero_si512();
  for (uint64_t at = 0; at < n_bytes; at += sizeof all) {
#pragma GCC unroll 4
    for (uint64_t part = 0; part < 4; ++part) {
      all[part] = _mm512_xor_si512(all[part], _mm512_loadu_si512(bytes + at + 64 * part));
    }
  }
  const __m512i both =
      _mm512_xor_si512(_mm512_xor_si512(all[0], all[1]), _mm512_xor_si512(all[2], all[3]));
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(both));
}

}  // namespace cordwood::kernels::avx512icl
