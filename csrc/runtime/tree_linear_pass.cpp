// Linear leaves: a constant and, in the order listed, a coefficient times the value of a feature.
//
// One tree over all rows of a block before the next, so that its leaves and terms stay in the first
// cache level; values lie by feature, so that neighbouring rows share their cache lines. A leaf is
// one record and its terms are one run: three cache lines a row and tree for a few terms, which is
// what binds, together with the branch at the end of a run whose length differs from row to row.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/load_rows.hpp"
#include "runtime/tree_engine.hpp"
#include "runtime/tree_leaf_pass.hpp"

namespace cordwood::runtime {
namespace {

struct LinearLeaf {
  double constant;
  double plain;  ///< answers where a value is NaN
  uint64_t first_term;
  uint64_t last_term;  ///< one past it
};

struct LinearTerm {
  double coefficient;
  uint64_t column;  ///< place of the feature among those that are loaded
};

/// What the leaf answers for the row whose values are `row[column * stride]`.
template <class Input>
double value_of(const LinearLeaf& leaf, const LinearTerm* terms, const Input* row,
                uint64_t stride) noexcept {
  double sum = leaf.constant;
  bool missing = false;
  for (uint64_t t = leaf.first_term; t < leaf.last_term; ++t) {
    const auto value = static_cast<double>(row[terms[t].column * stride]);
    missing |= value != value;
    sum += terms[t].coefficient * value;
  }
  return missing ? leaf.plain : sum;
}

template <class Input, class Sum>
class LinearPass final : public LeafPass {
 public:
  explicit LinearPass(const format::TreeArrays& arrays)
      : n_outputs_(arrays.attributes.n_outputs),
        rule_(LoadRule::of(arrays.attributes)),
        zero_band_(arrays.attributes.zero_band),
        tree_output_(arrays.tree_output),
        features_(arrays.linear_feature) {
    // The engine has judged the rows before.
    rule_.refuse_nan = rule_.refuse_infinity = false;
    std::ranges::sort(features_);
    features_.erase(std::ranges::unique(features_).begin(), features_.end());
    for (const double base : arrays.base_value) base_value_.push_back(static_cast<Sum>(base));
    for (size_t row = 0; row < arrays.linear_constant.size(); ++row) {
      leaves_.push_back({arrays.linear_constant[row], arrays.leaf_values[row],
                         arrays.linear_start[row], arrays.linear_start[row + 1]});
    }
    for (size_t term = 0; term < arrays.linear_feature.size(); ++term) {
      const auto column = std::ranges::lower_bound(features_, arrays.linear_feature[term]);
      terms_.push_back(
          {arrays.linear_coefficient[term], static_cast<uint64_t>(column - features_.begin())});
    }
  }

  Status answer(const RowsView& rows, const LeafBlock& leaves, const void* start, void* out,
                std::span<std::byte> scratch) const noexcept override {
    auto* values = Scratch(scratch).take<Input>(features_.size() * rows.n_rows);
    CORDWOOD_RETURN_IF_FAILED(load_columns(rows, rule_, features_, values, rows.n_rows));
    for (Input* value = values; value != values + features_.size() * rows.n_rows; ++value) {
      if (std::fabs(*value) <= zero_band_) *value = 0;
    }
    auto* const sums = static_cast<Sum*>(out);
    begin_sums<Sum>(static_cast<const Sum*>(start), base_value_, rows.n_rows, sums);
    for (size_t tree = 0; tree < tree_output_.size(); ++tree) {
      const int32_t* leaf = leaves.at + tree * leaves.stride;
      Sum* to = sums + tree_output_[tree];
      for (uint64_t row = 0; row < rows.n_rows; ++row, to += n_outputs_) {
        const LinearLeaf& reached = leaves_[static_cast<uint32_t>(leaf[row])];
        *to += static_cast<Sum>(value_of(reached, terms_.data(), values + row, rows.n_rows));
      }
    }
    // Infinite values may have cancelled: one NaN for all.
    for (Sum* sum = sums; sum != sums + rows.n_rows * n_outputs_; ++sum) {
      if (*sum != *sum) *sum = std::numeric_limits<Sum>::quiet_NaN();
    }
    return {};
  }

  [[nodiscard]] size_t scratch_bytes(uint64_t n_rows) const noexcept override {
    return Scratch::bytes_for<Input>(features_.size() * n_rows);
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return leaves_.size() * sizeof(LinearLeaf) + terms_.size() * sizeof(LinearTerm);
  }

 private:
  uint32_t n_outputs_;
  LoadRule rule_;
  double zero_band_;
  std::vector<uint32_t> tree_output_;
  std::vector<uint32_t> features_;  ///< of any term, ascending
  std::vector<Sum> base_value_;
  std::vector<LinearLeaf> leaves_;  ///< by leaf row
  std::vector<LinearTerm> terms_;
};

template <class Input>
std::unique_ptr<LeafPass> make(const format::TreeArrays& arrays) {
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    return std::make_unique<LinearPass<Input, float>>(arrays);
  }
  return std::make_unique<LinearPass<Input, double>>(arrays);
}

}  // namespace

Result<std::unique_ptr<LeafPass>> make_linear_pass(const format::TreeArrays& arrays) noexcept {
  return guard_memory("linear leaves", [&]() -> Result<std::unique_ptr<LeafPass>> {
    const bool narrow = arrays.attributes.input_type == CORDWOOD_DTYPE_FLOAT32;
    return narrow ? make<float>(arrays) : make<double>(arrays);
  });
}

}  // namespace cordwood::runtime
