// The door, inner part: the records of VALUES and TENSORS, and the tensors' places in PAYLOAD.
#include <algorithm>
#include <array>

#include "format/codec.hpp"
#include "format/net_operators.h"
#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr uint32_t kDtypes = CORDWOOD_DTYPE_FLOAT64 + 1;
constexpr uint32_t kRoles = CORDWOOD_ROLE_OUTPUT + 1;

constexpr std::array<uint32_t, kDtypes> kDtypeBits{0,  1,  2,  3,  4,  8,  8,  16, 16,
                                                   32, 32, 64, 64, 16, 16, 32, 64};

constexpr std::array<const char*, kDtypes> kDtypeNames{
    "unknown", "bit",    "int2",  "int3",   "int4",    "int8",     "uint8",   "int16",  "uint16",
    "int32",   "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64"};

constexpr uint8_t kSymbolBatch = 1;
/// Codes can be made by a scale whose reciprocal is a normal number.
constexpr float kLeastCodeScale = 0x1p-100f;
constexpr float kMostCodeScale = 0x1p100f;

template <class T>
bool all_zero(const T& array, std::size_t first) noexcept {
  return std::all_of(std::begin(array) + first, std::end(array), [](auto x) { return x == 0; });
}

/// Product of the sizes; false past kMaxElements.
bool count_elements(const uint64_t* dimension, uint32_t rank, uint64_t& count) noexcept {
  count = 1;
  for (uint32_t axis = 0; axis < rank; ++axis) {
    if (!checked_multiply(count, dimension[axis], count) || count > kMaxElements) return false;
  }
  return true;
}

Status check_value_shape(const cordwood_value& value, uint32_t index) noexcept {
  bool good = value.rank <= CORDWOOD_MAX_RANK &&
              all_zero(value.symbol_of, std::min<std::size_t>(value.rank, 8)) &&
              all_zero(value.dimension, std::min<std::size_t>(value.rank, 6));
  uint64_t constants = 1;
  for (uint32_t axis = 0; good && axis < value.rank; ++axis) {
    const uint8_t symbol = value.symbol_of[axis];
    const uint64_t size = value.dimension[axis];
    good = size <= kMaxElements && (symbol != 0 || size != 0);
    if (good && symbol == 0) {
      good = checked_multiply(constants, size, constants) && constants <= kMaxElements;
    }
  }
  if (good) return {};
  return fail(CORDWOOD_STATUS_value_shape_invalid, "section values",
              "value {} has rank {}, expected at most 6 axes, each a symbol or a size of at least "
              "1, at most 2^48 elements, and zero in what is unused",
              index, value.rank);
}

/// Images between convolutions may be codes: their scale is one that codes can be made by.
Status check_value_coding(const cordwood_value& value, uint32_t index) noexcept {
  const bool image = value.dtype == CORDWOOD_DTYPE_UINT8 && value.role == CORDWOOD_ROLE_NONE &&
                     value.rank >= 3 && value.rank <= CORDWOOD_MAX_SPACE + 2;
  const bool good = value.code_scale == 0.0f ? value.code_zero == 0
                                             : image && value.code_scale >= kLeastCodeScale &&
                                                   value.code_scale <= kMostCodeScale;
  if (good) return {};
  return fail(CORDWOOD_STATUS_value_shape_invalid, "section values",
              "value {} has a scale of codes, expected none, or one from 2^-100 to 2^100 and "
              "uint8 images of no role",
              index);
}

/// Whether a tensor of this type and size may have its encoding.
bool encoding_fits(const cordwood_tensor& tensor, uint64_t count) noexcept {
  const bool floats =
      tensor.dtype == CORDWOOD_DTYPE_FLOAT32 || tensor.dtype == CORDWOOD_DTYPE_FLOAT64;
  return tensor.encoding == CORDWOOD_ENCODING_RAW ||
         (count != 0 && (floats || tensor.encoding != CORDWOOD_ENCODING_DIFFERENCES));
}

