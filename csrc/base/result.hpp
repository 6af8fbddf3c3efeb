// How everything below the border reports failure: a code, a sentence and up to four numbers.
// A Status owns nothing: its texts are string literals, so that making one cannot fail.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/status.h"

namespace cordwood {

/// Success, or a named failure with its evidence. Texts must be string literals.
struct [[nodiscard]] Status {
  cordwood_status code = CORDWOOD_STATUS_ok;
  const char* place = "";  ///< where: "section values", "tensor leaf_values"; may be empty
  const char* text = "";   ///< what: each {} stands for the next number, {x} for it in hexadecimal
  std::array<uint64_t, 4> numbers{};

  [[nodiscard]] constexpr bool ok() const noexcept { return code == CORDWOOD_STATUS_ok; }
};

/// Makes a failure: `fail(CORDWOOD_STATUS_nan_refused, "rows", "row {}, feature {} is NaN", r, f)`.
template <class... Numbers>
constexpr Status fail(cordwood_status code, const char* place, const char* text,
                      Numbers... numbers) noexcept {
  static_assert(sizeof...(Numbers) <= 4, "a Status carries at most four numbers");
  return Status{code, place, text, {static_cast<uint64_t>(numbers)...}};
}

constexpr Status out_of_memory(const char* place) noexcept {
  return fail(CORDWOOD_STATUS_out_of_memory, place, "memory could not be had");
}

/// A value, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
  static_assert(std::is_nothrow_move_constructible_v<T>, "a Result must move without throwing");

 public:
  Result(T value) noexcept : state_(std::in_place_index<0>, std::move(value)) {}
  Result(const Status& status) noexcept : state_(std::in_place_index<1>, status) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// The failure; the ok Status where there is a value.
  [[nodiscard]] Status status() const noexcept {
    const Status* status = std::get_if<1>(&state_);
    return status != nullptr ? *status : Status{};
  }

  /// The value; only to be asked for after ok().
  [[nodiscard]] T& value() & noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& noexcept { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] T& operator*() & noexcept { return value(); }
  [[nodiscard]] const T& operator*() const& noexcept { return value(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() noexcept { return &value(); }
  [[nodiscard]] const T* operator->() const noexcept { return &value(); }

 private:
  std::variant<T, Status> state_;
};

/// Runs `body`, which returns Status or Result, and turns a failed allocation into a Status.
template <class Body>
auto guard_memory(const char* place, Body&& body) noexcept -> std::invoke_result_t<Body> {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return out_of_memory(place);
  } catch (const std::length_error&) {  // a vector longer than the address space
    return out_of_memory(place);
  }
}

/// Name of a code as in `docs/errors.md`; "unknown" for a number that is not listed.
[[nodiscard]] const char* status_name(cordwood_status code) noexcept;

/// A rendered message, cut at its capacity: rendering allocates nothing.
struct StatusMessage {
  std::array<char, 512> characters{};
  [[nodiscard]] const char* c_str() const noexcept { return characters.data(); }
};

/// "section values: checksum 0x1a2b3c4d stored, 0x00000000 computed".
[[nodiscard]] StatusMessage render(const Status& status) noexcept;

}  // namespace cordwood

/// Leaves the calling function with the Status of `expression` unless it is ok.
#define CORDWOOD_RETURN_IF_FAILED(expression)                                                      \
  do {                                                                                             \
    if (const ::cordwood::Status cordwood_status_ = (expression); !cordwood_status_.ok()) {        \
      return cordwood_status_;                                                                     \
    }                                                                                              \
  } while (false)
