// How the integers of a group begin, and how they become floats, for the rows that share panels.hpp.
#pragma once

#include <cstdint>

#include "kernels/qmatmul/lanes.hpp"

namespace cordwood::kernels {
namespace {

/// What zero points add to a sum; `sum` is QmatmulRows::sums of the row and group.
template <class Isa>
[[gnu::always_inline]] inline typename Lanes<Isa::kBytes>::Ints start_sums(
    int32_t sum, const uint8_t* zeros) noexcept {
  using Ints = typename Lanes<Isa::kBytes>::Ints;
  // Without zeros `sum` is already minus 128 times the codes' sum: what signed weights leave out.
  if (zeros == nullptr) return Ints{} + (Isa::kSigned ? 0 : sum);
  return (Isa::widen(zeros) - (Isa::kSigned ? 128 : 0)) * sum;
}

/// What a row's zero point takes from a sum.
template <class Isa>
[[gnu::always_inline]] inline typename Lanes<Isa::kBytes>::Ints take_zero(
    const QmatmulRows& rows, uint64_t row, uint64_t row_group, const int32_t* columns) noexcept {
  using Ints = typename Lanes<Isa::kBytes>::Ints;
  if constexpr (!Isa::kAffine) return Ints{};
  return load<Ints>(columns) * rows.zeros[rows.group_scales != 0 ? row_group : row];
}

/// A group's integers, scaled and added to the floats of a row.
template <class Isa, uint32_t C>
[[gnu::always_inline]] inline void add_scaled(const typename Lanes<Isa::kBytes>::Ints (&whole)[C],
                                              const float* scales, const float* own, bool first,
                                              float* sums) noexcept {
  using Floats = typename Lanes<Isa::kBytes>::Floats;
#pragma GCC unroll 8
  for (uint32_t c = 0; c < C; ++c) {
    const uint32_t at = c * Lanes<Isa::kBytes>::kOutputs;
    const Floats numbers = __builtin_convertvector(whole[c], Floats);
    Floats scale = load<Floats>(scales + at);
    if (own != nullptr) scale *= *own;
    store(sums + at, first ? numbers * scale : Isa::fma(numbers, scale, load<Floats>(sums + at)));
  }
}

}  // namespace
}  // namespace cordwood::kernels
