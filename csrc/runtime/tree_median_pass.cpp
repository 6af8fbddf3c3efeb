// Weighted medians: a row's leaves sorted, their trees' weights added up in that order, and the first
// leaf at which half of the weight is reached.
//
// All leaf values are ranked once, so that a row sorts integers: rank above, tree below, which keeps
// equal leaves in tree order. Sorting binds, some ten nanoseconds a tree.
#include <algorithm>
#include <vector>

#include "runtime/tree_engine.hpp"
#include "runtime/tree_leaf_pass.hpp"

namespace cordwood::runtime {
namespace {

template <class Sum>
class MedianPass final : public LeafPass {
 public:
  explicit MedianPass(const format::TreeArrays& arrays)
      : base_value_(static_cast<Sum>(arrays.base_value[0])), weight_(arrays.tree_weight) {
    for (const double value : arrays.leaf_values) leaf_values_.push_back(static_cast<Sum>(value));
    std::vector<Sum> sorted = leaf_values_;
    std::ranges::sort(sorted);
    for (const Sum value : leaf_values_) {
      const auto place = std::ranges::lower_bound(sorted, value);
      rank_.push_back(static_cast<uint32_t>(place - sorted.begin()));
    }
  }

  Status answer(const RowsView& rows, const LeafBlock& leaves, const void*, void* out,
                std::span<std::byte> scratch) const noexcept override {
    const std::span keys(Scratch(scratch).take<uint64_t>(weight_.size()), weight_.size());
    auto* const answers = static_cast<Sum*>(out);
    if (keys.empty()) {
      std::fill_n(answers, rows.n_rows, base_value_);
      return {};
    }
    for (uint64_t row = 0; row < rows.n_rows; ++row) {
      for (uint64_t tree = 0; tree < keys.size(); ++tree) {
        keys[tree] = uint64_t{rank_[leaf_row(leaves, tree, row)]} << 32 | tree;
      }
      std::ranges::sort(keys);
      answers[row] = leaf_values_[leaf_row(leaves, middle(keys), row)];
    }
    return {};
  }

  [[nodiscard]] size_t scratch_bytes(uint64_t) const noexcept override {
    return Scratch::bytes_for<uint64_t>(weight_.size());
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return leaf_values_.size() * (sizeof(Sum) + sizeof(uint32_t)) + weight_.size() * sizeof(double);
  }

 private:
  static uint32_t leaf_row(const LeafBlock& leaves, uint64_t tree, uint64_t row) noexcept {
    return static_cast<uint32_t>(leaves.at[tree * leaves.stride + row]);
  }

  [[nodiscard]] double weight_of(uint64_t key) const noexcept {
    return weight_[static_cast<uint32_t>(key)];
  }

  /// The tree whose leaf is the median.
  [[nodiscard]] uint64_t middle(std::span<const uint64_t> keys) const noexcept {
    double total = 0;
    for (const uint64_t key : keys) total += weight_of(key);
    const double half = 0.5 * total;
    double sum = weight_of(keys[0]);
    size_t place = 0;
    while (sum < half) sum += weight_of(keys[++place]);
    return static_cast<uint32_t>(keys[place]);
  }

  Sum base_value_;              ///< the answer where there are no trees
  std::vector<double> weight_;  ///< by tree, above 0
  std::vector<Sum> leaf_values_;
  std::vector<uint32_t> rank_;  ///< by leaf row; equal values share theirs
};

}  // namespace

Result<std::unique_ptr<LeafPass>> make_median_pass(const format::TreeArrays& arrays) noexcept {
  return guard_memory("weighted median", [&]() -> Result<std::unique_ptr<LeafPass>> {
    std::unique_ptr<LeafPass> pass;
    if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
      pass = std::make_unique<MedianPass<float>>(arrays);
    } else {
      pass = std::make_unique<MedianPass<double>>(arrays);
    }
    return pass;
  });
}

}  // namespace cordwood::runtime
