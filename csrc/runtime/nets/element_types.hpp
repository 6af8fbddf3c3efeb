// From an element's type in a file to one of C++.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "runtime/nets/node.hpp"

namespace cordwood::runtime {

/// A bool: a byte of 0 or 1, with arithmetic of its own.
enum class Bool : uint8_t { no = 0, yes = 1 };

/// Calls `body` with a value of the type; false where there is none in C++.
template <class Body>
bool with_type(uint8_t dtype, Body&& body) noexcept {
  switch (dtype) {
    case CORDWOOD_DTYPE_BIT:
      return body(Bool{}), true;
    case CORDWOOD_DTYPE_INT8:
      return body(int8_t{}), true;
    case CORDWOOD_DTYPE_UINT8:
      return body(uint8_t{}), true;
    case CORDWOOD_DTYPE_INT16:
      return body(int16_t{}), true;
    case CORDWOOD_DTYPE_UINT16:
      return body(uint16_t{}), true;
    case CORDWOOD_DTYPE_INT32:
      return body(int32_t{}), true;
    case CORDWOOD_DTYPE_UINT32:
      return body(uint32_t{}), true;
    case CORDWOOD_DTYPE_INT64:
      return body(int64_t{}), true;
    case CORDWOOD_DTYPE_UINT64:
      return body(uint64_t{}), true;
    case CORDWOOD_DTYPE_FLOAT32:
      return body(float{}), true;
    case CORDWOOD_DTYPE_FLOAT64:
      return body(double{}), true;
    default:
      return false;
  }
}

/// Integers compute in an unsigned type of at least their width, so that they wrap.
template <class T>
using Wrapping = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;

/// Calls `body` with an unsigned integer as wide as an element: what moves elements need not know more.
template <class Body>
void with_width(uint8_t dtype, Body&& body) noexcept {
  switch (element_bytes(dtype)) {
    case 1:
      return body(uint8_t{});
    case 2:
      return body(uint16_t{});
    case 4:
      return body(uint32_t{});
    default:
      return body(uint64_t{});
  }
}

/// Floats go to integers towards zero, saturating, NaN to 0; to bool by whether they differ from 0.
template <class To, class From>
To convert(From value) noexcept {
  if constexpr (std::is_same_v<From, Bool>) {
    return convert<To>(static_cast<uint8_t>(value));
  } else if constexpr (std::is_same_v<To, Bool>) {
    return value != 0 ? Bool::yes : Bool::no;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    constexpr auto low = static_cast<From>(std::numeric_limits<To>::lowest());
    // The highest integer rounds up to a power of two as a float: at or above it is too high.
    constexpr auto high = static_cast<From>(std::numeric_limits<To>::max());
    if (value != value) return 0;
    if (value >= high) return std::numeric_limits<To>::max();
    return value <= low ? std::numeric_limits<To>::lowest() : static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

inline Status no_such_type(const char* place, uint8_t dtype) noexcept {
  return fail(CORDWOOD_STATUS_dtype_not_supported, place,
              "values of type {} are none that it computes with here", dtype);
}

}  // namespace cordwood::runtime
