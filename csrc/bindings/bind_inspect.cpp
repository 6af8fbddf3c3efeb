// What a file holds, as dicts and lists: `cordwood inspect` prints it.
#include <pybind11/pybind11.h>

#include <array>
#include <string>
#include <vector>

#include "bindings/file_buffer.hpp"
#include "format/sparse.hpp"
#include "format/trees_parts.hpp"
#include "format/view.hpp"

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

constexpr std::array<const char*, 11> kRoleNames{"none",        "rows",  "margin", "response",
                                                 "probability", "label", "score",  "decision",
                                                 "embedding",   "input", "output"};

constexpr std::array<const char*, 13> kLinkNames{
    "identity", "sigmoid",      "exp",           "softmax", "softplus", "signed_square", "unknown",
    "unknown",  "sigmoid_pair", "negative_exp2", "shift",   "step",     "logit"};

constexpr std::array<const char*, 3> kUnseenNames{"missing", "refused", "other"};

constexpr std::array<const char*, 4> kRuleNames{"argmax", "greater", "greater_equal",
                                                "each_greater"};

py::list list_sections(const format::FileView& file) {
  py::list sections;
  for (std::size_t i = 0; i < file.sections.size(); ++i) {
    const cordwood_section record = file.sections[i];
    const std::string_view place(format::section_name(record.kind));
    py::dict section;
    section["kind"] = record.kind;
    section["name"] = std::string(place.substr(std::string_view("section ").size()));
    section["required"] = (record.flags & CORDWOOD_SECTION_REQUIRED) != 0;
    section["offset"] = record.offset;
    section["bytes"] = record.length;
    section["checksum"] = record.checksum;
    sections.append(section);
  }
  return sections;
}

py::list list_values(const format::FileView& file) {
  py::list values;
  for (std::size_t i = 0; i < file.values.size(); ++i) {
    const cordwood_value record = file.values[i];
    py::list shape;
    for (uint32_t axis = 0; axis < record.rank; ++axis) {
      const uint8_t symbol = record.symbol_of[axis];
      if (symbol == 0) {
        shape.append(record.dimension[axis]);
      } else {
        shape.append(symbol == 1 ? "batch" : "sequence");
      }
    }
    py::dict value;
    value["dtype"] = format::dtype_name(record.dtype);
    value["role"] = kRoleNames[record.role];
    value["shape"] = py::tuple(shape);
    values.append(value);
  }
  return values;
}

/// What each tensor is to its operator; "" for a tensor of an opcode without names.
std::vector<std::string> name_tensors(const format::FileView& file) {
  std::vector<std::string> names(file.tensors.size());
  for (std::size_t i = 0; i < file.operators.size(); ++i) {
    const cordwood_operator op = file.operators[i];
    for (uint32_t k = 0; k < op.tensor_count; ++k) {
      const uint32_t id = file.tensor(op, k);
      if (id == CORDWOOD_NO_TENSOR) continue;
      if (op.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
        names[id] = format::tree_tensor_name(static_cast<cordwood_tree_tensor>(k));
      } else if (op.opcode == CORDWOOD_OP_DECIDE) {
        names[id] = "groups";
      }
    }
  }
  return names;
}

py::list list_tensors(const format::FileView& file) {
  const std::vector<std::string> names = name_tensors(file);
  py::list tensors;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const cordwood_tensor record = file.tensors[i];
    py::list shape;
    for (uint32_t axis = 0; axis < record.rank; ++axis) shape.append(record.dimension[axis]);
    py::dict tensor;
    tensor["name"] = names[i];
    tensor["dtype"] = format::dtype_name(record.dtype);
    tensor["shape"] = py::tuple(shape);
    constexpr std::array<const char*, 3> encodings{"raw", "planes", "differences"};
    tensor["encoding"] = encodings[record.encoding];
    tensor["offset"] = record.offset;
    tensor["encoded_bytes"] = record.length;
    tensor["decoded_bytes"] = format::decoded_bytes(record);
    constexpr std::array<const char*, 4> sparsities{"dense", "n_of_m", "blocks", "bitmap"};
    tensor["sparsity"] = sparsities[record.sparsity];
    if (record.sparsity != CORDWOOD_SPARSITY_DENSE) {
      const auto kept = format::kept_elements(file, record, "tensor");
      throw_unless_ok(kept.status());
      tensor["kept"] = *kept;
    }
    py::list parts;
    for (const uint32_t part : {record.scale_tensor, record.zero_tensor, record.sparsity_tensor}) {
      if (part != CORDWOOD_NO_TENSOR) parts.append(part);
    }
    tensor["parts"] = parts;
    tensors.append(tensor);
  }
  return tensors;
}

