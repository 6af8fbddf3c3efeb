// Columns of a tree ensemble: what is tested, and against which cuts or sets.
#include <cmath>
#include <limits>

#include "format/trees_parts.hpp"

namespace cordwood::format {
namespace {

constexpr double kCategoryEnd = 2147483648.0;  // 2^31, one past the highest category code

Status bad_column(const char* text, uint64_t column, uint64_t a, uint64_t b) noexcept {
  return fail(CORDWOOD_STATUS_tree_column_invalid, "tree_ensemble columns", text, column, a, b);
}

/// Feature, kind, size and category count of one column; `previous` is null for the first.
Status check_column(const TreeColumn& column, uint64_t index, const TreeColumn* previous,
                    const cordwood_tree_attributes& attributes) noexcept {
  if (column.feature >= attributes.n_features) {
    return bad_column("column {} tests feature {}, expected less than {}", index, column.feature,
                      attributes.n_features);
  }
  if (column.kind > CORDWOOD_COLUMN_CATEGORY) {
    return bad_column("column {} has kind {}, expected at most {}", index, column.kind,
                      CORDWOOD_COLUMN_CATEGORY);
  }
  if (previous != nullptr &&
      (previous->feature > column.feature ||
       (previous->feature == column.feature && previous->kind >= column.kind))) {
    return bad_column("column {} (feature {}, kind {}) does not come after the one before it",
                      index, column.feature, column.kind);
  }
  const bool category = column.kind == CORDWOOD_COLUMN_CATEGORY;
  if (category && column.nests) {
    return bad_column("column {} (feature {}) holds categories and nests, expected only cuts to",
                      index, column.feature, 0);
  }
  if (column.size == 0 || (!category && column.category_count != 0)) {
    return bad_column(
        "column {} has {} cuts or sets and {} category values, expected at least "
        "one, and no category values in a numeric column",
        index, column.size, column.category_count);
  }
  if (category && attributes.category_rule == CORDWOOD_CATEGORY_NONE) {
    return bad_column("column {} holds categories, expected none under category rule {}", index,
                      attributes.category_rule, 0);
  }
  return {};
}

bool float32_holds(double number) noexcept {
  return std::isinf(number) || (std::fabs(number) <= std::numeric_limits<float>::max() &&
                                static_cast<double>(static_cast<float>(number)) == number);
}

/// Finds the first entry of `count` that is NaN, -0.0 or not above the one before; `count` if none.
uint64_t first_disorder(const double* numbers, uint64_t count) noexcept {
  for (uint64_t i = 0; i < count; ++i) {
    const bool canonical =
        numbers[i] == numbers[i] && !(numbers[i] == 0 && std::signbit(numbers[i]));
    if (!canonical || (i > 0 && !(numbers[i - 1] < numbers[i]))) return i;
  }
  return count;
}

Status check_cuts(const TreeArrays& trees, uint64_t index) noexcept {
  const TreeColumn& column = trees.columns[index];
  const uint64_t at = first_disorder(trees.cuts.data() + column.first_cut, column.size);
  if (at == column.size) return {};
  return fail(CORDWOOD_STATUS_tree_cuts_not_ascending, tree_tensor_place(CORDWOOD_TREE_CUTS),
              "cut {} of {} in column {} is NaN, -0.0 or not above the one before", at, column.size,
              index);
}

/// Listed values are in order, and codes under a rule that makes codes.
Status check_categories(const TreeArrays& trees, uint64_t index) noexcept {
  const TreeColumn& column = trees.columns[index];
  const double* values = trees.category_values.data() + column.first_category;
  const bool codes = trees.attributes.category_rule != CORDWOOD_CATEGORY_EXACT;
  const bool narrow = trees.attributes.input_type == CORDWOOD_DTYPE_FLOAT32;
  uint64_t at = first_disorder(values, column.category_count);
  for (uint64_t i = 0; i < at; ++i) {
    const double value = values[i];
    const bool good = codes ? value >= 0 && value < kCategoryEnd && value == std::floor(value)
                            : !narrow || float32_holds(value);
    if (!good) at = i;
  }
  if (at == column.category_count) return {};
  return fail(CORDWOOD_STATUS_tree_set_invalid, tree_tensor_place(CORDWOOD_TREE_CATEGORY_VALUES),
              "value {} of {} in column {} is NaN, -0.0, not above the one before, or no number "
              "that its category rule can give",
              at, column.category_count, index);
}

/// Under the exact rule an unlisted value is missing, so the last bit of each set has no meaning.
Status check_sets(const TreeArrays& trees, uint64_t index) noexcept {
  if (trees.attributes.category_rule != CORDWOOD_CATEGORY_EXACT) return {};
  const TreeColumn& column = trees.columns[index];
  const auto bits = std::as_bytes(std::span(trees.set_bits));
  const uint64_t width = uint64_t{column.category_count} + 1;
  for (uint64_t set = 0; set < column.size; ++set) {
    if (!bit_at(bits, column.first_set_bit + set * width + column.category_count)) continue;
    return fail(CORDWOOD_STATUS_tree_set_invalid, tree_tensor_place(CORDWOOD_TREE_SET_BITS),
                "set {} of column {} has the bit for unlisted values, expected 0 under the exact "
                "rule",
                set, index);
  }
  return {};
}

/// Totals over all columns, which the tensors of cuts, values and sets must match.
struct Totals {
  uint64_t cuts = 0;
  uint64_t category_values = 0;
  uint64_t set_bits = 0;
};

/// Places one column behind those before it; false where the sum of set bits overflows.
bool place_column(TreeColumn& column, Totals& totals) noexcept {
  column.first_cut = totals.cuts;
  column.first_category = totals.category_values;
  column.first_set_bit = totals.set_bits;
  // Sums of 32-bit numbers over at most 2^48 columns could wrap only past 2^64; the product of
  // sets and bits a set is the one that needs care.
  if (column.kind != CORDWOOD_COLUMN_CATEGORY) {
    return checked_add(totals.cuts, column.size, totals.cuts);
  }
  totals.category_values += column.category_count;
  const uint64_t bits = uint64_t{column.size} * (uint64_t{column.category_count} + 1);
  return checked_add(totals.set_bits, bits, totals.set_bits);
}

Status read_columns(const TreeTensors& tensors, TreeArrays& trees, Totals& totals) {
  const uint32_t n_columns = trees.attributes.n_columns;
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_COLUMN_FEATURE, n_columns));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_COLUMN_KIND, n_columns));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_COLUMN_SIZE, n_columns));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_CATEGORY_COUNT, n_columns));
  const RecordsView<uint32_t> feature(tensors.bytes(CORDWOOD_TREE_COLUMN_FEATURE));
  const RecordsView<uint8_t> kind(tensors.bytes(CORDWOOD_TREE_COLUMN_KIND));
  const RecordsView<uint32_t> size(tensors.bytes(CORDWOOD_TREE_COLUMN_SIZE));
  const RecordsView<uint32_t> category_count(tensors.bytes(CORDWOOD_TREE_CATEGORY_COUNT));
  trees.columns.resize(n_columns);
  for (std::size_t i = 0; i < n_columns; ++i) {
    TreeColumn& column = trees.columns[i];
    column.feature = feature[i];
    column.kind = kind[i] & static_cast<uint8_t>(~CORDWOOD_COLUMN_NESTS);
    column.nests = (kind[i] & CORDWOOD_COLUMN_NESTS) != 0;
    column.size = size[i];
    column.category_count = category_count[i];
    const TreeColumn* previous = i == 0 ? nullptr : &trees.columns[i - 1];
    CORDWOOD_RETURN_IF_FAILED(check_column(column, i, previous, trees.attributes));
    if (!place_column(column, totals)) {
      return bad_column("column {} brings the bits of all sets past 2^64", i, 0, 0);
    }
  }
  return {};
}

}  // namespace

