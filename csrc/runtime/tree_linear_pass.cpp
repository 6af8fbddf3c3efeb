// Linear leaves: a constant and, in the order listed, a coefficient times the value of a feature.
//
// One tree over a block of rows before the next, so that its leaves stay in the first cache level, and
// as many terms for every row, so that no branch depends on a row: leaves of fewer terms than their
// tree's longest are filled up with terms that change nothing, -0.0 times a column of +0.0. Three loads
// a row and term bind. A NaN among the values shows in the sum; such rows are looked at once more.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/load_rows.hpp"
#include "runtime/tree_engine.hpp"
#include "runtime/tree_leaf_pass.hpp"

namespace cordwood::runtime {
namespace {

constexpr uint64_t kRows = 512;

// Filling up may take so many times the room of the terms themselves; beyond that, a tree's rows are
// answered one by one.
constexpr uint64_t kMostFilling = 4;

struct Term {
  double coefficient;
  uint64_t first_value;  ///< of the feature's column in a block of values
};

struct Leaf {
  double constant;
  double plain;  ///< answers where a value is NaN
  uint64_t first_term;
  uint64_t n_terms;  ///< without those that fill it up
};

struct Tree {
  uint32_t output;
  uint32_t slots;  ///< terms of every leaf of the tree, filled up; kRagged where they are not
};
constexpr uint32_t kRagged = 0xFFFFFFFFu;

template <class Input, class Sum>
class LinearPass final : public LeafPass {
 public:
  LinearPass(const format::TreeArrays& arrays, const KernelRow& kernels)
      : n_outputs_(arrays.attributes.n_outputs),
        zero_band_(arrays.attributes.zero_band),
        loader_(judged_rule(arrays), features_of(arrays), kernels) {
    for (const double base : arrays.base_value) base_value_.push_back(static_cast<Sum>(base));
    const std::vector<uint64_t> slots = lay_trees(arrays);
    for (size_t row = 0; row < slots.size(); ++row) lay_leaf(arrays, row, slots[row]);
  }

  Status answer(const RowsView& rows, const LeafBlock& leaves, const void* start, void* out,
                std::span<std::byte> scratch) const noexcept override {
    auto* const sums = static_cast<Sum*>(out);
    begin_sums<Sum>(static_cast<const Sum*>(start), base_value_, rows.n_rows, sums);
    for (uint64_t first = 0; first < rows.n_rows; first += kRows) {
      const RowsView block = rows.slice(first, std::min(kRows, rows.n_rows - first));
      auto* values = Scratch(scratch).take<Input>((features().size() + 1) * kRows);
      CORDWOOD_RETURN_IF_FAILED(loader_.load(block, values, kRows));
      std::fill_n(values + features().size() * kRows, kRows, Input{0});
      apply_band(block.n_rows, values);
      add_trees({leaves.at + first, leaves.stride}, block.n_rows, values,
                sums + first * n_outputs_);
    }
    // Infinite values may have cancelled: one NaN for all.
    for (Sum* sum = sums; sum != sums + rows.n_rows * n_outputs_; ++sum) {
      if (*sum != *sum) *sum = std::numeric_limits<Sum>::quiet_NaN();
    }
    return {};
  }

  [[nodiscard]] size_t scratch_bytes(uint64_t) const noexcept override {
    return Scratch::bytes_for<Input>((features().size() + 1) * kRows);
  }

  [[nodiscard]] uint64_t resident_bytes() const noexcept override {
    return leaves_.size() * sizeof(Leaf) + terms_.size() * sizeof(Term) +
           trees_.size() * sizeof(Tree);
  }

 private:
  /// The engine has judged the rows before.
  static plan::LoadRule judged_rule(const format::TreeArrays& arrays) noexcept {
    plan::LoadRule rule = plan::LoadRule::of(arrays.attributes);
    rule.refuse_nan = rule.refuse_infinity = false;
    return rule;
  }

  /// Features of any term, ascending.
  static std::vector<uint32_t> features_of(const format::TreeArrays& arrays) {
    std::vector<uint32_t> features = arrays.linear_feature;
    std::ranges::sort(features);
    features.erase(std::unique(features.begin(), features.end()), features.end());
    return features;
  }
  [[nodiscard]] const std::vector<uint32_t>& features() const noexcept {
    return loader_.features();
  }

