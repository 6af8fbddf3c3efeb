// Sparse tensors: a mask that belongs to them says which elements the file holds.
#pragma once

#include "format/codec.hpp"
#include "format/view.hpp"

namespace cordwood::format {

/// Elements that the mask of a validated sparse tensor keeps. `place` names it in a failure.
Result<uint64_t> kept_elements(const FileView& file, const cordwood_tensor& tensor,
                               const char* place) noexcept;

/// All elements of a validated sparse tensor, zero where the mask keeps none.
Result<TensorBytes> decode_sparse(const FileView& file, const cordwood_tensor& tensor,
                                  const char* place) noexcept;

}  // namespace cordwood::format
