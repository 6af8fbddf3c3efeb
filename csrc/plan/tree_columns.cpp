#include "plan/tree_columns.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#define CORDWOOD_BIN_FLOAT double
#define CORDWOOD_BIN_NAME(name) name##_f64
#include "kernels/tree_bin/step.h"
#undef CORDWOOD_BIN_FLOAT
#undef CORDWOOD_BIN_NAME
#include "plan/load_rule.hpp"

namespace cordwood::plan {
namespace {

constexpr uint32_t kUnused = 0xFFFFFFFFu;
constexpr uint32_t kMissing16 = 0xFFFFu;

uint32_t segment_size(BinWidth width, bool category) {
  if (width == BinWidth::k8) return category ? 0xFFFFFFFFu : 255u;
  return category ? 65536u : 65534u;
}

bool is_category(const format::TreeColumn& column) {
  return column.kind == CORDWOOD_COLUMN_CATEGORY;
}

// Eight-bit numeric columns come in two: NaN to the right, NaN to the left.
uint32_t sides(BinWidth width, bool category) {
  return width == BinWidth::k8 && !category ? 2 : 1;
}

uint64_t slots_of(BinWidth width, const format::TreeColumn& column) {
  const bool category = is_category(column);
  const uint32_t size = segment_size(width, category);
  return (uint64_t{column.size} + size - 1) / size * sides(width, category);
}

// Sorted values to level order (see BinColumn); slots beyond the values hold +infinity.
template <class Float>
void lay_levels(const double* sorted, uint32_t count, uint32_t depth, Float* slots) {
  for (uint32_t level = 0; level < depth; ++level) {
    for (uint32_t i = 0; i < (1u << level); ++i) {
      const uint32_t at = ((2 * i + 1) << (depth - 1 - level)) - 1;
      slots[(1u << level) + i] =
          at < count ? static_cast<Float>(sorted[at]) : std::numeric_limits<Float>::infinity();
    }
  }
}

}  // namespace

bool TreeColumns::categories_fit(const format::TreeArrays& arrays, BinWidth width) noexcept {
  // Bins: the listed values, "any other", NaN.
  const uint32_t most = (width == BinWidth::k8 ? 256u : 65536u) - 2;
  for (const format::TreeColumn& column : arrays.columns) {
    if (is_category(column) && column.category_count > most) return false;
  }
  return true;
}

void TreeColumns::number_keys(const format::TreeArrays& arrays) {
  uint64_t slots = 0;
  for (const format::TreeColumn& column : arrays.columns) {
    const bool category = is_category(column);
    sources_.push_back({slots, segment_size(width_, category), sides(width_, category), category});
    slots += slots_of(width_, column);
  }
  slot_column_.assign(slots, kUnused);
}

void TreeColumns::mark_used(const format::TreeArrays& arrays) {
  bool one_each = true;  // a node's slot is its column then
  for (const format::TreeColumn& column : arrays.columns) {
    one_each = one_each && slots_of(width_, column) == 1;
  }
  if (one_each) {
    std::vector<uint8_t> used(slot_column_.size() + 1, 0);  // a leaf marks nothing at column 0
    for (uint64_t node = 0; node < arrays.right.size(); ++node) {
      used[arrays.column[node]] |= static_cast<uint8_t>(arrays.right[node] != 0);
    }
    for (size_t slot = 0; slot < slot_column_.size(); ++slot) {
      if (used[slot] != 0) slot_column_[slot] = 0;
    }
    return;
  }
  for (uint64_t node = 0; node < arrays.right.size(); ++node) {
    if (arrays.right[node] != 0) slot_column_[key(arrays, node).slot] = 0;
  }
}

void TreeColumns::list_features(const format::TreeArrays& arrays) {
  const bool all = LoadRule::of(arrays.attributes).refuses();
  std::vector<bool> used(arrays.attributes.n_features, all);
  for (const format::TreeColumn& column : arrays.columns) used[column.feature] = true;
  for (uint32_t feature = 0; feature < used.size(); ++feature) {
    if (used[feature]) features_.push_back(feature);
  }
}

// Everything about the engine columns but their tables.
void TreeColumns::describe(const format::TreeArrays& arrays) {
  const bool exact = arrays.attributes.category_rule == CORDWOOD_CATEGORY_EXACT;
  for (uint32_t c = 0; c < arrays.columns.size(); ++c) {
    const format::TreeColumn& source = arrays.columns[c];
    const bool category = is_category(source);
    const uint32_t n_sides = sides(width_, category);
    for (uint64_t slot = 0; slot < slots_of(width_, source); ++slot) {
      uint32_t& number = slot_column_[sources_[c].first_slot + slot];
      if (number == kUnused) continue;
      number = static_cast<uint32_t>(columns_.size());
      const uint32_t size = segment_size(width_, category);
      const uint32_t first = static_cast<uint32_t>(slot / n_sides) * size;
      kernels::BinColumn column{};
      column.category = category ? 1 : 0;
      column.feature = static_cast<uint32_t>(
          std::lower_bound(features_.begin(), features_.end(), source.feature) - features_.begin());
      column.count = category ? source.category_count : std::min(size, source.size - first);
      column.depth = static_cast<uint32_t>(std::bit_width(column.count));
      column.rule = arrays.attributes.category_rule;
      column.zero_band =
          source.kind == CORDWOOD_COLUMN_NUMERIC_ZERO_MISSING ? arrays.attributes.zero_band : -1.0;
      if (width_ == BinWidth::k16) {
        column.missing_bin = kMissing16;
      } else {
        const bool missing_left = slot % n_sides == 1;
        column.missing_bin = category ? column.count + 1 : (missing_left ? 0 : column.count);
      }
      column.other_bin = exact ? column.missing_bin : column.count;
      columns_.push_back(column);
      file_column_.push_back(c);
      first_rank_.push_back(first);
    }
  }
}

template <class Float>
void TreeColumns::lay_tables(const format::TreeArrays& arrays, AlignedVector<Float>& storage) {
  const auto slots = [](const kernels::BinColumn& column) {
    return std::max(1u << column.depth, kernels::kBinMinSlots);
  };
  size_t total = 0;
  for (const kernels::BinColumn& column : columns_) {
    total += slots(column) + (column.count + 15) / 16 * 16;  // each table starts a cache line
  }
  storage.assign(total, std::numeric_limits<Float>::infinity());
  Float* at = storage.data();
  for (uint32_t c = 0; c < columns_.size(); ++c) {
    kernels::BinColumn& column = columns_[c];
    const format::TreeColumn& source = arrays.columns[file_column_[c]];
    const double* sorted = column.category != 0
                               ? arrays.category_values.data() + source.first_category
                               : arrays.cuts.data() + source.first_cut + first_rank_[c];
    lay_levels(sorted, column.count, column.depth, at);
    column.levels = at;
    at += slots(column);
    std::transform(sorted, sorted + column.count, at,
                   [](double value) { return static_cast<Float>(value); });
    column.sorted = at;
    at += (column.count + 15) / 16 * 16;
  }
}

// The bits of a float32, or the upper half of a float64. Adding zero turns -0.0 into 0.0.
uint32_t upper_bits(float value) {
  return std::bit_cast<uint32_t>(value + 0.0f);
}
uint32_t upper_bits(double value) {
  return static_cast<uint32_t>(std::bit_cast<uint64_t>(value + 0.0) >> 32);
}

template <class Float>
void TreeColumns::lay_keys() {
  const auto has_keys = [](const kernels::BinColumn& column) {
    return column.category == 0 && column.depth <= kernels::kBinKeyDepth;
  };
  const auto slots = [](const kernels::BinColumn& column) {
    return std::max(1u << column.depth, kernels::kBinMinSlots);
  };
  size_t total = 0;
  for (const kernels::BinColumn& column : columns_) total += has_keys(column) ? slots(column) : 0;
  key_storage_.assign(total, 0);
  int32_t* at = key_storage_.data();
  for (kernels::BinColumn& column : columns_) {
    if (!has_keys(column)) continue;
    const auto* levels = static_cast<const Float*>(column.levels);
    for (uint32_t slot = 0; slot < slots(column); ++slot) {
      at[slot] = cordwood_bin_key(upper_bits(levels[slot]));
    }
    column.keys = at;
    at += slots(column);
  }
}

Result<TreeColumns> TreeColumns::plan(const format::TreeArrays& arrays, BinWidth width) noexcept {
  return guard_memory("columns of the trees", [&]() -> Result<TreeColumns> {
    TreeColumns plan;
    plan.width_ = width;
    plan.number_keys(arrays);
    plan.list_features(arrays);
    plan.mark_used(arrays);
    plan.describe(arrays);
    if (arrays.attributes.input_type == CORDWOOD_DTYPE_FLOAT32) {
      plan.lay_tables(arrays, plan.float_storage_);
      plan.lay_keys<float>();
    } else {
      plan.lay_tables(arrays, plan.double_storage_);
      plan.lay_keys<double>();
    }
    return plan;
  });
}

uint64_t TreeColumns::resident_bytes() const noexcept {
  return sources_.size() * sizeof(Source) + slot_column_.size() * sizeof(uint32_t) +
         columns_.size() * sizeof(kernels::BinColumn) + float_storage_.size() * sizeof(float) +
         double_storage_.size() * sizeof(double) + key_storage_.size() * sizeof(int32_t);
}

}  // namespace cordwood::plan
