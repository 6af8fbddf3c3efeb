// Leaves of a tree ensemble: values, numbers, terms of linear leaves, and the trees' weights.
#include <algorithm>
#include <cmath>
#include <limits>

#include "format/trees_parts.hpp"

namespace cordwood::format {
namespace {

/// What `apply` returns for each leaf, where that is listed.
Status expand_numbers(const TreeTensors& tensors, TreeArrays& trees) {
  const cordwood_tree_attributes& attributes = trees.attributes;
  const uint64_t n_leaves = attributes.n_inner + attributes.n_trees;
  const bool listed = attributes.leaf_numbering == CORDWOOD_NUMBER_LISTED;
  if (listed != tensors.present(CORDWOOD_TREE_LEAF_NUMBER)) {
    return fail(CORDWOOD_STATUS_tree_leaf_number_invalid,
                tree_tensor_place(CORDWOOD_TREE_LEAF_NUMBER),
                "leaf numbering is {}, expected the tensor with {} and with no other",
                attributes.leaf_numbering, CORDWOOD_NUMBER_LISTED);
  }
  if (!listed) return {};
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_LEAF_NUMBER, n_leaves));
  trees.leaf_number = tensors.integers(CORDWOOD_TREE_LEAF_NUMBER);
  for (std::size_t leaf = 0; leaf < trees.leaf_number.size(); ++leaf) {
    if (trees.leaf_number[leaf] <= uint32_t{std::numeric_limits<int32_t>::max()}) continue;
    return fail(
        CORDWOOD_STATUS_tree_leaf_number_invalid, tree_tensor_place(CORDWOOD_TREE_LEAF_NUMBER),
        "leaf {} has number {}, expected one that fits int32", leaf, trees.leaf_number[leaf]);
  }
  return {};
}

Status bad_weight(const char* text, uint64_t a, uint64_t b) noexcept {
  return fail(CORDWOOD_STATUS_tree_weight_invalid, tree_tensor_place(CORDWOOD_TREE_WEIGHT), text, a,
              b);
}

Status bad_linear(cordwood_tree_tensor which, const char* text, uint64_t a, uint64_t b) noexcept {
  return fail(CORDWOOD_STATUS_tree_linear_invalid, tree_tensor_place(which), text, a, b);
}

/// Multiplies integer leaves by their trees' weights, in float64, and rounds once.
Status apply_weights(const std::vector<double>& weights, TreeArrays& trees) noexcept {
  const bool narrow = trees.attributes.accumulate_type == CORDWOOD_DTYPE_FLOAT32;
  const uint64_t width = trees.attributes.leaf_width;
  for (std::size_t tree = 0; tree < weights.size(); ++tree) {
    // Leaves are one more than inner nodes in each tree, and each has the row of its number.
    const uint64_t first = (trees.tree_start[tree] + tree) / 2 * width;
    const uint64_t end = (trees.tree_start[tree + 1] + tree + 1) / 2 * width;
    for (uint64_t at = first; at < end; ++at) {
      const double value = trees.leaf_values[at] * weights[tree];
      trees.leaf_values[at] = narrow ? static_cast<double>(static_cast<float>(value)) : value;
    }
  }
  return check_finite(trees.leaf_values, CORDWOOD_TREE_LEAF_VALUES);
}

/// What linear leaves exclude.
Status check_linear_form(const TreeTensors& tensors, const TreeArrays& trees) noexcept {
  for (uint32_t at = CORDWOOD_TREE_LINEAR_COUNT; at <= CORDWOOD_TREE_LINEAR_CONSTANT; ++at) {
    const auto which = static_cast<cordwood_tree_tensor>(at);
    if (tensors.present(which)) continue;
    return bad_linear(which, "the tensor is absent beside others of {} to {}, expected it",
                      CORDWOOD_TREE_LINEAR_COUNT, CORDWOOD_TREE_LINEAR_CONSTANT);
  }
  const cordwood_tree_attributes& attributes = trees.attributes;
  if (attributes.leaf_width != 1 || tensors.present(CORDWOOD_TREE_LEAF_ROW) ||
      attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN) {
    return bad_linear(CORDWOOD_TREE_LINEAR_COUNT,
                      "leaves have {} numbers and the aggregate is {}, expected linear leaves of "
                      "one number, each with a row of its own, and no weighted median",
                      attributes.leaf_width, attributes.aggregate);
  }
  return {};
}

/// Adds the leaves' numbers of terms up to where each leaf's terms start.
Status place_terms(const TreeTensors& tensors, TreeArrays& trees) {
  const uint64_t n_leaf_rows = trees.attributes.n_leaf_rows;
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_LINEAR_COUNT, n_leaf_rows));
  const std::vector<uint32_t> counts = tensors.integers(CORDWOOD_TREE_LINEAR_COUNT);
  trees.linear_start.resize(counts.size() + 1);
  for (std::size_t row = 0; row < counts.size(); ++row) {  // below 2^64: rows and counts fit 2^32
    trees.linear_start[row + 1] = trees.linear_start[row] + counts[row];
  }
  const uint64_t n_terms = trees.linear_start.back();
  for (const auto which : {CORDWOOD_TREE_LINEAR_FEATURE, CORDWOOD_TREE_LINEAR_COEFFICIENT}) {
    if (tensors.count(which) == n_terms) continue;
    return bad_linear(which, "{} terms given, expected {}, those of all leaves together",
                      tensors.count(which), n_terms);
  }
  return {};
}

}  // namespace

