#include "format/sparse.hpp"

namespace cordwood::format {
namespace {

/// A decoded mask, read in the order of the dense elements.
struct Mask {
  TensorBytes bits;
  uint64_t outputs;
  uint64_t inputs;
  uint64_t shared;  ///< outputs that share a row of bits

  [[nodiscard]] uint64_t first_of(uint64_t output) const noexcept {
    return output / shared * inputs;
  }
};

Result<Mask> decode_mask(const FileView& file, const cordwood_tensor& tensor,
                         const char* place) noexcept {
  const cordwood_tensor mask = file.tensors[tensor.sparsity_tensor];
  Result<TensorBytes> bits = decode_elements(file, mask, element_count(mask), place);
  if (!bits) return bits.status();
  return Mask{.bits = std::move(*bits),
              .outputs = tensor.dimension[0],
              .inputs = tensor.dimension[1],
              .shared = mask_outputs(tensor.sparsity)};
}

uint64_t count_kept(const Mask& mask) noexcept {
  uint64_t kept = 0;
  for (uint64_t output = 0; output < mask.outputs; ++output) {
    const uint64_t first = mask.first_of(output);
    for (uint64_t i = 0; i < mask.inputs; ++i) kept += bit_at(mask.bits.bytes, first + i) ? 1 : 0;
  }
  return kept;
}

/// Puts elements of up to 8 bits where the mask keeps them; all others are zero already.
void expand(const Mask& mask, std::span<const std::byte> elements, uint32_t bits,
            std::span<std::byte> dense) noexcept {
  uint64_t next = 0;
  for (uint64_t output = 0; output < mask.outputs; ++output) {
    const uint64_t first = mask.first_of(output);
    for (uint64_t i = 0; i < mask.inputs; ++i) {
      if (!bit_at(mask.bits.bytes, first + i)) continue;
      const uint64_t at = (output * mask.inputs + i) * bits;
      const uint32_t word = bits_at(elements, next, bits) << (at % 8);
      dense[at / 8] |= static_cast<std::byte>(word & 255u);
      if (word > 255u) dense[at / 8 + 1] |= static_cast<std::byte>(word >> 8);
      next += bits;
    }
  }
}

}  // namespace

Result<uint64_t> kept_elements(const FileView& file, const cordwood_tensor& tensor,
                               const char* place) noexcept {
  const Result<Mask> mask = decode_mask(file, tensor, place);
  if (!mask) return mask.status();
  return count_kept(*mask);
}

Result<TensorBytes> decode_sparse(const FileView& file, const cordwood_tensor& tensor,
                                  const char* place) noexcept {
  const Result<Mask> mask = decode_mask(file, tensor, place);
  if (!mask) return mask.status();
  const Result<TensorBytes> elements = decode_elements(file, tensor, count_kept(*mask), place);
  if (!elements) return elements.status();
  return guard_memory(place, [&]() -> Result<TensorBytes> {
    TensorBytes result;
    result.owned.resize(decoded_bytes(tensor));
    expand(*mask, elements->bytes, dtype_bits(tensor.dtype), result.owned);
    result.bytes = result.owned;
    return result;
  });
}

}  // namespace cordwood::format