  /// Decides how far each tree's leaves are filled up; returns terms by leaf row.
  std::vector<uint64_t> lay_trees(const format::TreeArrays& arrays) {
    const std::vector<uint64_t>& start = arrays.linear_start;
    std::vector<uint64_t> slots(start.size() - 1);
    for (size_t row = 0; row < slots.size(); ++row) slots[row] = start[row + 1] - start[row];
    for (size_t tree = 0; tree < arrays.tree_output.size(); ++tree) {
      uint64_t most = 0;
      uint64_t room = 0;
      uint64_t n_leaves = 0;
      const auto each_leaf = [&](auto&& visit) {
        for (uint64_t node = arrays.tree_start[tree]; node < arrays.tree_start[tree + 1]; ++node) {
          if (arrays.right[node] == 0) visit(arrays.rank[node]);
        }
      };
      each_leaf([&](uint32_t row) {
        const uint64_t count = start[row + 1] - start[row];
        most = std::max(most, count);
        room += count + 1;
        ++n_leaves;
      });
      const bool fill = most <= kMostFilling * room / n_leaves;
      trees_.push_back({arrays.tree_output[tree], fill ? static_cast<uint32_t>(most) : kRagged});
      if (fill) each_leaf([&](uint32_t row) { slots[row] = std::max(slots[row], most); });
    }
    return slots;
  }

  void lay_leaf(const format::TreeArrays& arrays, size_t row, uint64_t slots) {
    const uint64_t first = arrays.linear_start[row];
    const uint64_t n_terms = arrays.linear_start[row + 1] - first;
    leaves_.push_back(
        {arrays.linear_constant[row], arrays.leaf_values[row], terms_.size(), n_terms});
    for (uint64_t term = first; term < first + n_terms; ++term) {
      const auto column = std::ranges::lower_bound(features(), arrays.linear_feature[term]);
      terms_.push_back({arrays.linear_coefficient[term],
                        static_cast<uint64_t>(column - features().begin()) * kRows});
    }
    for (uint64_t slot = n_terms; slot < slots; ++slot) {
      terms_.push_back({-0.0, features().size() * kRows});
    }
  }

  void apply_band(uint64_t n_rows, Input* values) const noexcept {
    for (size_t column = 0; column < features().size(); ++column, values += kRows) {
      for (uint64_t row = 0; row < n_rows; ++row) {
        if (std::fabs(values[row]) <= zero_band_) values[row] = 0;
      }
    }
  }

  void add_trees(const LeafBlock& reached, uint64_t n_rows, const Input* values,
                 Sum* sums) const noexcept {
    for (size_t number = 0; number < trees_.size(); ++number) {
      const Tree& tree = trees_[number];
      const int32_t* leaf = reached.at + number * reached.stride;
      Sum* to = sums + tree.output;
      if (tree.slots == kRagged) {
        for (uint64_t row = 0; row < n_rows; ++row, to += n_outputs_) {
          *to += static_cast<Sum>(answer_row(leaf_at(leaf[row]), values + row));
        }
        continue;
      }
      for (uint64_t row = 0; row < n_rows; ++row, to += n_outputs_) {
        const Leaf& at = leaf_at(leaf[row]);
        const Term* term = terms_.data() + at.first_term;
        double sum = at.constant;
        for (uint32_t slot = 0; slot < tree.slots; ++slot) {
          sum += term[slot].coefficient * static_cast<double>(values[term[slot].first_value + row]);
        }
        if (sum != sum) [[unlikely]]
          sum = answer_row(at, values + row);
        *to += static_cast<Sum>(sum);
      }
    }
  }

  [[nodiscard]] const Leaf& leaf_at(int32_t row) const noexcept {
    return leaves_[static_cast<uint32_t>(row)];
  }

  /// One row, whose value of a column lies at `row[term.first_value]`.
  double answer_row(const Leaf& leaf, const Input* row) const noexcept {
    double sum = leaf.constant;
    bool missing = false;
    for (uint64_t t = leaf.first_term; t < leaf.first_term + leaf.n_terms; ++t) {
      const auto value = static_cast<double>(row[terms_[t].first_value]);
      missing |= value != value;
      sum += terms_[t].coefficient * value;
    }
    return missing ? leaf.plain : sum;
  }

  uint32_t n_outputs_;
  double zero_band_;
  RowLoader loader_;
  std::vector<Sum> base_value_;
  std::vector<Tree> trees_;
  std::vector<Leaf> leaves_;  ///< by leaf row
  std::vector<Term> terms_;
};

template <class Input>
std::unique_ptr<LeafPass> make(const format::TreeArrays& arrays, const KernelRow& kernels) {
  if (arrays.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32) {
    return std::make_unique<LinearPass<Input, float>>(arrays, kernels);
  }
  return std::make_unique<LinearPass<Input, double>>(arrays, kernels);
}

}  // namespace

Result<std::unique_ptr<LeafPass>> make_linear_pass(const format::TreeArrays& arrays,
                                                   const KernelRow& kernels) noexcept {
  return guard_memory("linear leaves", [&]() -> Result<std::unique_ptr<LeafPass>> {
    const bool narrow = arrays.attributes.input_type == CORDWOOD_DTYPE_FLOAT32;
    return narrow ? make<float>(arrays, kernels) : make<double>(arrays, kernels);
  });
}

}  // namespace cordwood::runtime
