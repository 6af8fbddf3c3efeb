// Parameters of nets, out of the file: as float32, as they are, or as weights of a product.
#pragma once

#include <optional>
#include <vector>

#include "base/aligned.hpp"
#include "runtime/nets/node.hpp"
#include "runtime/sparse_plan.hpp"

namespace cordwood::runtime {

/// Elements of a plain tensor, as at run time: a bool is a byte.
Result<AlignedVector<std::byte>> plain_elements(const Source& source, uint32_t operand);

/// Any float or quantised tensor as float32, codes times scales.
Result<AlignedVector<float>> float_elements(const Source& source, uint32_t operand);

/// Absent: an empty vector.
Result<AlignedVector<float>> optional_floats(const Source& source, uint32_t operand);

/// A quantised tensor as qmatmul takes it: [output][group of 32 inputs, filled up].
struct CodeArrays {
  std::vector<uint8_t> payload;
  std::vector<float> scales;
  std::vector<uint8_t> zeros;  ///< empty where all are 2^(bits - 1)
  PackedCodes packed;          ///< windows into the others
};
Result<CodeArrays> code_arrays(const Source& source, uint32_t operand);

/// The same with a byte a code, 128 standing for zero, in the tensor's own order; fails where outputs
/// have several scales or zero points.
Result<CodeArrays> byte_codes(const Source& source, uint32_t operand);

/// Weights of a product in 8 bits, those of zero left out. None where the tensor is not sparse, has other
/// codes than 8 bits with a scale for each output, or where its mask makes a dense product cheaper.
Result<std::optional<SparsePlan>> sparse_weights(const Source& source, uint32_t operand);

/// Weights of a product, (outputs, everything else), whatever their type.
Result<QmatmulPlan> product_weights(const Source& source, uint32_t operand);

}  // namespace cordwood::runtime
