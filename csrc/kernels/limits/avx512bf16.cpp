// limits with vdpbf16ps.
#include "kernels/limits/limits.hpp"

namespace cordwood::kernels::avx512bf16 {
namespace {

constexpr uint64_t kSums = 24;
constexpr uint64_t kOperations = 2 * 32;  // of one instruction

}  // namespace

uint64_t multiply_adds_bf16(uint64_t rounds) noexcept {
  // Registers by their names: a compiler that kept sums in memory would measure that.
  asm volatile(
      "vpxord %%zmm0, %%zmm0, %%zmm0\n\t"
      ".irp sum, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25\n\t"
      "vmovaps %%zmm0, %%zmm\\sum\n\t"
      ".endr" ::
          : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
            "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19",
            "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25");
  for (uint64_t round = 0; round < rounds; ++round) {
    asm volatile(
        ".irp sum, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23\n\t"
        "vdpbf16ps %%zmm24, %%zmm25, %%zmm\\sum\n\t"
        ".endr" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
              "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18",
              "xmm19", "xmm20", "xmm21", "xmm22", "xmm23");
  }
  return rounds * kSums * kOperations;
}

}  // namespace cordwood::kernels::avx512bf16
