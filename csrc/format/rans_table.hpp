// The frequencies of a rANS stream: how they are chosen and how they are stored.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cordwood::format {

constexpr uint32_t kFrequencyBits = 12;
constexpr uint32_t kFrequencyTotal = 1u << kFrequencyBits;

/// One frequency for each byte value; they add up to kFrequencyTotal.
using Frequencies = std::array<uint32_t, 256>;

/// Scales counts to frequencies: each symbol that occurs keeps at least 1. Integers only, so that
/// every machine writes the same bytes.
[[nodiscard]] Frequencies scale_frequencies(const std::array<uint64_t, 256>& counts,
                                            uint64_t total) noexcept;

/// Appends the stored form. May throw std::bad_alloc.
void write_frequencies(const Frequencies& frequencies, std::vector<std::byte>& stream);

/// Reads the stored form; returns its bytes, or 0 where it is malformed.
[[nodiscard]] std::size_t read_frequencies(std::span<const std::byte> stream,
                                           Frequencies& frequencies) noexcept;

}  // namespace cordwood::format
