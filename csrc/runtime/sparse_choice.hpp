// Which layout of a sparse matrix costs least: a choice by measured break-even.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/sparse_matmul/sparse_matmul.hpp"

namespace cordwood::runtime {

/// The kind that costs least for these weights, [output][input], of which those of zero are left out;
/// none where no kind gains a tenth over a dense product, or inputs are too many.
std::optional<kernels::SparseKind> choose_sparse_kind(std::span<const int8_t> weights,
                                                      uint64_t n_outputs,
                                                      uint64_t n_inputs) noexcept;

}  // namespace cordwood::runtime
