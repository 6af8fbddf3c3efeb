// Weights of attention on AdvSIMD: four keys to a vector.
#include "kernels/attention/rows.hpp"
#include "kernels/math/lanes_neon.hpp"

namespace cordwood::kernels::neon {
namespace {

struct Isa : math::NeonLanes {
  static Float from_bytes(const uint8_t* bytes) noexcept {
    uint32_t four;
    std::memcpy(&four, bytes, sizeof four);
    const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
  }
};

}  // namespace

void attention_weights_f32(const AttentionWeights& task) noexcept {
  weigh_rows<Isa>(task);
}
void attention_values_f32(const AttentionValues& task) noexcept {
  multiply_values<Isa>(task);
}

}  // namespace cordwood::kernels::neon
