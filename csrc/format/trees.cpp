// The second half of the door for trees: tensors, outputs, and the order in which all is judged.
#include "format/trees.hpp"

#include <algorithm>
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
constexpr uint32_t kInput = 1u << 30;       // the ensemble's input type; no bit of a dtype
constexpr uint32_t kAccumulate = 1u << 31;  // its accumulate type
constexpr uint32_t kSmallIntegers = bit_of(CORDWOOD_DTYPE_INT8) | bit_of(CORDWOOD_DTYPE_INT16);

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
    {"tree_ensemble leaf_values", kAccumulate | kSmallIntegers},
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

/// Leaves that a median sorts, and those that stand in for linear ones, are floats.
bool may_have_integers(const FileView& file, const cordwood_operator& op,
                       const cordwood_tree_attributes& attributes) noexcept {
  return attributes.aggregate != CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN &&
         file.tensor(op, CORDWOOD_TREE_LINEAR_COUNT) == CORDWOOD_NO_TENSOR;
}

uint32_t allowed_dtypes(uint32_t which, const cordwood_tree_attributes& attributes,
                        bool integers) noexcept {
  uint32_t dtypes = kRules[which].dtypes;
  if ((dtypes & kInput) != 0) dtypes |= bit_of(attributes.input_type);
  if ((dtypes & kAccumulate) != 0) dtypes |= bit_of(attributes.accumulate_type);
  return integers ? dtypes : dtypes & ~kSmallIntegers;
}

template <class From, class To>
std::vector<To> widen(std::span<const std::byte> bytes) {
  std::vector<To> wide(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    wide[i] = static_cast<To>(load_unaligned<From>(bytes.data() + i * sizeof(From)));
  }
  return wide;
}

/// A sum that starts elsewhere, and a median, have no base value.
Status check_base(const TreeArrays& trees, bool starts_elsewhere) noexcept {
  const bool median = trees.attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN;
  if (!starts_elsewhere && !median) return {};
  const auto found = std::ranges::find_if(trees.base_value, [](double base) { return base != 0; });
  if (found == trees.base_value.end()) return {};
  return fail(CORDWOOD_STATUS_tree_base_value_not_zero, tree_tensor_place(CORDWOOD_TREE_BASE_VALUE),
              "number {} of {} is not 0, expected 0 for a median and where the sum has a start",
              found - trees.base_value.begin(), trees.base_value.size());
}

Status expand_outputs(const TreeTensors& tensors, TreeArrays& trees, bool starts_elsewhere) {
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
  CORDWOOD_RETURN_IF_FAILED(check_finite(trees.base_value, CORDWOOD_TREE_BASE_VALUE));
  return check_base(trees, starts_elsewhere);
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
  const bool integers = may_have_integers(file, op, attributes);
  for (uint32_t which = 0; which < CORDWOOD_TREE_TENSOR_COUNT; ++which) {
    const char* place = kRules[which].place;
    const uint32_t id = file.tensor(op, which);
    if (id == CORDWOOD_NO_TENSOR) {
      if (may_be_absent(which)) continue;
      return fail(CORDWOOD_STATUS_operator_operands_invalid, place,
                  "the tensor is absent, expected it");
    }
    const cordwood_tensor tensor = file.tensors[id];
    if ((bit_of(tensor.dtype) & allowed_dtypes(which, attributes, integers)) == 0) {
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
  switch (dtypes_[which]) {
    case CORDWOOD_DTYPE_INT8:
      return widen<int8_t, double>(bytes(which));
    case CORDWOOD_DTYPE_INT16:
      return widen<int16_t, double>(bytes(which));
    case CORDWOOD_DTYPE_FLOAT32:
      return widen<float, double>(bytes(which));
    default:
      return widen<double, double>(bytes(which));
  }
}

bool TreeTensors::has_integers(cordwood_tree_tensor which) const noexcept {
  return present_[which] && (bit_of(dtypes_[which]) & kSmallIntegers) != 0;
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
    CORDWOOD_RETURN_IF_FAILED(expand_outputs(tensors, trees, op.input_count == 2));
    CORDWOOD_RETURN_IF_FAILED(expand_leaves(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_linear(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_nodes(tensors, trees));
    CORDWOOD_RETURN_IF_FAILED(expand_weights(tensors, trees));
    return trees;
  });
}

}  // namespace cordwood::format
