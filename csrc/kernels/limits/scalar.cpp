// limits of plain code: eight bytes at a time.
#include <cstring>

#include "kernels/limits/limits.hpp"

namespace cordwood::kernels::scalar {

uint64_t multiply_adds(uint64_t) noexcept {
  return 0;
}

uint64_t multiply_adds_bf16(uint64_t) noexcept {
  return 0;
}

uint64_t read_bytes(const void* block, uint64_t n_bytes) noexcept {
  const auto* bytes = static_cast<const unsigned char*>(block);
  uint64_t all[4] = {};
  for (uint64_t at = 0; at < n_bytes; at += sizeof all) {
    for (uint64_t part = 0; part < 4; ++part) {
      uint64_t word;
      std::memcpy(&word, bytes + at + part * sizeof word, sizeof word);
      all[part] ^= word;
    }
  }
  return all[0] ^ all[1] ^ all[2] ^ all[3];
}

}  // namespace cordwood::kernels::scalar