/// Columns of each group that argmax chooses in; empty for one group of all.
py::tuple group_sizes(const format::FileView& file, const cordwood_operator& op) {
  const auto groups = format::decide_groups(file, op);
  throw_unless_ok(groups.status());
  py::tuple sizes(groups->size());
  for (std::size_t i = 0; i < groups->size(); ++i) sizes[i] = (*groups)[i];
  return sizes;
}

py::tuple input_ids(const format::FileView& file, const cordwood_operator& op) {
  py::tuple ids(op.input_count);
  for (uint32_t i = 0; i < op.input_count; ++i) ids[i] = file.input(op, i);
  return ids;
}

constexpr std::array<const char*, CORDWOOD_ROWS_COUNT> kRowNames{
    "float32", "int8-dynamic", "int8-static", "uint8-dynamic", "uint8-static", "bfloat16"};
constexpr std::array<const char*, CORDWOOD_ACTIVATION_COUNT> kActivationNames{
    "relu", "leaky_relu", "prelu", "elu",      "selu", "celu",         "gelu",       "gelu_tanh",
    "silu", "sigmoid",    "tanh",  "softplus", "mish", "hard_sigmoid", "hard_swish", "clip"};

/// How a product of a net codes its rows, and what follows it.
py::dict product_attributes(const cordwood_linear_attributes& product) {
  py::dict fields;
  fields["rows"] = kRowNames[product.rows];
  fields["row_group"] = product.row_group;
  fields["row_scale"] = product.row_scale;
  fields["row_zero"] = product.row_zero;
  fields["activation"] = product.activation < kActivationNames.size()
                             ? py::object(py::str(kActivationNames[product.activation]))
                             : py::object(py::none());
  return fields;
}

py::dict operator_attributes(const format::FileView& file, const cordwood_operator& op) {
  py::dict fields;
  if (op.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    return tree_attributes(file.attributes_of<cordwood_tree_attributes>(op));
  }
  if (op.opcode == CORDWOOD_OP_LINK) {
    const auto link = file.attributes_of<cordwood_link_attributes>(op);
    fields["kind"] = kLinkNames[link.kind];
    fields["complement"] = link.complement == 1;
    fields["scale"] = link.scale;
    fields["offset"] = link.offset;
  } else if (op.opcode == CORDWOOD_OP_LINEAR) {
    return product_attributes(file.attributes_of<cordwood_linear_attributes>(op));
  } else if (op.opcode == CORDWOOD_OP_CONV) {
    return product_attributes(file.attributes_of<cordwood_conv_attributes>(op).product);
  } else if (op.opcode == CORDWOOD_OP_DECIDE) {
    const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
    fields["rule"] = kRuleNames[decide.rule];
    fields["cut"] = decide.cut;
    fields["groups"] = group_sizes(file, op);
  }
  return fields;
}

py::list list_operators(const format::FileView& file) {
  py::list operators;
  for (std::size_t i = 0; i < file.operators.size(); ++i) {
    const cordwood_operator op = file.operators[i];
    py::list tensors;
    for (uint32_t k = 0; k < op.tensor_count; ++k) {
      const uint32_t id = file.tensor(op, k);
      tensors.append(id == CORDWOOD_NO_TENSOR ? py::object(py::none()) : py::object(py::int_(id)));
    }
    py::dict record;
    record["name"] = format::opcode_name(op.opcode);
    record["inputs"] = input_ids(file, op);
    py::tuple outputs(op.output_count);
    for (uint32_t k = 0; k < op.output_count; ++k) outputs[k] = file.output(op, k);
    record["outputs"] = outputs;
    record["tensors"] = tensors;
    record["attributes"] = operator_attributes(file, op);
    operators.append(record);
  }
  return operators;
}

py::object list_strings(const format::StringsView& strings) {
  py::list list;
  for (std::size_t i = 0; i < strings.size(); ++i) list.append(py::str(std::string(strings[i])));
  return list;
}

