// The door and the codecs, for Python: packing, inspection, verification and tests.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "bindings/errors.hpp"
#include "bindings/file_buffer.hpp"
#include "bindings/unlocked.hpp"
#include "format/codec.hpp"
#include "format/crc32.hpp"
#include "format/differences.hpp"
#include "format/trees.hpp"
#include "format/view.hpp"

namespace py = pybind11;

namespace cordwood::bindings {
namespace {

format::CheckLevel level_of(const std::string& check) {
  if (check == "all") return format::CheckLevel::all;
  if (check == "structure") return format::CheckLevel::structure;
  throw py::value_error("check is '" + check + "', expected 'all' or 'structure'");
}

py::bytes to_bytes(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using Encode = decltype(format::encode_planes);
using Decode = decltype(format::decode_planes);

py::bytes encode(Encode codec, const py::buffer& data, uint32_t element_bytes) {
  const FileBuffer guard(data);
  const Result<std::vector<std::byte>> encoded = [&] {
    const Unlocked unlocked;
    return codec(guard.bytes(), element_bytes);
  }();
  throw_unless_ok(encoded.status());
  return to_bytes(*encoded);
}

/// `total` is what `count` elements take, if they can have that width at all.
py::bytes decode(Decode codec, const char* place, const py::buffer& data, uint32_t element_bytes,
                 uint64_t total) {
  const FileBuffer guard(data);
  const Result<std::vector<std::byte>> decoded = [&] {
    const Unlocked unlocked;
    return guard_memory(place, [&]() -> Result<std::vector<std::byte>> {
      std::vector<std::byte> elements(total);
      CORDWOOD_RETURN_IF_FAILED(codec(guard.bytes(), element_bytes, elements));
      return elements;
    });
  }();
  throw_unless_ok(decoded.status());
  return to_bytes(*decoded);
}

py::bytes encode_planes(const py::buffer& data, uint32_t element_bytes) {
  return encode(format::encode_planes, data, element_bytes);
}

py::bytes decode_planes(const py::buffer& data, uint32_t element_bytes, uint64_t count) {
  uint64_t total = 0;
  const bool known =
      element_bytes == 1 || element_bytes == 2 || element_bytes == 4 || element_bytes == 8;
  if (!known || !checked_multiply(count, element_bytes, total)) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "decode_planes",
                      "{} elements of {} bytes asked for, expected 1, 2, 4 or 8 bytes each", count,
                      element_bytes));
  }
  return decode(format::decode_planes, "decode_planes", data, element_bytes, total);
}

py::bytes encode_differences(const py::buffer& data, uint32_t element_bytes) {
  return encode(format::encode_differences, data, element_bytes);
}

py::bytes decode_differences(const py::buffer& data, uint32_t element_bytes, uint64_t count) {
  uint64_t total = 0;
  if (!format::has_differences(element_bytes) || !checked_multiply(count, element_bytes, total)) {
    throw_status(fail(CORDWOOD_STATUS_shape_mismatch, "decode_differences",
                      "{} elements of {} bytes asked for, expected 4 or 8 bytes each", count,
                      element_bytes));
  }
  return decode(format::decode_differences, "decode_differences", data, element_bytes, total);
}

uint32_t crc32(const py::buffer& data, uint32_t previous) {
  const FileBuffer guard(data);
  const Unlocked unlocked;
  return format::crc32(guard.bytes(), previous);
}

/// Moves a vector into a numpy array that owns it.
template <class Vector>
  requires std::is_rvalue_reference_v<Vector&&>
py::array_t<typename Vector::value_type> to_array(Vector&& values) {
  using T = typename Vector::value_type;
  auto* owner = new Vector(std::move(values));
  const py::capsule capsule(owner, [](void* kept) { delete static_cast<Vector*>(kept); });
  return py::array_t<T>(static_cast<py::ssize_t>(owner->size()), owner->data(), capsule);
}

