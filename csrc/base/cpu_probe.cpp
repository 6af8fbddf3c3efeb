#include "base/cpu_probe.hpp"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace cordwood::base {

#if defined(__x86_64__)

namespace {

struct Registers {
  uint32_t eax = 0;
  uint32_t ebx = 0;
  uint32_t ecx = 0;
  uint32_t edx = 0;
};

/// All zero where the processor does not know the leaf.
Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) noexcept {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

constexpr uint32_t bit(unsigned position) noexcept {
  return uint32_t{1} << position;
}

constexpr bool has_all(uint32_t value, uint32_t wanted) noexcept {
  return (value & wanted) == wanted;
}

// Leaf 1, ecx.
constexpr uint32_t kFma = bit(12);
constexpr uint32_t kOsXsave = bit(27);
constexpr uint32_t kAvx = bit(28);
constexpr uint32_t kF16c = bit(29);
// Leaf 7, ebx.
constexpr uint32_t kBmi1 = bit(3);
constexpr uint32_t kAvx2 = bit(5);
constexpr uint32_t kBmi2 = bit(8);
constexpr uint32_t kAvx512f = bit(16);
constexpr uint32_t kAvx512dq = bit(17);
constexpr uint32_t kAvx512cd = bit(28);
constexpr uint32_t kAvx512bw = bit(30);
constexpr uint32_t kAvx512vl = bit(31);
// Leaf 7, ecx.
constexpr uint32_t kAvx512vbmi = bit(1);
constexpr uint32_t kAvx512vbmi2 = bit(6);
constexpr uint32_t kGfni = bit(8);
constexpr uint32_t kAvx512vnni = bit(11);
// Leaf 7, subleaf 1, eax.
constexpr uint32_t kAvxVnni = bit(4);
constexpr uint32_t kAvx512bf16 = bit(5);
// XCR0: registers that the operating system saves across a switch of threads.
constexpr uint32_t kSavesAvx = bit(1) | bit(2);                          // xmm, ymm
constexpr uint32_t kSavesAvx512 = kSavesAvx | bit(5) | bit(6) | bit(7);  // masks, zmm 0-15, 16-31

bool os_saves(uint32_t wanted) noexcept {
  if (!has_all(cpuid(1).ecx, kOsXsave)) {
    return false;  // xgetbv itself would fault
  }
  uint32_t low = 0;
  uint32_t high = 0;
  // The intrinsic needs -mxsave, which this file must not be built with.
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return has_all(low, wanted);
}

bool has_avx2_family() noexcept {
  return has_all(cpuid(1).ecx, kFma | kAvx | kF16c) && has_all(cpuid(7).ebx, kBmi1 | kAvx2 | kBmi2);
}

}  // namespace

bool cpu_has_avx2() noexcept {
  return has_avx2_family() && os_saves(kSavesAvx);
}

bool cpu_has_avxvnni() noexcept {
  return cpu_has_avx2() && has_all(cpuid(7, 1).eax, kAvxVnni);
}

bool cpu_has_avx512() noexcept {
  return has_avx2_family() && has_all(cpuid(7).ebx, kAvx512f | kAvx512dq | kAvx512bw | kAvx512vl) &&
         os_saves(kSavesAvx512);
}

bool cpu_has_avx512icl() noexcept {
  return cpu_has_avx512() && has_all(cpuid(7).ebx, kAvx512cd) &&
         has_all(cpuid(7).ecx, kAvx512vbmi | kAvx512vbmi2 | kGfni | kAvx512vnni);
}

bool cpu_has_avx512bf16() noexcept {
  return cpu_has_avx512icl() && has_all(cpuid(7, 1).eax, kAvx512bf16);
}

#else

bool cpu_has_avx2() noexcept {
  return false;
}

bool cpu_has_avxvnni() noexcept {
  return false;
}

bool cpu_has_avx512() noexcept {
  return false;
}

bool cpu_has_avx512icl() noexcept {
  return false;
}

bool cpu_has_avx512bf16() noexcept {
  return false;
}

#endif

bool cpu_has_neon() noexcept {
#if defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

#if defined(__aarch64__) && defined(__linux__)

// Bits of the kernel's report; older headers lack the second.
namespace {
constexpr unsigned long kDotprod = 1ul << 20;  // AT_HWCAP, HWCAP_ASIMDDP
constexpr unsigned long kI8mm = 1ul << 13;     // AT_HWCAP2, HWCAP2_I8MM
}  // namespace

bool cpu_has_neon_dotprod() noexcept {
  return (getauxval(AT_HWCAP) & kDotprod) != 0;
}

bool cpu_has_neon_i8mm() noexcept {
  return cpu_has_neon_dotprod() && (getauxval(AT_HWCAP2) & kI8mm) != 0;
}

#else

bool cpu_has_neon_dotprod() noexcept {
  return false;
}

bool cpu_has_neon_i8mm() noexcept {
  return false;
}

#endif

}  // namespace cordwood::base