bool is_net_role(uint8_t role) noexcept {
  return role == CORDWOOD_ROLE_INPUT || role == CORDWOOD_ROLE_OUTPUT;
}

/// A file is a tree model with rows, or a net with inputs and outputs.
Status check_roles(const std::array<bool, kRoles>& taken, std::size_t count) noexcept {
  const bool net = taken[CORDWOOD_ROLE_INPUT] && taken[CORDWOOD_ROLE_OUTPUT];
  bool others = false;
  for (uint32_t role = CORDWOOD_ROLE_ROWS; role < CORDWOOD_ROLE_INPUT; ++role) {
    others = others || taken[role];
  }
  if (net && !others) return {};
  if (taken[CORDWOOD_ROLE_INPUT] || taken[CORDWOOD_ROLE_OUTPUT]) {
    return fail(CORDWOOD_STATUS_value_role_unknown, "section values",
                "a net has values of role {} and of role {} and of no other, which {} values have "
                "not",
                CORDWOOD_ROLE_INPUT, CORDWOOD_ROLE_OUTPUT, count);
  }
  if (taken[CORDWOOD_ROLE_ROWS]) return {};
  return fail(CORDWOOD_STATUS_value_rows_missing, "section values",
              "none of {} values has role {}, expected the rows", count, CORDWOOD_ROLE_ROWS);
}

/// Scales and zero points of a quantised tensor: [outputs, groups], RAW or coded, and plain themselves.
Status check_quantised(const FileView& file, const cordwood_tensor& tensor,
                       uint32_t index) noexcept {
  if (tensor.quant_axis == CORDWOOD_NO_TENSOR) {
    if (tensor.group == 0 && tensor.scale_tensor == CORDWOOD_NO_TENSOR &&
        tensor.zero_tensor == CORDWOOD_NO_TENSOR) {
      return {};
    }
    return fail(CORDWOOD_STATUS_tensor_encoding_unknown, "section tensors",
                "tensor {} is not quantised and has a group, a scale or a zero point", index);
  }
  const bool codes = tensor.dtype >= CORDWOOD_DTYPE_INT2 && tensor.dtype <= CORDWOOD_DTYPE_INT8;
  const uint64_t outputs = tensor.dimension[0];
  const uint64_t inputs = outputs == 0 ? 0 : element_count(tensor) / outputs;
  const uint64_t groups =
      tensor.group == 0 ? 1 : inputs / tensor.group + (inputs % tensor.group != 0);
  const auto belongs = [&](uint32_t id, bool floats) {
    if (id >= file.tensors.size() || id == index) return false;
    const cordwood_tensor part = file.tensors[id];
    const bool typed =
        floats ? part.dtype == CORDWOOD_DTYPE_FLOAT32 || part.dtype == CORDWOOD_DTYPE_FLOAT16
               : part.dtype == CORDWOOD_DTYPE_INT8;
    return typed && part.quant_axis == CORDWOOD_NO_TENSOR && part.rank == 2 &&
           part.dimension[0] == outputs && part.dimension[1] == groups;
  };
  if (tensor.quant_axis == 1 && codes && tensor.rank >= 2 && inputs != 0 &&
      belongs(tensor.scale_tensor, true) &&
      (tensor.zero_tensor == CORDWOOD_NO_TENSOR || belongs(tensor.zero_tensor, false))) {
    return {};
  }
  return fail(CORDWOOD_STATUS_tensor_encoding_unknown, "section tensors",
              "tensor {} of dtype {} is quantised: expected int2 to "
              "int8, axis 1, and scales (float) and zero points (int8) of {} outputs by {} groups",
              index, tensor.dtype, outputs, groups);
}

