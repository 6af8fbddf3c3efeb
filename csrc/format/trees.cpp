// The second half of the door for trees: tensors, and what does not concern nodes or columns.
#include "format/trees.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "format/trees_parts.hpp"

namespace cordwood::format {
namespace {

/// What layout.h lists for a tensor: the dtypes that it may have, as bits 1 << dtype.
constexpr uint32_t bit_of(uint32_t dtype) noexcept {
  return 1u << dtype;
}
constexpr uint32_t kBits = bit_of(CORDWOOD_DTYPE_BIT);
constexpr uint32_t kU8 = bit_of(CORDWOOD_DTYPE_UINT8);
constexpr uint32_t kU32 = bit_of(CORDWOOD_DTYPE_UINT32);
constexpr uint32_t kUnsigned = kU8 | bit_of(CORDWOOD_DTYPE_UINT16) | kU32;
constexpr uint32_t kF64 = bit_of(CORDWOOD_DTYPE_FLOAT64);
constexpr uint32_t kInput = 0;       // the ensemble's input type
constexpr uint32_t kAccumulate = 1;  // its accumulate type; neither value is a bit of a dtype

constexpr std::string_view kPrefix = "tree_ensemble ";

struct Rule {
  const char* place;
  uint32_t dtypes;
};

constexpr std::array<Rule, CORDWOOD_TREE_TENSOR_COUNT> kRules{{
    {"tree_ensemble structure", kBits},
    {"tree_ensemble column_feature", kU32},
    {"tree_ensemble column_kind", kU8},
    {"tree_ensemble column_size", kU32},
    {"tree_ensemble cuts", kInput},
    {"tree_ensemble category_count", kU32},
    {"tree_ensemble category_values", kF64},
    {"tree_ensemble set_bits", kBits},
    {"tree_ensemble node_column", kUnsigned},
    {"tree_ensemble node_rank", kBits},
    {"tree_ensemble missing_left", kBits},
    {"tree_ensemble tree_output", kUnsigned},
    {"tree_ensemble base_value", kAccumulate},
    {"tree_ensemble leaf_row", kBits},
    {"tree_ensemble leaf_values", kAccumulate},
    {"tree_ensemble leaf_number", kUnsigned},
    {"tree_ensemble tree_weight", kF64},
    {"tree_ensemble linear_count", kUnsigned},
    {"tree_ensemble linear_feature", kUnsigned},
    {"tree_ensemble linear_coefficient", kF64},
    {"tree_ensemble linear_constant", kF64},
}};

bool may_be_absent(uint32_t which) noexcept {
  return which == CORDWOOD_TREE_LEAF_ROW || which >= CORDWOOD_TREE_LEAF_NUMBER;
}

uint32_t allowed_dtypes(uint32_t which, const cordwood_tree_attributes& attributes) noexcept {
  const uint32_t dtypes = kRules[which].dtypes;
  if (dtypes == kInput) return bit_of(attributes.input_type);
  if (dtypes == kAccumulate) return bit_of(attributes.accumulate_type);
  return dtypes;
}

template <class From, class To>
std::vector<To> widen(std::span<const std::byte> bytes) {
  std::vector<To> wide(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    wide[i] = static_cast<To>(load_unaligned<From>(bytes.data() + i * sizeof(From)));
  }
  return wide;
}

Status check_finite(const std::vector<double>& numbers, cordwood_tree_tensor which) noexcept {
  const auto found =
      std::ranges::find_if(numbers, [](double number) { return !std::isfinite(number); });
  if (found == numbers.end()) return {};
  return fail(CORDWOOD_STATUS_tree_value_not_finite, tree_tensor_place(which),
              "number {} of {} is not finite", found - numbers.begin(), numbers.size());
}

Status expand_outputs(const TreeTensors& tensors, TreeArrays& trees) {
  const cordwood_tree_attributes& attributes = trees.attributes;
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_OUTPUT, attributes.n_trees));
  trees.tree_output = tensors.integers(CORDWOOD_TREE_OUTPUT);
  const bool vectors = attributes.leaf_width > 1;
  const uint32_t end = vectors ? 1 : attributes.n_outputs;
  for (std::size_t tree = 0; tree < trees.tree_output.size(); ++tree) {
    if (trees.tree_output[tree] < end) continue;
    return fail(CORDWOOD_STATUS_tree_output_out_of_range, tree_tensor_place(CORDWOOD_TREE_OUTPUT),
                "tree {} adds to output {}, expected less than {}", tree, trees.tree_output[tree],
                end);
  }
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_BASE_VALUE, attributes.n_outputs));
  trees.base_value = tensors.floats(CORDWOOD_TREE_BASE_VALUE);
  return check_finite(trees.base_value, CORDWOOD_TREE_BASE_VALUE);
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

}  // namespace

