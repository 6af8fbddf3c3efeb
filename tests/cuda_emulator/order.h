// The order in which the blocks of a grid, the warps of a block and the lanes of a warp run.
#pragma once

#include <numeric>

namespace cuda_emulator {

// CORDWOOD_EMULATOR_ORDER: ascending, descending, or shuffled (the default) with an optional seed,
// as in shuffled:7. A kernel that is right gives the same answer in each.
class Orders {
 public:
  static Orders of_environment();

  // A permutation of 0..count-1, affine and therefore cheap.
  struct Order {
    unsigned long long count, at, step;
    unsigned long long take() {
      const unsigned long long taken = at;
      at = at + step < count ? at + step : at + step - count;
      return taken;
    }
  };

  Order next(unsigned long long count) {
    if (kind_ == Kind::kAscending) return {count, 0, 1};
    if (kind_ == Kind::kDescending) return {count, count - 1, count - 1};
    const unsigned long long first = draw() % count;
    unsigned long long step = draw() % count;
    while (std::gcd(step, count) != 1) step = (step + 1) % count;
    return {count, first, step};
  }

 private:
  enum class Kind { kAscending, kDescending, kShuffled };

  Orders(Kind kind, unsigned long long seed) : kind_(kind), state_(seed) {}

  // Marsaglia's xorshift64.
  unsigned long long draw() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 20;
  }

  Kind kind_;
  unsigned long long state_;
};

}  // namespace cuda_emulator
