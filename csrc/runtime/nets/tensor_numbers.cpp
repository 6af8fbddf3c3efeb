#include "runtime/nets/tensor_numbers.hpp"

#include <bit>
#include <cstring>

#include "format/codec.hpp"
#include "runtime/sparse_choice.hpp"

namespace cordwood::runtime {
namespace {

/// What an encoder of 16-bit floats wrote, widened exactly.
float from_float16(uint16_t bits) noexcept {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = bits >> 10 & 31u;
  const uint32_t fraction = bits & 0x3FFu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float small = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -small : small;
}

float from_bfloat16(uint16_t bits) noexcept {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

Result<format::TensorBytes> decode(const Source& source, const cordwood_tensor& tensor) {
  return format::decode_tensor(source.file, tensor, source.name());
}

template <class T>
T element(std::span<const std::byte> bytes, uint64_t index) noexcept {
  return load_unaligned<T>(bytes.data() + index * sizeof(T));
}

/// Elements of a float tensor; empty for any other type.
Result<std::vector<float>> widen(const Source& source, const cordwood_tensor& tensor) {
  const auto bytes = decode(source, tensor);
  if (!bytes) return bytes.status();
  std::vector<float> floats(format::element_count(tensor));
  for (uint64_t i = 0; i < floats.size(); ++i) {
    switch (tensor.dtype) {
      case CORDWOOD_DTYPE_FLOAT16:
        floats[i] = from_float16(element<uint16_t>(bytes->bytes, i));
        break;
      case CORDWOOD_DTYPE_BFLOAT16:
        floats[i] = from_bfloat16(element<uint16_t>(bytes->bytes, i));
        break;
      default:  // CORDWOOD_DTYPE_FLOAT32
        floats[i] = element<float>(bytes->bytes, i);
    }
  }
  return floats;
}

/// Codes of a quantised tensor, unsigned.
Result<std::vector<uint8_t>> unsigned_codes(const Source& source, const cordwood_tensor& tensor) {
  const auto bytes = decode(source, tensor);
  if (!bytes) return bytes.status();
  const uint32_t bits = format::dtype_bits(tensor.dtype);
  const uint32_t half = 1u << (bits - 1);
  std::vector<uint8_t> codes(format::element_count(tensor));
  BitReader reader(bytes->bytes);
  for (uint8_t& code : codes) code = static_cast<uint8_t>(reader.read(bits) ^ half);
  return codes;
}

struct Scales {
  std::vector<float> scales;
  std::vector<uint8_t> zeros;
};

Result<Scales> scales_of(const Source& source, const cordwood_tensor& tensor) {
  Result<std::vector<float>> scales = widen(source, source.file.tensors[tensor.scale_tensor]);
  if (!scales) return scales.status();
  for (const float scale : *scales) {
    if (!(scale >= 0 && scale <= 3.4e38f)) {
      return fail(CORDWOOD_STATUS_operator_attributes_invalid, source.name(),
                  "a scale is negative, infinite or NaN, expected finite scales of 0 or more");
    }
  }
  Scales all{.scales = std::move(*scales), .zeros = {}};
  if (tensor.zero_tensor == CORDWOOD_NO_TENSOR) return all;
  const auto bytes = decode(source, source.file.tensors[tensor.zero_tensor]);
  if (!bytes) return bytes.status();
  const uint32_t bits = format::dtype_bits(tensor.dtype);
  const int half = 1 << (bits - 1);
  all.zeros.resize(bytes->bytes.size());
  for (std::size_t i = 0; i < all.zeros.size(); ++i) {
    const int zero = element<int8_t>(bytes->bytes, i) + half;
    if (zero < 0 || zero >= 2 * half) {
      return fail(CORDWOOD_STATUS_operator_attributes_invalid, source.name(),
                  "a zero point is no code of {} bits", bits);
    }
    all.zeros[i] = static_cast<uint8_t>(zero);
  }
  return all;
}

/// Writes codes of `bits` bits one after the other, lowest bit first.
void pack_bits(const uint8_t* codes, uint64_t count, uint32_t bits, uint8_t* out) noexcept {
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t bit = i * bits;
    const uint32_t word = static_cast<uint32_t>(codes[i]) << (bit % 8);
    out[bit / 8] = static_cast<uint8_t>(out[bit / 8] | (word & 255u));
    if (word > 255u) out[bit / 8 + 1] = static_cast<uint8_t>(out[bit / 8 + 1] | word >> 8);
  }
}

}  // namespace

Result<AlignedVector<std::byte>> plain_elements(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  const auto bytes = decode(source, tensor);
  if (!bytes) return bytes.status();
  if (tensor.dtype != CORDWOOD_DTYPE_BIT) {
    return AlignedVector<std::byte>(bytes->bytes.begin(), bytes->bytes.end());
  }
  AlignedVector<std::byte> bools(format::element_count(tensor));
  for (uint64_t i = 0; i < bools.size(); ++i) {
    bools[i] = bit_at(bytes->bytes, i) ? std::byte{1} : std::byte{0};
  }
  return bools;
}

Result<AlignedVector<float>> float_elements(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  if (tensor.quant_axis == CORDWOOD_NO_TENSOR) {
    const auto floats = widen(source, tensor);
    if (!floats) return floats.status();
    return AlignedVector<float>(floats->begin(), floats->end());
  }
  const auto codes = unsigned_codes(source, tensor);
  if (!codes) return codes.status();
  const auto scales = scales_of(source, tensor);
  if (!scales) return scales.status();
  const uint64_t inputs = codes->size() / tensor.dimension[0];
  const uint64_t group = tensor.group == 0 ? inputs : tensor.group;
  const uint64_t groups = inputs / group + (inputs % group != 0);
  const int half = 1 << (format::dtype_bits(tensor.dtype) - 1);
  AlignedVector<float> floats(codes->size());
  for (uint64_t i = 0; i < floats.size(); ++i) {
    const uint64_t at = i / inputs * groups + i % inputs / group;
    const int zero = scales->zeros.empty() ? half : scales->zeros[at];
    floats[i] = scales->scales[at] * static_cast<float>((*codes)[i] - zero);
  }
  return floats;
}

Result<AlignedVector<float>> optional_floats(const Source& source, uint32_t operand) {
  if (!source.has_tensor(operand)) return AlignedVector<float>{};
  return float_elements(source, operand);
}

Result<CodeArrays> code_arrays(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  const auto codes = unsigned_codes(source, tensor);
  if (!codes) return codes.status();
  auto scales = scales_of(source, tensor);
  if (!scales) return scales.status();
  const uint32_t bits = format::dtype_bits(tensor.dtype);
  const uint64_t outputs = tensor.dimension[0];
  const uint64_t inputs = codes->size() / outputs;
  const uint64_t output_bytes = bytes_for_bits(inputs * bits);
  CodeArrays arrays;
  arrays.payload.resize(outputs * output_bytes);
  for (uint64_t output = 0; output < outputs; ++output) {
    pack_bits(codes->data() + output * inputs, inputs, bits,
              arrays.payload.data() + output * output_bytes);
  }
  arrays.scales = std::move(scales->scales);
  arrays.zeros = std::move(scales->zeros);
  arrays.packed = {.payload = arrays.payload,
                   .scales = arrays.scales,
                   .zeros = arrays.zeros,
                   .bits = bits,
                   .group_size = tensor.group,
                   .n_outputs = outputs,
                   .n_inputs = inputs};
  return arrays;
}

Result<CodeArrays> byte_codes(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  if (tensor.zero_tensor != CORDWOOD_NO_TENSOR ||
      source.file.tensors[tensor.scale_tensor].dimension[1] != 1) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, source.name(),
                "weights have zero points or several scales an output, expected one scale");
  }
  auto codes = unsigned_codes(source, tensor);
  if (!codes) return codes.status();
  auto scales = scales_of(source, tensor);
  if (!scales) return scales.status();
  const uint32_t shift = 128u - (1u << (format::dtype_bits(tensor.dtype) - 1));
  for (uint8_t& code : *codes) code = static_cast<uint8_t>(code + shift);
  CodeArrays arrays;
  arrays.payload = std::move(*codes);
  arrays.scales = std::move(scales->scales);
  return arrays;
}

