#include "cuda/walk_tile.hpp"

namespace cordwood::cuda {

WalkTests::WalkTests(const format::TreeArrays& arrays, const plan::TreeColumns& columns)
    : arrays_(arrays),
      columns_(columns),
      // In byte columns a missing value has its side's rank already.
      raises_(columns.width() == plan::BinWidth::k16),
      number_(2 * columns.columns().size(), kNone) {}

uint32_t WalkTests::test(uint64_t node) {
  const plan::NodeTest test = columns_.test(arrays_, node);
  const uint32_t raise = raises_ ? arrays_.missing_left[node] : 0u;
  uint32_t& number = number_[2 * std::size_t{test.column} + raise];
  if (number == kNone) {
    number = static_cast<uint32_t>(listed_.size());
    listed_.push_back({test.column, raise});
  }
  return (test.rank + raise) << 16 | (number & (kWalkColumns - 1));
}

}  // namespace cordwood::cuda
