// Stored form, for symbols 0, 1, ... until the frequencies seen add up to 4096: the Elias gamma code
// of frequency + 1; after each frequency 0 the gamma code of how many symbols in a row have it.
// A gamma code of v >= 1 is n zero bits, a one bit, then the n low bits of v, where n is
// floor(log2 v); all of it least significant bit first.
#include "format/rans_table.hpp"

#include <bit>

#include "base/bits.hpp"

namespace cordwood::format {
namespace {

class BitWriter {
 public:
  explicit BitWriter(std::vector<std::byte>& bytes) noexcept : bytes_(bytes) {}

  void write(uint32_t value, uint32_t count) {
    for (uint32_t bit = 0; bit < count; ++bit) {
      if (used_ == 0) bytes_.push_back(std::byte{0});
      bytes_.back() |= static_cast<std::byte>(((value >> bit) & 1u) << used_);
      used_ = (used_ + 1) % 8;
    }
  }

  void write_gamma(uint32_t value) {
    const auto low_bits = static_cast<uint32_t>(std::bit_width(value)) - 1;
    write(0, low_bits);
    write(1, 1);
    write(value, low_bits);
  }

 private:
  std::vector<std::byte>& bytes_;
  uint32_t used_ = 0;  // bits of the last byte
};

/// A gamma code of at most 13 bits of value; 0 where there is none.
uint32_t read_gamma(BitReader& reader) noexcept {
  uint32_t low_bits = 0;
  while (low_bits <= kFrequencyBits && reader.read(1) == 0) ++low_bits;
  if (low_bits > kFrequencyBits) return 0;
  return (1u << low_bits) | reader.read(low_bits);
}

uint32_t sum_of(const Frequencies& frequencies) noexcept {
  uint32_t sum = 0;
  for (const uint32_t frequency : frequencies) sum += frequency;
  return sum;
}

/// A frequency f costs its symbol's `count` occurrences about count / (f + 1/2) bits less when it
/// rises by one, so this ranks the gain of a rise; `gain` of f - 1 ranks the loss of a fall.
struct Gain {
  uint64_t count;
  uint64_t twice_middle;  // 2 f + 1

  /// Whether this gain is larger. Counts are scaled below 2^44 by the caller: nothing overflows.
  [[nodiscard]] bool exceeds(const Gain& other) const noexcept {
    return count * other.twice_middle > other.count * twice_middle;
  }
};

}  // namespace

Frequencies scale_frequencies(const std::array<uint64_t, 256>& counts, uint64_t total) noexcept {
  Frequencies frequencies{};
  for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] == 0) continue;
    const uint64_t share = counts[symbol] * kFrequencyTotal / total;
    frequencies[symbol] = share == 0 ? 1 : static_cast<uint32_t>(share);
  }
  // At most 255 steps: each share is off by less than one.
  for (uint32_t sum = sum_of(frequencies); sum != kFrequencyTotal;) {
    const bool rise = sum < kFrequencyTotal;
    std::size_t best = counts.size();
    Gain best_gain{0, 1};
    for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
      const uint32_t frequency = frequencies[symbol];
      if (frequency == 0 || (!rise && frequency == 1)) continue;
      const Gain gain{counts[symbol], 2 * uint64_t{frequency} + (rise ? 1 : 0) - (rise ? 0 : 1)};
      if (best == counts.size() || (rise ? gain.exceeds(best_gain) : best_gain.exceeds(gain))) {
        best = symbol;
        best_gain = gain;
      }
    }
    frequencies[best] += rise ? 1u : ~0u;
    sum += rise ? 1u : ~0u;
  }
  return frequencies;
}

void write_frequencies(const Frequencies& frequencies, std::vector<std::byte>& stream) {
  BitWriter writer(stream);
  uint32_t sum = 0;
  for (std::size_t symbol = 0; sum < kFrequencyTotal; ++symbol) {
    const uint32_t frequency = frequencies[symbol];
    writer.write_gamma(frequency + 1);
    sum += frequency;
    if (frequency != 0) continue;
    uint32_t run = 1;
    for (; frequencies[symbol + 1] == 0; ++symbol) ++run;
    writer.write_gamma(run);
  }
}

std::size_t read_frequencies(std::span<const std::byte> stream, Frequencies& frequencies) noexcept {
  frequencies.fill(0);
  BitReader reader(stream);
  uint32_t sum = 0;
  for (std::size_t symbol = 0; sum < kFrequencyTotal;) {
    const uint32_t code = read_gamma(reader);
    if (code == 0 || symbol >= frequencies.size()) return 0;
    if (code == 1) {
      const uint32_t run = read_gamma(reader);
      if (run == 0) return 0;
      symbol += run;
    } else {
      frequencies[symbol++] = code - 1;
      sum += code - 1;
    }
  }
  const uint64_t bytes = bytes_for_bits(reader.position());
  // A frequency of the whole total would leave the state as it is: such a plane is constant.
  const bool whole = bytes <= stream.size() && sum == kFrequencyTotal &&
                     padding_is_zero(stream.first(bytes), reader.position());
  for (const uint32_t frequency : frequencies) {
    if (frequency == kFrequencyTotal) return 0;
  }
  return whole ? bytes : 0;
}

}  // namespace cordwood::format
