// Encodings of tensor payloads: RAW is the bytes as they are, PLANES splits elements into byte
// planes and codes each on its own, DIFFERENCES does that to the differences of neighbouring
// floats. docs/format.md, "Planes" and "Differences", is normative.
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

/// As `encode_planes`, of float32 or float64 as differences of neighbours.
Result<std::vector<std::byte>> encode_differences(std::span<const std::byte> elements,
                                                  uint32_t element_bytes) noexcept;

/// As `decode_planes`, of float32 or float64: `element_bytes` is 4 or 8.
Status decode_differences(std::span<const std::byte> encoded, uint32_t element_bytes,
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

/// Decodes so many elements, which is what a payload has to hold, and checks its padding bits.
Result<TensorBytes> decode_elements(const FileView& file, const cordwood_tensor& tensor,
                                    uint64_t count, const char* place) noexcept;

/// Decodes a validated tensor, a sparse one into all its elements. `place` names it in a failure.
Result<TensorBytes> decode_tensor(const FileView& file, const cordwood_tensor& tensor,
                                  const char* place) noexcept;

}  // namespace cordwood::format
