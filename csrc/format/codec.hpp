// Encodings of tensor payloads: RAW is the bytes as they are, PLANES splits elements into byte
// planes and codes each on its own. docs/format.md, "Planes", is normative.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "format/view.hpp"

namespace cordwood::format {

/// Codes whole elements of 1, 2, 4 or 8 bytes; each plane takes its smallest mode.
Result<std::vector<std::byte>> encode_planes(std::span<const std::byte> elements,
                                             uint32_t element_bytes) noexcept;

/// Fills `elements` exactly, consuming `encoded` exactly.
Status decode_planes(std::span<const std::byte> encoded, uint32_t element_bytes,
                     std::span<std::byte> elements) noexcept;

/// Bytes of one element as the planes see it; packed bits are planes of whole bytes.
[[nodiscard]] uint32_t plane_element_bytes(uint8_t dtype) noexcept;

/// A tensor's plain bytes: borrowed from the file where RAW, owned otherwise. Moves, never copies,
/// so that the window stays good.
struct TensorBytes {
  std::vector<std::byte> owned;
  std::span<const std::byte> bytes;

  TensorBytes() noexcept = default;
  TensorBytes(TensorBytes&&) noexcept = default;
  TensorBytes& operator=(TensorBytes&&) noexcept = default;
  TensorBytes(const TensorBytes&) = delete;
  TensorBytes& operator=(const TensorBytes&) = delete;
  ~TensorBytes() = default;
};

/// Decodes a validated tensor and checks its padding bits. `place` names it in a failure.
Result<TensorBytes> decode_tensor(const FileView& file, const cordwood_tensor& tensor,
                                  const char* place) noexcept;

}  // namespace cordwood::format
