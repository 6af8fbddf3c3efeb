// The rows of x86 without vdpbf16ps: two fma in a mode that flushes as that instruction does.
#pragma once

#include <immintrin.h>

#include "kernels/qmatmul/panels_bf16.hpp"

namespace cordwood::kernels {
namespace {

/// Subnormal operands and results count as zeros while it lives.
class FlushMode {
 public:
  FlushMode() noexcept : found_(_mm_getcsr()) { _mm_setcsr(found_ | kFlushToZero | kAreZeros); }
  ~FlushMode() { _mm_setcsr(found_); }
  FlushMode(const FlushMode&) = delete;
  FlushMode& operator=(const FlushMode&) = delete;

 private:
  static constexpr unsigned kFlushToZero = 0x8000;
  static constexpr unsigned kAreZeros = 0x0040;

  unsigned found_;
};

/// The halves of pairs as float32.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats dot_by_fma(typename Isa::Floats sum,
                                                              typename Isa::Ints x,
                                                              typename Isa::Ints w) noexcept {
  using Floats = typename Isa::Floats;
  const auto upper = [](typename Isa::Ints pair) {
    return reinterpret_cast<Floats>(pair & static_cast<int32_t>(0xFFFF0000u));
  };
  const auto lower = [](typename Isa::Ints pair) { return reinterpret_cast<Floats>(pair << 16); };
  return Isa::fma(lower(x), lower(w), Isa::fma(upper(x), upper(w), sum));
}

}  // namespace
}  // namespace cordwood::kernels
