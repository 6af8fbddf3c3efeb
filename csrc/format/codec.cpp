// A plane is an 8-byte head (mode, three zero bytes, u32 coded bytes) and its coded bytes:
// one byte (constant), every byte (raw), or a rANS stream.
#include "format/codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "format/differences.hpp"
#include "format/rans.hpp"
#include "format/sparse.hpp"

namespace cordwood::format {
namespace {

enum PlaneMode : uint8_t { kConstant = 0, kRaw = 1, kRans = 2 };

constexpr std::size_t kHeadBytes = 8;

/// Coding must save this part of a plane: less is not worth the time that decoding takes.
constexpr uint64_t kSaving = 64;

void append_head(std::vector<std::byte>& stream, PlaneMode mode, uint32_t coded_bytes) {
  const std::array<uint8_t, 4> lead{mode, 0, 0, 0};
  for (const uint8_t byte : lead) stream.push_back(std::byte{byte});
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    stream.push_back(static_cast<std::byte>(coded_bytes >> shift));
  }
}

void append_plane(std::vector<std::byte>& stream, const std::byte* plane, uint32_t count,
                  std::size_t stride) {
  bool constant = true;
  for (uint64_t i = 1; i < count && constant; ++i) constant = plane[i * stride] == plane[0];
  std::vector<std::byte> coded;
  const uint64_t worth = count - count / kSaving;
  if (constant) {
    append_head(stream, kConstant, 1);
    stream.push_back(plane[0]);
  } else if (rans_encode(plane, count, stride, worth, coded)) {
    append_head(stream, kRans, static_cast<uint32_t>(coded.size()));
    stream.insert(stream.end(), coded.begin(), coded.end());
  } else {
    append_head(stream, kRaw, count);
    for (uint64_t i = 0; i < count; ++i) stream.push_back(plane[i * stride]);
  }
}

bool decode_plane(PlaneMode mode, std::span<const std::byte> coded, std::byte* plane,
                  uint64_t count, std::size_t stride) noexcept {
  switch (mode) {
    case kConstant:
      if (coded.size() != 1) return false;
      for (uint64_t i = 0; i < count; ++i) plane[i * stride] = coded[0];
      return true;
    case kRaw:
      if (coded.size() != count) return false;
      for (uint64_t i = 0; i < count; ++i) plane[i * stride] = coded[i];
      return true;
    case kRans:
      return rans_decode(coded, plane, count, stride);
  }
  return false;
}

}  // namespace

Result<std::vector<std::byte>> encode_planes(std::span<const std::byte> elements,
                                             uint32_t element_bytes) noexcept {
  const bool whole = std::has_single_bit(element_bytes) && element_bytes <= 8 &&
                     elements.size() % element_bytes == 0;
  if (!whole || elements.size() / element_bytes > std::numeric_limits<uint32_t>::max()) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "encode_planes",
                "{} bytes given as elements of {} bytes, expected whole elements of 1, 2, 4 or 8 "
                "bytes, fewer than 4294967296 of them",
                elements.size(), element_bytes);
  }
  return guard_memory("encode_planes", [&]() -> Result<std::vector<std::byte>> {
    std::vector<std::byte> stream;
    const auto count = static_cast<uint32_t>(elements.size() / element_bytes);
    for (std::size_t plane = 0; plane < element_bytes && count != 0; ++plane) {
      append_plane(stream, elements.data() + plane, count, element_bytes);
    }
    return stream;
  });
}

