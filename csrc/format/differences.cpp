// A key orders floats as unsigned integers do: -NaN, -inf, ..., -0.0, +0.0, ..., +inf, +NaN. The
// map is one to one, so that no bit pattern is lost and none has to be refused.
#include "format/differences.hpp"

#include <cstring>
#include <limits>

#include "base/bits.hpp"

namespace cordwood::format {
namespace {

template <class Bits>
constexpr Bits kSign = Bits{1} << (std::numeric_limits<Bits>::digits - 1);

template <class Bits>
constexpr Bits key_of(Bits bits) noexcept {
  return (bits & kSign<Bits>) != 0 ? ~bits : bits | kSign<Bits>;
}

template <class Bits>
constexpr Bits bits_of(Bits key) noexcept {
  return (key & kSign<Bits>) != 0 ? key ^ kSign<Bits> : ~key;
}

template <class Bits>
void take(std::span<std::byte> elements) noexcept {
  Bits previous = 0;
  for (std::size_t at = 0; at < elements.size(); at += sizeof(Bits)) {
    const Bits key = key_of(load_unaligned<Bits>(elements.data() + at));
    const Bits difference = key - previous;
    std::memcpy(elements.data() + at, &difference, sizeof difference);
    previous = key;
  }
}

template <class Bits>
void add(std::span<std::byte> elements) noexcept {
  Bits key = 0;
  for (std::size_t at = 0; at < elements.size(); at += sizeof(Bits)) {
    key += load_unaligned<Bits>(elements.data() + at);
    const Bits bits = bits_of(key);
    std::memcpy(elements.data() + at, &bits, sizeof bits);
  }
}

}  // namespace

void take_differences(std::span<std::byte> elements, uint32_t element_bytes) noexcept {
  element_bytes == 4 ? take<uint32_t>(elements) : take<uint64_t>(elements);
}

void add_differences(std::span<std::byte> elements, uint32_t element_bytes) noexcept {
  element_bytes == 4 ? add<uint32_t>(elements) : add<uint64_t>(elements);
}

}  // namespace cordwood::format
