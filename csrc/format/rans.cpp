// Four states take turns over the symbols, so that four chains of dependent steps run side by side.
// A state is 32 bits, never below 2^16 between symbols; one 16-bit word refills it at most, so the
// refill needs no loop and no branch.
//
//   stream:  frequencies | states 0 to 3 (u32 each) | words (u16) in the order they are read
//
// Cost of decoding: per symbol one table load, one multiplication and one unaligned load; the
// latency of that chain is the limit, and four states share it.
#include "format/rans.hpp"

#include <array>

#include "base/bits.hpp"
#include "format/rans_table.hpp"

namespace cordwood::format {
namespace {

constexpr std::size_t kStates = 4;
constexpr uint32_t kLowest = 1u << 16;
constexpr std::size_t kWordBytes = 2;
constexpr std::size_t kStateBytes = kStates * sizeof(uint32_t);

/// What a slot of the 4096 says, in one word for one load: its place among its symbol's slots (bits
/// 0 to 11), that symbol's frequency (bits 12 to 23) and the symbol (bits 24 to 31).
using Slots = std::array<uint32_t, kFrequencyTotal>;

Slots make_slots(const Frequencies& frequencies) noexcept {
  Slots slots;
  std::size_t next = 0;
  for (uint32_t symbol = 0; symbol < frequencies.size(); ++symbol) {
    for (uint32_t place = 0; place < frequencies[symbol]; ++place) {
      slots[next++] = place | (frequencies[symbol] << 12) | (symbol << 24);
    }
  }
  return slots;
}

inline std::byte take_symbol(const Slots& slots, uint32_t& state) noexcept {
  const uint32_t slot = slots[state & (kFrequencyTotal - 1)];
  state = ((slot >> 12) & 0xFFFu) * (state >> kFrequencyBits) + (slot & 0xFFFu);
  return static_cast<std::byte>(slot >> 24);
}

}  // namespace

bool rans_encode(const std::byte* bytes, uint64_t count, std::size_t stride, uint64_t limit,
                 std::vector<std::byte>& stream) {
  stream.clear();
  std::array<uint64_t, 256> counts{};
  for (uint64_t i = 0; i < count; ++i) ++counts[std::to_integer<std::size_t>(bytes[i * stride])];
  const Frequencies frequencies = scale_frequencies(counts, count);
  std::array<uint32_t, 256> first{};
  for (std::size_t symbol = 1; symbol < first.size(); ++symbol) {
    first[symbol] = first[symbol - 1] + frequencies[symbol - 1];
  }
  write_frequencies(frequencies, stream);
  const std::size_t head_bytes = stream.size() + kStateBytes;

  // The coder runs backwards: words are collected last to first, then turned round.
  std::array<uint32_t, kStates> states;
  states.fill(kLowest);
  std::vector<uint16_t> words;
  for (uint64_t i = count; i-- > 0;) {
    const std::size_t symbol = std::to_integer<std::size_t>(bytes[i * stride]);
    const uint32_t frequency = frequencies[symbol];
    uint32_t& state = states[i % kStates];
    if (state >= frequency << 20) {
      words.push_back(static_cast<uint16_t>(state));
      state >>= 16;
      if (head_bytes + words.size() * kWordBytes >= limit) {
        stream.clear();
        return false;
      }
    }
    state = ((state / frequency) << kFrequencyBits) + state % frequency + first[symbol];
  }
  if (head_bytes + words.size() * kWordBytes >= limit) {
    stream.clear();
    return false;
  }
  for (const uint32_t state : states) {
    for (uint32_t shift = 0; shift < 32; shift += 8) {
      stream.push_back(static_cast<std::byte>(state >> shift));
    }
  }
  for (std::size_t i = words.size(); i-- > 0;) {
    stream.push_back(static_cast<std::byte>(words[i]));
    stream.push_back(static_cast<std::byte>(words[i] >> 8));
  }
  return true;
}

bool rans_decode(std::span<const std::byte> stream, std::byte* bytes, uint64_t count,
                 std::size_t stride) noexcept {
  Frequencies frequencies;
  const std::size_t table_bytes = read_frequencies(stream, frequencies);
  if (table_bytes == 0 || stream.size() - table_bytes < kStateBytes) return false;
  const Slots slots = make_slots(frequencies);
  const std::byte* next = stream.data() + table_bytes;
  const std::byte* const end = stream.data() + stream.size();
  std::array<uint32_t, kStates> states;
  for (uint32_t& state : states) {
    state = load_unaligned<uint32_t>(next);
    next += sizeof state;
    if (state < kLowest) return false;
  }

  constexpr std::ptrdiff_t kRoundBytes = kStates * kWordBytes;  // most that one round reads
  uint64_t done = 0;
  while (count - done >= kStates && end - next >= kRoundBytes) {
    for (std::size_t lane = 0; lane < kStates; ++lane) {
      bytes[(done + lane) * stride] = take_symbol(slots, states[lane]);
    }
    for (uint32_t& state : states) {  // no branch: whether a state is low cannot be predicted
      const uint32_t refilled = (state << 16) | load_unaligned<uint16_t>(next);
      const bool low = state < kLowest;
      state = low ? refilled : state;
      next += low ? kWordBytes : 0;
    }
    done += kStates;
  }
  for (; done < count; ++done) {
    uint32_t& state = states[done % kStates];
    bytes[done * stride] = take_symbol(slots, state);
    if (state >= kLowest) continue;
    if (end - next < static_cast<std::ptrdiff_t>(kWordBytes)) return false;
    state = (state << 16) | load_unaligned<uint16_t>(next);
    next += kWordBytes;
  }
  for (const uint32_t state : states) {
    if (state != kLowest) return false;
  }
  return next == end;
}

}  // namespace cordwood::format