Status check_tensor_record(const FileView& file, const cordwood_tensor& tensor,
                           uint32_t index) noexcept {
  const char* place = "section tensors";
  if (dtype_bits(tensor.dtype) == 0) {
    return fail(CORDWOOD_STATUS_tensor_dtype_unknown, place,
                "tensor {} has dtype {}, expected 1 to {}", index, tensor.dtype, kDtypes - 1);
  }
  uint64_t count = 0;
  if (tensor.rank > CORDWOOD_MAX_RANK || !all_zero(tensor.dimension, tensor.rank) ||
      !count_elements(tensor.dimension, tensor.rank, count)) {
    return fail(CORDWOOD_STATUS_tensor_shape_invalid, place,
                "tensor {} has rank {}, expected at most 6 axes, at most 2^48 elements, and zero "
                "in what is unused",
                index, tensor.rank);
  }
  if (tensor.encoding > CORDWOOD_ENCODING_DIFFERENCES ||
      tensor.sparsity != CORDWOOD_SPARSITY_DENSE) {
    return fail(CORDWOOD_STATUS_tensor_encoding_unknown, place,
                "tensor {} has encoding {} and sparsity {}, expected encoding 0 to {} and sparsity "
                "0",
                index, tensor.encoding, tensor.sparsity, CORDWOOD_ENCODING_DIFFERENCES);
  }
  if (!encoding_fits(tensor, count)) {
    return fail(CORDWOOD_STATUS_tensor_encoding_unknown, place,
                "tensor {} of dtype {} and {} elements has encoding {}, expected elements in 1 and "
                "2, and floats of 4 or 8 bytes in 2",
                index, tensor.dtype, count, tensor.encoding);
  }
  // No operator of this version reads a sparse tensor.
  if (tensor.sparsity_tensor != CORDWOOD_NO_TENSOR) {
    return fail(
        CORDWOOD_STATUS_tensor_encoding_unknown, place,
        "tensor {} is sparse, which no operator of this version reads; use a newer cordwood",
        index);
  }
  CORDWOOD_RETURN_IF_FAILED(check_quantised(file, tensor, index));
  uint64_t end = 0;
  if (!checked_add(tensor.offset, tensor.length, end) || end > file.payload.size()) {
    return fail(CORDWOOD_STATUS_tensor_payload_out_of_bounds, place,
                "tensor {} starts at byte {} and has {}, the payload ends at {}", index,
                tensor.offset, tensor.length, file.payload.size());
  }
  if (tensor.encoding == CORDWOOD_ENCODING_RAW && tensor.length != decoded_bytes(tensor)) {
    return fail(CORDWOOD_STATUS_tensor_payload_length_mismatch, place,
                "tensor {} has {} bytes, expected {} for {} elements", index, tensor.length,
                decoded_bytes(tensor), count);
  }
  return {};
}

/// Tensors stand in the order of their ids, each at the first aligned byte after the one before.
Status check_tensor_place(const FileView& file, const cordwood_tensor& tensor, uint32_t index,
                          uint64_t previous_end) noexcept {
  uint64_t expected = 0;
  if (!checked_align(previous_end, CORDWOOD_ALIGNMENT, expected) || tensor.offset != expected) {
    return fail(CORDWOOD_STATUS_tensor_payload_hole, "section tensors",
                "tensor {} starts at byte {} of the payload, expected {}", index, tensor.offset,
                expected);
  }
  const auto padding = file.payload.subspan(previous_end, tensor.offset - previous_end);
  if (std::ranges::any_of(padding, [](std::byte byte) { return byte != std::byte{0}; })) {
    return fail(CORDWOOD_STATUS_tensor_padding_not_zero, "section payload",
                "the padding from byte {} to {} before tensor {} is not zero", previous_end,
                tensor.offset, index);
  }
  return {};
}

}  // namespace

uint32_t dtype_bits(uint8_t dtype) noexcept {
  return dtype < kDtypes ? kDtypeBits[dtype] : 0;
}

const char* dtype_name(uint8_t dtype) noexcept {
  return kDtypeNames[dtype < kDtypes ? dtype : 0];
}

