// Codes of weights of attention on AdvSIMD: four keys to a vector.
#include "kernels/attention/code_rows.hpp"
#include "kernels/math/lanes_neon.hpp"

namespace cordwood::kernels::neon {
namespace {

struct Isa : math::NeonLanes {
  static Mask unset(const uint8_t* bytes) noexcept {
    uint32_t four;
    std::memcpy(&four, bytes, sizeof four);
    const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vceqq_u32(vmovl_u16(vget_low_u16(wide)), vdupq_n_u32(0));
  }
  static void store_codes(int16_t* to, Float x) noexcept {
    vst1_s16(to, vmovn_s32(vreinterpretq_s32_f32(x)));
  }
};

}  // namespace

void attention_codes_f32(const CodedWeights& task) noexcept {
  code_rows<Isa>(task);
}

}  // namespace cordwood::kernels::neon
