// Arithmetic that cannot overflow unseen, and readers for packed bits.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace cordwood {

/// Sum of two sizes; false where it does not fit.
[[nodiscard]] constexpr bool checked_add(uint64_t a, uint64_t b, uint64_t& sum) noexcept {
  sum = a + b;
  return sum >= a;
}

/// Product of two sizes; false where it does not fit.
[[nodiscard]] constexpr bool checked_multiply(uint64_t a, uint64_t b, uint64_t& product) noexcept {
  product = a * b;
  return a == 0 || product / a == b;
}

/// Smallest multiple of `alignment` (a power of two) not below `offset`; false where none fits.
[[nodiscard]] constexpr bool checked_align(uint64_t offset, uint64_t alignment,
                                           uint64_t& aligned) noexcept {
  const bool fits = checked_add(offset, alignment - 1, aligned);
  aligned &= ~(alignment - 1);
  return fits;
}

/// Bytes that hold `bits` bits; cannot overflow.
[[nodiscard]] constexpr uint64_t bytes_for_bits(uint64_t bits) noexcept {
  return bits / 8 + (bits % 8 != 0 ? 1 : 0);
}

/// Bits that an index below `count` needs: 0 where only one index is possible.
[[nodiscard]] constexpr uint32_t index_bits(uint64_t count) noexcept {
  return count <= 1 ? 0 : static_cast<uint32_t>(std::bit_width(count - 1));
}

/// Copies one trivial object out of bytes of any alignment.
template <class T>
[[nodiscard]] inline T load_unaligned(const std::byte* bytes) noexcept {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

/// One bit of a packed string, least significant first.
[[nodiscard]] inline bool bit_at(std::span<const std::byte> bytes, uint64_t index) noexcept {
  return ((std::to_integer<unsigned>(bytes[index / 8]) >> (index % 8)) & 1u) != 0;
}

/// `count` bits, at most 32, from bit `position` of a packed string, least significant first. Bits
/// past the end read as zero: whoever opens a string has compared its length before.
[[nodiscard]] inline uint32_t bits_at(std::span<const std::byte> bytes, uint64_t position,
                                      uint32_t count) noexcept {
  const uint64_t byte = position / 8;
  uint64_t word = 0;
  if (byte + sizeof word <= bytes.size()) {
    word = load_unaligned<uint64_t>(bytes.data() + byte);
  } else if (byte < bytes.size()) {
    std::memcpy(&word, bytes.data() + byte, bytes.size() - byte);
  }
  return static_cast<uint32_t>((word >> (position % 8)) & ((uint64_t{1} << count) - 1));
}

/// Reads a packed string from its start.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  /// The next `count` bits, at most 32, as a number.
  [[nodiscard]] uint32_t read(uint32_t count) noexcept {
    const uint32_t bits = bits_at(bytes_, position_, count);
    position_ += count;
    return bits;
  }

  /// Bits read so far.
  [[nodiscard]] uint64_t position() const noexcept { return position_; }

 private:
  std::span<const std::byte> bytes_;
  uint64_t position_ = 0;
};

/// Whether the bits from `first` to the end of the bytes are zero; `first` lies in the last byte or
/// just past it.
[[nodiscard]] inline bool padding_is_zero(std::span<const std::byte> bytes,
                                          uint64_t first) noexcept {
  return first % 8 == 0 || (std::to_integer<unsigned>(bytes.back()) >> (first % 8)) == 0;
}

}  // namespace cordwood