py::dict columns_dict(const std::vector<format::TreeColumn>& columns) {
  const auto field = [&](auto format::TreeColumn::* member) {
    using T = std::remove_cvref_t<decltype(columns[0].*member)>;
    py::array_t<T> array(static_cast<py::ssize_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) array.mutable_data()[i] = columns[i].*member;
    return array;
  };
  py::dict fields;
  fields["feature"] = field(&format::TreeColumn::feature);
  fields["kind"] = field(&format::TreeColumn::kind);
  fields["size"] = field(&format::TreeColumn::size);
  fields["first_cut"] = field(&format::TreeColumn::first_cut);
  fields["category_count"] = field(&format::TreeColumn::category_count);
  fields["first_category"] = field(&format::TreeColumn::first_category);
  fields["first_set_bit"] = field(&format::TreeColumn::first_set_bit);
  return fields;
}

py::dict expand_trees(const py::buffer& buffer, uint32_t operator_index) {
  const FileBuffer guard(buffer);
  const format::FileView file = open_file(guard.bytes(), format::CheckLevel::all);
  Result<format::TreeArrays> expanded = [&] {
    const Unlocked unlocked;
    return format::expand_trees(file, operator_index);
  }();
  throw_unless_ok(expanded.status());
  format::TreeArrays trees = std::move(expanded).value();
  py::dict fields;
  fields["attributes"] = tree_attributes(trees.attributes);
  fields["columns"] = columns_dict(trees.columns);
  fields["cuts"] = to_array(std::move(trees.cuts));
  fields["category_values"] = to_array(std::move(trees.category_values));
  fields["set_bits"] = to_array(std::move(trees.set_bits));
  fields["tree_start"] = to_array(std::move(trees.tree_start));
  fields["right"] = to_array(std::move(trees.right));
  fields["column"] = to_array(std::move(trees.column));
  fields["rank"] = to_array(std::move(trees.rank));
  fields["missing_left"] = to_array(std::move(trees.missing_left));
  fields["tree_output"] = to_array(std::move(trees.tree_output));
  fields["base_value"] = to_array(std::move(trees.base_value));
  fields["leaf_values"] = to_array(std::move(trees.leaf_values));
  fields["leaf_number"] = to_array(std::move(trees.leaf_number));
  fields["tree_weight"] = to_array(std::move(trees.tree_weight));
  fields["linear_start"] = to_array(std::move(trees.linear_start));
  fields["linear_feature"] = to_array(std::move(trees.linear_feature));
  fields["linear_coefficient"] = to_array(std::move(trees.linear_coefficient));
  fields["linear_constant"] = to_array(std::move(trees.linear_constant));
  return fields;
}

py::dict status_codes() {
  py::dict codes;
#define CORDWOOD_STATUS_ENTRY(name, number) codes[#name] = number;
  CORDWOOD_STATUS_LIST(CORDWOOD_STATUS_ENTRY)
#undef CORDWOOD_STATUS_ENTRY
  return codes;
}

}  // namespace

void register_format(py::module_& module) {
  module.def(
      "validate",
      [](const py::buffer& buffer, const std::string& check) {
        const FileBuffer guard(buffer);
        static_cast<void>(open_file(guard.bytes(), level_of(check)));
      },
      py::arg("buffer"), py::arg("check") = "all",
      "Raise FormatError unless the bytes are a file.");
  module.def("encode_planes", &encode_planes, py::arg("data"), py::arg("element_bytes"),
             "Code whole elements of 1, 2, 4 or 8 bytes as byte planes.");
  module.def("decode_planes", &decode_planes, py::arg("data"), py::arg("element_bytes"),
             py::arg("count"), "Decode exactly `count` elements from byte planes.");
  module.def("encode_differences", &encode_differences, py::arg("data"), py::arg("element_bytes"),
             "Code float32 or float64 as byte planes of differences.");
  module.def("decode_differences", &decode_differences, py::arg("data"), py::arg("element_bytes"),
             py::arg("count"), "Decode exactly `count` floats from byte planes of differences.");
  module.def("crc32", &crc32, py::arg("data"), py::arg("previous") = 0,
             "CRC-32 of the bytes, as zlib's.");
  module.def("inspect", &inspect, py::arg("buffer"), "Describe everything that a file holds.");
  module.def("expand_trees", &expand_trees, py::arg("buffer"), py::arg("operator_index"),
             "Flat arrays of a file's tree_ensemble.");
  module.def("status_codes", &status_codes, "Number of each status by name.");
}

}  // namespace cordwood::bindings