Status check_finite(const std::vector<double>& numbers, cordwood_tree_tensor which) noexcept {
  const auto found =
      std::ranges::find_if(numbers, [](double number) { return !std::isfinite(number); });
  if (found == numbers.end()) return {};
  return fail(CORDWOOD_STATUS_tree_value_not_finite, tree_tensor_place(which),
              "number {} of {} is not finite", found - numbers.begin(), numbers.size());
}

Status expand_leaves(const TreeTensors& tensors, TreeArrays& trees) {
  const cordwood_tree_attributes& attributes = trees.attributes;
  const uint64_t n_leaves = attributes.n_inner + attributes.n_trees;
  // Both factors passed validate (2^48 and 2^31), so their product may overflow and is checked.
  uint64_t n_values = 0;
  if (!checked_multiply(attributes.n_leaf_rows, attributes.leaf_width, n_values) ||
      attributes.n_leaf_rows > std::numeric_limits<uint32_t>::max() ||
      attributes.n_leaf_rows > n_leaves || (attributes.n_leaf_rows == 0 && n_leaves != 0)) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, "tree_ensemble",
                "{} leaf rows of {} numbers for {} leaves, expected 1 to as many rows as leaves, "
                "fewer than 2^32",
                attributes.n_leaf_rows, attributes.leaf_width, n_leaves);
  }
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_LEAF_VALUES, n_values));
  trees.leaf_values = tensors.floats(CORDWOOD_TREE_LEAF_VALUES);
  CORDWOOD_RETURN_IF_FAILED(check_finite(trees.leaf_values, CORDWOOD_TREE_LEAF_VALUES));
  return expand_numbers(tensors, trees);
}

Status expand_linear(const TreeTensors& tensors, TreeArrays& trees) {
  bool any = false;
  for (uint32_t at = CORDWOOD_TREE_LINEAR_COUNT; at <= CORDWOOD_TREE_LINEAR_CONSTANT; ++at) {
    any = any || tensors.present(static_cast<cordwood_tree_tensor>(at));
  }
  if (!any) return {};
  CORDWOOD_RETURN_IF_FAILED(check_linear_form(tensors, trees));
  CORDWOOD_RETURN_IF_FAILED(place_terms(tensors, trees));
  trees.linear_feature = tensors.integers(CORDWOOD_TREE_LINEAR_FEATURE);
  const uint32_t n_features = trees.attributes.n_features;
  for (std::size_t term = 0; term < trees.linear_feature.size(); ++term) {
    if (trees.linear_feature[term] < n_features) continue;
    return bad_linear(CORDWOOD_TREE_LINEAR_FEATURE, "a term has feature {}, expected less than {}",
                      trees.linear_feature[term], n_features);
  }
  trees.linear_coefficient = tensors.floats(CORDWOOD_TREE_LINEAR_COEFFICIENT);
  CORDWOOD_RETURN_IF_FAILED(
      check_finite(trees.linear_coefficient, CORDWOOD_TREE_LINEAR_COEFFICIENT));
  CORDWOOD_RETURN_IF_FAILED(
      tensors.expect_count(CORDWOOD_TREE_LINEAR_CONSTANT, trees.attributes.n_leaf_rows));
  trees.linear_constant = tensors.floats(CORDWOOD_TREE_LINEAR_CONSTANT);
  return check_finite(trees.linear_constant, CORDWOOD_TREE_LINEAR_CONSTANT);
}

Status expand_weights(const TreeTensors& tensors, TreeArrays& trees) {
  const bool median = trees.attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN;
  const bool integers = tensors.has_integers(CORDWOOD_TREE_LEAF_VALUES);
  if ((median || integers) != tensors.present(CORDWOOD_TREE_WEIGHT)) {
    return bad_weight(
        "aggregate {}, expected weights with integer leaves and a weighted median ({}"
        "), and with nothing else",
        trees.attributes.aggregate, CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN);
  }
  if (!tensors.present(CORDWOOD_TREE_WEIGHT)) return {};
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_WEIGHT, trees.attributes.n_trees));
  std::vector<double> weights = tensors.floats(CORDWOOD_TREE_WEIGHT);
  for (std::size_t tree = 0; tree < weights.size(); ++tree) {
    if (std::isfinite(weights[tree]) && weights[tree] > 0) continue;
    return bad_weight("tree {} of {} has a weight that is not finite or not above 0", tree,
                      weights.size());
  }
  if (median) {
    trees.tree_weight = std::move(weights);
    return {};
  }
  if (tensors.present(CORDWOOD_TREE_LEAF_ROW)) {
    return bad_weight(
        "{} leaf rows of integers are shared by leaves of {} trees, expected a row "
        "for each leaf",
        trees.attributes.n_leaf_rows, trees.attributes.n_trees);
  }
  return apply_weights(weights, trees);
}

}  // namespace cordwood::format