Result<std::optional<SparsePlan>> sparse_weights(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  if (tensor.sparsity == CORDWOOD_SPARSITY_DENSE || tensor.dtype != CORDWOOD_DTYPE_INT8 ||
      tensor.group != 0) {
    return std::optional<SparsePlan>{};
  }
  const auto bytes = decode(source, tensor);
  if (!bytes) return bytes.status();
  const auto scales = scales_of(source, tensor);
  if (!scales) return scales.status();
  const std::span<const int8_t> codes(reinterpret_cast<const int8_t*>(bytes->bytes.data()),
                                      bytes->bytes.size());
  const SparseCodes sparse{.codes = codes,
                           .scales = scales->scales,
                           .n_outputs = tensor.dimension[0],
                           .n_inputs = tensor.dimension[1]};
  const std::optional<kernels::SparseKind> kind =
      choose_sparse_kind(codes, sparse.n_outputs, sparse.n_inputs);
  if (!kind) return std::optional<SparsePlan>{};
  Result<SparsePlan> plan = SparsePlan::build(*kind, sparse);
  if (!plan) return plan.status();
  return std::optional<SparsePlan>(std::move(*plan));
}

Result<QmatmulPlan> product_weights(const Source& source, uint32_t operand) {
  const cordwood_tensor tensor = source.tensor(operand);
  if (tensor.quant_axis != CORDWOOD_NO_TENSOR) {
    const auto arrays = code_arrays(source, operand);
    if (!arrays) return arrays.status();
    return QmatmulPlan::build(arrays->packed);
  }
  const auto bytes = decode(source, tensor);
  if (!bytes) return bytes.status();
  const uint64_t outputs = tensor.dimension[0];
  const kernels::WeightKind kind =
      tensor.dtype == CORDWOOD_DTYPE_FLOAT16    ? kernels::WeightKind::float16
      : tensor.dtype == CORDWOOD_DTYPE_BFLOAT16 ? kernels::WeightKind::bfloat16
                                                : kernels::WeightKind::float32;
  return QmatmulPlan::build(kind, bytes->bytes, outputs, format::element_count(tensor) / outputs);
}

}  // namespace cordwood::runtime