Status decode_planes(std::span<const std::byte> encoded, uint32_t element_bytes,
                     std::span<std::byte> elements) noexcept {
  const uint64_t count = elements.size() / element_bytes;
  for (std::size_t plane = 0; plane < element_bytes && count != 0; ++plane) {
    if (encoded.size() < kHeadBytes) {
      return fail(CORDWOOD_STATUS_tensor_stream_corrupt, "planes",
                  "{} bytes are left for plane {}, expected at least its head of 8", encoded.size(),
                  plane);
    }
    const auto head = load_unaligned<uint32_t>(encoded.data());
    const auto coded_bytes = load_unaligned<uint32_t>(encoded.data() + 4);
    encoded = encoded.subspan(kHeadBytes);
    if (head > kRans || coded_bytes > encoded.size()) {
      return fail(CORDWOOD_STATUS_tensor_stream_corrupt, "planes",
                  "plane {} has mode {} and {} coded bytes where {} are left, expected a mode of "
                  "0 to 2 and no more bytes than that",
                  plane, head, coded_bytes, encoded.size());
    }
    if (!decode_plane(static_cast<PlaneMode>(head), encoded.first(coded_bytes),
                      elements.data() + plane, count, element_bytes)) {
      return fail(CORDWOOD_STATUS_tensor_stream_corrupt, "planes",
                  "the {} coded bytes of plane {} (mode {}) do not hold exactly {} elements",
                  coded_bytes, plane, head, count);
    }
    encoded = encoded.subspan(coded_bytes);
  }
  if (!encoded.empty()) {
    return fail(CORDWOOD_STATUS_tensor_stream_corrupt, "planes",
                "{} bytes are left after the last plane, expected none", encoded.size());
  }
  return {};
}

Result<std::vector<std::byte>> encode_differences(std::span<const std::byte> elements,
                                                  uint32_t element_bytes) noexcept {
  if (!has_differences(element_bytes) || elements.size() % element_bytes != 0) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "encode_differences",
                "{} bytes given as elements of {} bytes, expected whole floats of 4 or 8 bytes",
                elements.size(), element_bytes);
  }
  return guard_memory("encode_differences", [&]() -> Result<std::vector<std::byte>> {
    std::vector<std::byte> differences(elements.begin(), elements.end());
    take_differences(differences, element_bytes);
    return encode_planes(differences, element_bytes);
  });
}

Status decode_differences(std::span<const std::byte> encoded, uint32_t element_bytes,
                          std::span<std::byte> elements) noexcept {
  CORDWOOD_RETURN_IF_FAILED(decode_planes(encoded, element_bytes, elements));
  add_differences(elements, element_bytes);
  return {};
}

uint32_t plane_element_bytes(uint8_t dtype) noexcept {
  return std::max(dtype_bits(dtype) / 8, 1u);
}

Result<TensorBytes> decode_elements(const FileView& file, const cordwood_tensor& tensor,
                                    uint64_t count, const char* place) noexcept {
  return guard_memory(place, [&]() -> Result<TensorBytes> {
    const uint64_t bits = count * dtype_bits(tensor.dtype);
    TensorBytes result;
    result.bytes = file.encoded(tensor);
    if (tensor.encoding != CORDWOOD_ENCODING_RAW && count != 0) {
      result.owned.resize(bytes_for_bits(bits));
      const auto decode =
          tensor.encoding == CORDWOOD_ENCODING_DIFFERENCES ? decode_differences : decode_planes;
      Status status = decode(result.bytes, plane_element_bytes(tensor.dtype), result.owned);
      if (!status.ok()) {
        status.place = place;
        return status;
      }
      result.bytes = result.owned;
    }
    if (result.bytes.size() != bytes_for_bits(bits)) {
      return fail(CORDWOOD_STATUS_tensor_payload_length_mismatch, place,
                  "a tensor has {} bytes, expected {} for the {} elements that its mask keeps",
                  result.bytes.size(), bytes_for_bits(bits), count);
    }
    if (!padding_is_zero(result.bytes, bits)) {
      return fail(CORDWOOD_STATUS_tensor_padding_not_zero, place,
                  "bits after the last of {} elements are set, expected zero", count);
    }
    return result;
  });
}

Result<TensorBytes> decode_tensor(const FileView& file, const cordwood_tensor& tensor,
                                  const char* place) noexcept {
  if (tensor.sparsity != CORDWOOD_SPARSITY_DENSE) return decode_sparse(file, tensor, place);
  return decode_elements(file, tensor, element_count(tensor), place);
}

}  // namespace cordwood::format