uint64_t element_count(const cordwood_tensor& tensor) noexcept {
  uint64_t count = 0;
  static_cast<void>(count_elements(tensor.dimension, tensor.rank, count));
  return count;
}

uint64_t decoded_bytes(const cordwood_tensor& tensor) noexcept {
  return bytes_for_bits(element_count(tensor) * dtype_bits(tensor.dtype));
}

Status check_values(const FileView& file) noexcept {
  const char* place = "section values";
  std::array<bool, kRoles> taken{};
  for (uint32_t index = 0; index < file.values.size(); ++index) {
    const cordwood_value value = file.values[index];
    if (dtype_bits(value.dtype) < 8 && value.dtype != CORDWOOD_DTYPE_BIT) {
      return fail(CORDWOOD_STATUS_value_dtype_unknown, place,
                  "value {} has dtype {}, expected 1 or {} to {}", index, value.dtype,
                  CORDWOOD_DTYPE_INT8, kDtypes - 1);
    }
    if (value.role >= kRoles) {
      return fail(CORDWOOD_STATUS_value_role_unknown, place,
                  "value {} has role {}, expected 0 to {}", index, value.role, kRoles - 1);
    }
    const bool many = value.role == CORDWOOD_ROLE_NONE || is_net_role(value.role);
    if (!many && taken[value.role]) {
      return fail(CORDWOOD_STATUS_value_role_duplicate, place,
                  "value {} has role {}, as an earlier value has", index, value.role);
    }
    taken[value.role] = true;
    CORDWOOD_RETURN_IF_FAILED(check_value_shape(value, index));
    CORDWOOD_RETURN_IF_FAILED(check_value_coding(value, index));
    if (value.role == CORDWOOD_ROLE_ROWS &&
        (value.rank != 2 || value.symbol_of[0] != kSymbolBatch || value.symbol_of[1] != 0)) {
      return fail(CORDWOOD_STATUS_value_shape_invalid, place,
                  "value {}, the rows, has rank {}, expected the batch by a constant", index,
                  value.rank);
    }
  }
  return check_roles(taken, file.values.size());
}

cordwood_value rows_of(const FileView& file) noexcept {
  cordwood_value rows{};
  for (uint32_t id = 0; id < file.values.size(); ++id) {
    if (file.values[id].role == CORDWOOD_ROLE_ROWS) rows = file.values[id];
  }
  return rows;
}

Status check_tensors(const FileView& file) noexcept {
  uint64_t previous_end = 0;
  uint64_t decoded = 0;
  // Saturates, so a file near 2^64 bytes would only be bounded by the address space.
  uint64_t limit = 0;
  if (!checked_multiply(file.bytes.size(), kDecodedFactor, limit) ||
      !checked_add(limit, kDecodedFloor, limit)) {
    limit = ~uint64_t{0};
  }
  for (uint32_t index = 0; index < file.tensors.size(); ++index) {
    const cordwood_tensor tensor = file.tensors[index];
    CORDWOOD_RETURN_IF_FAILED(check_tensor_record(file, tensor, index));
    CORDWOOD_RETURN_IF_FAILED(check_tensor_place(file, tensor, index, previous_end));
    previous_end = tensor.offset + tensor.length;
    if (tensor.encoding == CORDWOOD_ENCODING_RAW) continue;
    // Each term is below 2^51, so the sum is seen to pass the limit before it can wrap.
    decoded += decoded_bytes(tensor);
    if (decoded > limit) {
      return fail(CORDWOOD_STATUS_tensor_too_large, "section tensors",
                  "coded tensors up to tensor {} decode to {} bytes, expected at most {} for a "
                  "file of {}",
                  index, decoded, limit, file.bytes.size());
    }
  }
  if (previous_end != file.payload.size()) {
    return fail(CORDWOOD_STATUS_tensor_payload_hole, "section payload",
                "the last tensor ends at byte {}, the payload at {}", previous_end,
                file.payload.size());
  }
  return {};
}

}  // namespace cordwood::format
