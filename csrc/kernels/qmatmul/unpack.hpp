// Packed codes to bytes, with the vectors of lanes.hpp (layout: qmatmul.hpp).
#pragma once

#include <cstdint>

#include "kernels/qmatmul/lanes.hpp"

namespace cordwood::kernels {
namespace {

/// Codes of a step for the outputs of a vector, a byte each.
template <class Words>
Words codes_of(const uint8_t* steps, uint32_t bits, uint64_t step) noexcept {
  const auto row = [&](uint64_t index) { return load<Words>(steps + index * kStepBytes); };
  const auto bits_from = [](Words bytes, uint64_t first, uint16_t mask) {
    return (bytes >> static_cast<uint16_t>(first)) & static_cast<uint16_t>(mask * 0x0101);
  };
  if (bits == 8) return row(step);
  if (bits == 4) return bits_from(row(step / 2), step % 2 * 4, 15);
  if (bits == 2) return bits_from(row(step / 4), step % 4 * 2, 3);
  const uint64_t first = step / 8 * 3;
  const uint64_t within = step % 8;
  return bits_from(row(first + within / 4), within % 4 * 2, 3) |
         (bits_from(row(first + 2), within, 1) << 2);
}

/// Steps of 4, 3 or 2 bits to bytes.
template <uint32_t kBytes>
void expand(const uint8_t* packed, uint32_t bits, uint32_t n_steps, uint8_t* steps) noexcept {
  using Words = typename Lanes<kBytes>::Words;
  const auto every_byte = [](uint16_t value) {
    return Words{} + static_cast<uint16_t>(value * 0x0101);
  };
  for (uint32_t part = 0; part < kStepBytes; part += kBytes) {
    const auto row = [&](uint32_t index) {
      return load<Words>(packed + uint64_t{index} * kStepBytes + part);
    };
    const auto put = [&](uint32_t step, Words codes) {
      store(steps + uint64_t{step} * kStepBytes + part, codes);
    };
    for (uint32_t step = 0; step < n_steps; step += 8) {
      if (bits == 4) {
#pragma GCC unroll 4
        for (uint32_t i = 0; i < 8; i += 2) {
          const Words two = row((step + i) / 2);
          put(step + i, two & every_byte(15));
          put(step + i + 1, (two >> 4) & every_byte(15));
        }
        continue;
      }
      const uint32_t first = bits == 3 ? step / 8 * 3 : step / 4;
      const Words high = bits == 3 ? row(first + 2) : Words{};
#pragma GCC unroll 8
      for (uint32_t i = 0; i < 8; ++i) {
        const Words low = (row(first + i / 4) >> (i % 4 * 2)) & every_byte(3);
        // Bit i of `high` to bit 2: up for the first two, down for the others.
        const Words bit = i < 2 ? high << (2 - i) : high >> (i - 2);
        put(step + i, low | (bit & every_byte(4)));
      }
    }
  }
}

}  // namespace
}  // namespace cordwood::kernels
