// Makes a mutated file's length and checksums true again, so that fuzzing reaches what they guard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cordwood::fuzz {

/// Writes magic, version, length and every checksum that the section table lets one compute.
void mend(std::span<uint8_t> file) noexcept;

}  // namespace cordwood::fuzz