const char* tree_tensor_place(cordwood_tree_tensor which) noexcept {
  return kRules[which].place;
}

const char* tree_tensor_name(cordwood_tree_tensor which) noexcept {
  return kRules[which].place + kPrefix.size();
}

Status TreeTensors::fetch(const FileView& file, const cordwood_operator& op,
                          const cordwood_tree_attributes& attributes) {
  for (uint32_t which = 0; which < CORDWOOD_TREE_TENSOR_COUNT; ++which) {
    const char* place = kRules[which].place;
    const uint32_t id = file.tensor(op, which);
    if (id == CORDWOOD_NO_TENSOR) {
      if (may_be_absent(which)) continue;
      return fail(CORDWOOD_STATUS_operator_operands_invalid, place,
                  "the tensor is absent, expected it");
    }
    const cordwood_tensor tensor = file.tensors[id];
    if ((bit_of(tensor.dtype) & allowed_dtypes(which, attributes)) == 0) {
      return fail(CORDWOOD_STATUS_operator_operands_invalid, place,
                  "tensor {} has dtype {}, which docs/format.md does not list here", id,
                  tensor.dtype);
    }
    const uint32_t rank = which == CORDWOOD_TREE_LEAF_VALUES ? 2 : 1;
    if (tensor.rank != rank) {
      return fail(CORDWOOD_STATUS_tensor_shape_invalid, place, "tensor {} has rank {}, expected {}",
                  id, tensor.rank, rank);
    }
    Result<TensorBytes> decoded = decode_tensor(file, tensor, place);
    if (!decoded.ok()) return decoded.status();
    bytes_[which] = std::move(decoded).value();
    counts_[which] = element_count(tensor);
    dtypes_[which] = tensor.dtype;
    present_[which] = true;
  }
  return {};
}

Status TreeTensors::expect_count(cordwood_tree_tensor which, uint64_t expected) const noexcept {
  if (counts_[which] == expected) return {};
  return fail(CORDWOOD_STATUS_tensor_shape_invalid, tree_tensor_place(which),
              "the tensor has {} elements, expected {}", counts_[which], expected);
}

std::vector<uint32_t> TreeTensors::integers(cordwood_tree_tensor which) const {
  switch (dtypes_[which]) {
    case CORDWOOD_DTYPE_UINT8:
      return widen<uint8_t, uint32_t>(bytes(which));
    case CORDWOOD_DTYPE_UINT16:
      return widen<uint16_t, uint32_t>(bytes(which));
    default:
      return widen<uint32_t, uint32_t>(bytes(which));
  }
}

std::vector<double> TreeTensors::floats(cordwood_tree_tensor which) const {
  if (dtypes_[which] == CORDWOOD_DTYPE_FLOAT32) return widen<float, double>(bytes(which));
  return widen<double, double>(bytes(which));
}

Result<TreeArrays> expand_trees(const FileView& file, uint32_t operator_index) noexcept {
  return guard_memory("tree_ensemble", [&]() -> Result<TreeArrays> {
    if (operator_index >= file.operators.size() ||
        file.operators[operator_index].opcode != CORDWOOD_OP_TREE_ENSEMBLE) {
      return fail(CORDWOOD_STATUS_operator_unknown, "tree_ensemble",
                  "operator {} of {} asked for, expected one that is a tree_ensemble",
                  operator_index, file.operators.size());
    }
    const cordwood_operator op = file.operators[operator_index];
    TreeArrays trees;
    trees.attributes = file.attributes_of<cordwood_tree_attributes>(op);
    TreeTensors tensors;
    CORDWOOD_RETURN_IF_FAILED(tensors.fetch(file, op, trees.attributes));
    CORDWOOD_RETURN_IF_FAILED(expand_columns(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_outputs(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_leaves(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_nodes(tensors, trees));
    return trees;
  });
}

}  // namespace cordwood::format