/// Labels as a list of Python values.
py::object list_labels(const format::LabelsView& labels) {
  if (labels.type == CORDWOOD_LABELS_UTF8) return list_strings(labels.strings);
  py::list list;
  for (std::size_t i = 0; i < labels.count; ++i) {
    if (labels.type == CORDWOOD_LABELS_BOOL) {
      list.append(py::bool_(labels.numbers[i] != std::byte{0}));
    } else if (labels.type == CORDWOOD_LABELS_INT64) {
      list.append(load_unaligned<int64_t>(labels.numbers.data() + 8 * i));
    } else {
      list.append(load_unaligned<double>(labels.numbers.data() + 8 * i));
    }
  }
  return list;
}

/// Labels of the classes, or None where the file has none: a list; of a label of several columns a
/// tuple of lists.
py::object list_classes(const format::FileView& file) {
  if (file.classes.empty()) return py::none();
  if (file.is_net()) return list_labels(file.classes.front());
  for (std::size_t id = 0; id < file.values.size(); ++id) {
    const cordwood_value value = file.values[id];
    if (value.role == CORDWOOD_ROLE_LABEL && value.rank == 1) {
      return list_labels(file.classes.front());
    }
  }
  py::tuple tables(file.classes.size());
  for (std::size_t i = 0; i < file.classes.size(); ++i) tables[i] = list_labels(file.classes[i]);
  return tables;
}

/// Labels that stand for codes, by feature.
py::dict list_categories(const format::FileView& file) {
  py::dict by_feature;
  for (const format::CategoryLabelsView& entry : file.categories) {
    by_feature[py::int_(entry.feature)] = list_labels(entry.labels);
  }
  return by_feature;
}

}  // namespace

py::dict tree_attributes(const cordwood_tree_attributes& trees) {
  py::dict fields;
  fields["n_features"] = trees.n_features;
  fields["n_outputs"] = trees.n_outputs;
  fields["n_trees"] = trees.n_trees;
  fields["n_columns"] = trees.n_columns;
  fields["n_inner"] = trees.n_inner;
  fields["n_leaf_rows"] = trees.n_leaf_rows;
  fields["leaf_width"] = trees.leaf_width;
  fields["input_type"] = format::dtype_name(trees.input_type);
  fields["accumulate_type"] = format::dtype_name(trees.accumulate_type);
  fields["integer_cast"] = trees.integer_cast;
  fields["category_rule"] = trees.category_rule;
  fields["aggregate"] = trees.aggregate;
  fields["leaf_numbering"] = trees.leaf_numbering;
  fields["tree_encoding"] = trees.tree_encoding;
  fields["accepts_nan"] = (trees.flags & CORDWOOD_TREES_ACCEPT_NAN) != 0;
  fields["accepts_infinity"] = (trees.flags & CORDWOOD_TREES_ACCEPT_INFINITY) != 0;
  fields["divisor"] = trees.divisor;
  fields["zero_band"] = trees.zero_band;
  const bool missing = (trees.flags & CORDWOOD_TREES_MISSING_VALUE) != 0;
  fields["missing_value"] = missing ? py::object(py::float_(trees.missing_value)) : py::none();
  return fields;
}

py::dict inspect(const py::buffer& buffer) {
  const FileBuffer guard(buffer);
  const format::FileView file = open_file(guard.bytes(), format::CheckLevel::all);
  py::dict header;
  header["major"] = file.header.major;
  header["minor"] = file.header.minor;
  header["file_bytes"] = file.header.file_bytes;
  header["profile"] = file.header.profile == CORDWOOD_PROFILE_STANDARD ? "standard" : "edge";
  header["checksum"] = file.header.checksum;
  py::dict fields;
  fields["header"] = header;
  fields["sections"] = list_sections(file);
  fields["values"] = list_values(file);
  fields["tensors"] = list_tensors(file);
  fields["operators"] = list_operators(file);
  fields["feature_names"] =
      file.feature_names ? list_strings(*file.feature_names) : py::object(py::none());
  fields["classes"] = list_classes(file);
  fields["categories"] = list_categories(file);
  fields["unseen"] = kUnseenNames[file.unseen];
  fields["provenance"] = py::str(std::string(file.provenance));
  return fields;
}

}  // namespace cordwood::bindings
