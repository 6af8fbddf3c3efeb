// Packing, turning and ending on vectors of 16 or 32 bytes.
//
// All of it is loads and stores, with little between them. Arrays are turned in squares as wide as a
// vector; Isa says how wide that is and turns one. What is left at the edges goes one by one.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstring>

#include "kernels/matmul/matmul.hpp"

namespace cordwood::kernels {
namespace {

template <uint32_t kBytes>
struct RowVectors {
  using Floats [[gnu::vector_size(kBytes)]] = float;
  using Ints [[gnu::vector_size(kBytes)]] = int32_t;
  static constexpr uint64_t kLanes = kBytes / 4;
};

template <class Vector>
[[gnu::always_inline]] inline Vector load(const float* from) noexcept {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Vector>
[[gnu::always_inline]] inline void store(float* to, Vector vector) noexcept {
  std::memcpy(to, &vector, sizeof vector);
}

template <class Isa>
void turn(const Transpose& task) noexcept {
  constexpr uint64_t kSide = RowVectors<Isa::kBytes>::kLanes;
  const uint64_t whole_rows = task.n_rows / kSide * kSide;
  const uint64_t whole_columns = task.n_columns / kSide * kSide;
  for (uint64_t row = 0; row < whole_rows; row += kSide) {
    for (uint64_t column = 0; column < whole_columns; column += kSide) {
      Isa::turn_square(task.from + row * task.from_stride + column, task.from_stride,
                       task.to + column * task.to_stride + row, task.to_stride);
    }
  }
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    const uint64_t first = row < whole_rows ? whole_columns : 0;
    for (uint64_t column = first; column < task.n_columns; ++column) {
      task.to[column * task.to_stride + row] = task.from[row * task.from_stride + column];
    }
  }
}

/// Copies numbers and says whether all are finite: of the others all bits of the exponent are set.
template <class Isa>
bool pack(const PackRows& task) noexcept {
  using V = RowVectors<Isa::kBytes>;
  using Floats = typename V::Floats;
  using Ints = typename V::Ints;
  constexpr uint32_t kVectors = static_cast<uint32_t>(kPackColumns / V::kLanes);
  const Ints exponent = Ints{} + 0x7F800000;
  Ints odd{};
  float* to = task.panels;
  for (uint64_t first = 0; first < task.n_outputs; first += kPackColumns) {
    const uint64_t left = task.n_outputs - first;
    const float* from = task.from + first;
    for (uint64_t input = 0; input < task.n_inputs; ++input) {
      alignas(Isa::kBytes) float edge[kPackColumns];
      const float* numbers = from;
      if (left < kPackColumns) {
        std::memset(edge, 0, sizeof edge);
        std::memcpy(edge, from, left * sizeof(float));
        numbers = edge;
      }
#pragma GCC unroll 8
      for (uint32_t v = 0; v < kVectors; ++v) {
        const auto four = load<Floats>(numbers + v * V::kLanes);
        odd |= (reinterpret_cast<Ints>(four) & exponent) == exponent;
        store(to + v * V::kLanes, four);
      }
      to += kPackColumns;
      from += task.stride;
    }
  }
  int32_t any = 0;
  for (uint64_t lane = 0; lane < V::kLanes; ++lane) any |= odd[lane];
  return any == 0;
}

template <class Floats, class Ints>
[[gnu::always_inline]] inline Floats end_of(Floats y, bool divides, float divisor) noexcept {
  if (divides) y = y / divisor + 0.0f;
  const Ints number = y == y;
  const Ints nan = Ints{} + 0x7FC00000;
  return reinterpret_cast<Floats>((number & reinterpret_cast<Ints>(y)) | (~number & nan));
}

template <class Isa>
void end(const EndRows& task) noexcept {
  using V = RowVectors<Isa::kBytes>;
  using Floats = typename V::Floats;
  using Ints = typename V::Ints;
  const bool divides = task.divisors != nullptr;
  for (uint64_t row = 0; row < task.n_rows; ++row) {
    float* out = task.out + row * task.stride;
    const float divisor = divides ? task.divisors[row] : 1.0f;
    uint64_t column = 0;
    for (; column + V::kLanes <= task.n_columns; column += V::kLanes) {
      store(out + column, end_of<Floats, Ints>(load<Floats>(out + column), divides, divisor));
    }
    if (column == task.n_columns) continue;
    const uint64_t bytes = (task.n_columns - column) * sizeof(float);
    Floats y{};
    std::memcpy(&y, out + column, bytes);
    y = end_of<Floats, Ints>(y, divides, divisor);
    std::memcpy(out + column, &y, bytes);
  }
}

}  // namespace
}  // namespace cordwood::kernels
