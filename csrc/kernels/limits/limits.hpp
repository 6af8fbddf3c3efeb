// limits: what this machine can do at most, for benchmarks to hold products against.
//
// multiply_adds repeats the row's widest multiply-add of bytes on registers, 12 sums side by side, and
// reads nothing; multiply_adds_bf16 the one of bfloat16 pairs, 24 sums, as its latency asks for. read_bytes loads a block of memory once, in order, and does nothing with it.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// Returns operations done in so many rounds, a multiplication and an addition each counted; 0 where
/// the row has no such instruction.
using MultiplyAdds = uint64_t (*)(uint64_t rounds) noexcept;

/// Returns a value that depends on every byte. `n_bytes` is a multiple of 256.
using ReadBytes = uint64_t (*)(const void* block, uint64_t n_bytes) noexcept;

namespace scalar {
uint64_t multiply_adds(uint64_t rounds) noexcept;
uint64_t multiply_adds_bf16(uint64_t rounds) noexcept;
uint64_t read_bytes(const void* block, uint64_t n_bytes) noexcept;
}  // namespace scalar
namespace avx512icl {
uint64_t multiply_adds(uint64_t rounds) noexcept;
uint64_t read_bytes(const void* block, uint64_t n_bytes) noexcept;
}  // namespace avx512icl
namespace avx512bf16 {
uint64_t multiply_adds_bf16(uint64_t rounds) noexcept;
}

}  // namespace cordwood::kernels