Status expand_columns(const TreeTensors& tensors, TreeArrays& trees) {
  Totals totals;
  CORDWOOD_RETURN_IF_FAILED(read_columns(tensors, trees, totals));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_CUTS, totals.cuts));
  CORDWOOD_RETURN_IF_FAILED(
      tensors.expect_count(CORDWOOD_TREE_CATEGORY_VALUES, totals.category_values));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_SET_BITS, totals.set_bits));
  trees.cuts = tensors.floats(CORDWOOD_TREE_CUTS);
  trees.category_values = tensors.floats(CORDWOOD_TREE_CATEGORY_VALUES);
  const auto set_bits = tensors.bytes(CORDWOOD_TREE_SET_BITS);
  trees.set_bits.resize(set_bits.size());
  for (std::size_t i = 0; i < set_bits.size(); ++i) {
    trees.set_bits[i] = std::to_integer<uint8_t>(set_bits[i]);
  }
  for (std::size_t i = 0; i < trees.columns.size(); ++i) {
    if (trees.columns[i].kind == CORDWOOD_COLUMN_CATEGORY) {
      CORDWOOD_RETURN_IF_FAILED(check_categories(trees, i));
      CORDWOOD_RETURN_IF_FAILED(check_sets(trees, i));
    } else {
      CORDWOOD_RETURN_IF_FAILED(check_cuts(trees, i));
    }
  }
  return {};
}

}  // namespace cordwood::format
