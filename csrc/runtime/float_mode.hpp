// The floating-point mode that results are defined in: round to nearest, subnormals kept, no traps.
// A host may have set another one for its thread; for the length of a run it is put aside.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace cordwood::runtime {

class DefaultFloatMode {
 public:
  DefaultFloatMode() noexcept : found_(read()) {
    if (differs()) write(kDefault);
  }
  ~DefaultFloatMode() {
    if (differs()) write(found_);
  }
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
#if defined(__x86_64__) || defined(_M_X64)
  using Word = unsigned;
  static constexpr Word kDefault = 0x1F80;  // MXCSR: all exceptions masked, nothing else
  static constexpr Word kFlags = 0x3F;      // sticky, of no effect
  static Word read() noexcept { return _mm_getcsr(); }
  static void write(Word word) noexcept { _mm_setcsr(word); }
#elif defined(__aarch64__)
  using Word = uint64_t;
  static constexpr Word kDefault = 0;
  static constexpr Word kFlags = 0;
  static Word read() noexcept {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void write(Word word) noexcept { asm volatile("msr fpcr, %0" : : "r"(word)); }
#else
  using Word = unsigned;
  static constexpr Word kDefault = 0;
  static constexpr Word kFlags = 0;
  static Word read() noexcept { return kDefault; }
  static void write(Word) noexcept {}
#endif

  [[nodiscard]] bool differs() const noexcept { return (found_ & ~kFlags) != kDefault; }

  Word found_;
};

}  // namespace cordwood::runtime
