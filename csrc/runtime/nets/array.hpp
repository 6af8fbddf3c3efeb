// Arrays as nets pass them on: a shape, a type, elements in C order, of images also channels last.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bits.hpp"
#include "format/view.hpp"
#include "runtime/image.hpp"

namespace cordwood::runtime {

/// Most bytes that one array may take: sums of several stay below 2^63.
inline constexpr uint64_t kMaxArrayBytes = uint64_t{1} << 48;

struct Shape {
  std::array<uint64_t, CORDWOOD_MAX_RANK> size{};
  uint32_t rank = 0;

  [[nodiscard]] bool operator==(const Shape&) const noexcept = default;

  /// Product of the sizes of axes `first` to `last` - 1.
  [[nodiscard]] uint64_t elements(uint32_t first, uint32_t last) const noexcept {
    uint64_t count = 1;
    for (uint32_t axis = first; axis < last; ++axis) count *= size[axis];
    return count;
  }
  [[nodiscard]] uint64_t elements() const noexcept { return elements(0, rank); }
  [[nodiscard]] uint64_t last() const noexcept { return rank == 0 ? 1 : size[rank - 1]; }
};

/// Bytes of an element at run time; a bool is a byte of 0 or 1.
[[nodiscard]] inline uint32_t element_bytes(uint8_t dtype) noexcept {
  return dtype == CORDWOOD_DTYPE_BIT ? 1 : format::dtype_bits(dtype) / 8;
}

struct ArrayForm {
  Shape shape;
  uint8_t dtype = 0;  ///< enum cordwood_dtype; BIT is bool

  [[nodiscard]] bool operator==(const ArrayForm&) const noexcept = default;
  [[nodiscard]] uint64_t bytes() const noexcept { return shape.elements() * element_bytes(dtype); }

  /// Whether the elements fit kMaxArrayBytes; asked once, where a shape is new.
  [[nodiscard]] bool fits() const noexcept {
    uint64_t bytes = element_bytes(dtype);
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      if (!checked_multiply(bytes, shape.size[axis], bytes) || bytes > kMaxArrayBytes) return false;
    }
    return true;
  }
};

/// Bytes of one entry of the first axis, whose image stands in its border.
[[nodiscard]] inline uint64_t entry_bytes(const ArrayForm& form, const Border& border) noexcept {
  uint64_t bytes = element_bytes(form.dtype);
  const uint32_t rank = form.shape.rank;
  for (uint32_t axis = 1; axis < rank; ++axis) {
    const bool space = axis >= 2 && border.any();
    bytes *= form.shape.size[axis] + (space ? border.around(CORDWOOD_MAX_SPACE + axis - rank) : 0);
  }
  return bytes;
}

struct Array {
  std::byte* data = nullptr;
  ArrayForm form;
  bool channels_last =
      false;        ///< elements lie as (batch, space..., channels); the shape is as declared
  Border border{};  ///< channels last: around each image, which begins inside it

  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(data);
  }
  [[nodiscard]] const Shape& shape() const noexcept { return form.shape; }
};

}  // namespace cordwood::runtime
