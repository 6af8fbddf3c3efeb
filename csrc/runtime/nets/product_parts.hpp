// What products of nets share: how rows are coded, and what follows a sum.
#pragma once

#include <limits>

#include "runtime/coded_rows.hpp"
#include "runtime/nets/node.hpp"

namespace cordwood::runtime {

/// The activation of a product: limits that the kernel cuts to, or a function over finished blocks.
struct Ending {
  float low = 0.0f;
  float high = std::numeric_limits<float>::infinity();
  uint32_t cut = 0;
  Activation activation{};

  explicit Ending(const cordwood_linear_attributes& product) noexcept {
    if (product.activation == CORDWOOD_ACTIVATION_NONE) return;
    // Cuts bring NaN to a limit. Coded rows hold none; with float32 rows it has to pass.
    const bool cuts = product.rows != CORDWOOD_ROWS_FLOAT32;
    if (cuts && product.activation == CORDWOOD_ACTIVATION_RELU) {
      cut = 1;
    } else if (cuts && product.activation == CORDWOOD_ACTIVATION_CLIP) {
      low = product.alpha;
      high = product.beta;
      cut = 1;
    } else {
      activation = {
          .wanted = true, .kind = product.activation, .alpha = product.alpha, .beta = product.beta};
    }
  }
};

/// Float rows, as they are coded on their way into a product.
inline RowSource row_source(const cordwood_linear_attributes& product, const float* x,
                            uint64_t stride) noexcept {
  const bool affine =
      product.rows == CORDWOOD_ROWS_UINT8_DYNAMIC || product.rows == CORDWOOD_ROWS_UINT8_STATIC;
  RowSource source;
  source.form = affine ? kernels::RowForm::affine : kernels::RowForm::symmetric;
  source.x = x;
  source.stride = stride;
  source.static_scale = product.row_scale;
  source.static_zero = product.rows == CORDWOOD_ROWS_UINT8_STATIC ? product.row_zero - 128 : 0;
  return source;
}

/// Codings that this build has kernels for; a scale group must be the weights' own.
inline Status check_coding(const Source& source, const cordwood_linear_attributes& product) {
  if (product.rows == CORDWOOD_ROWS_BFLOAT16) {
    return fail(CORDWOOD_STATUS_operator_unknown, source.name(),
                "rows of bfloat16 are none that this build multiplies");
  }
  if (product.row_group != 0 && product.row_group != source.tensor(0).group) {
    return fail(CORDWOOD_STATUS_operator_attributes_invalid, source.name(),
                "{} inputs of a row share a scale, expected as many as of the weights, {}",
                product.row_group, source.tensor(0).group);
  }
  return {};
}

}  // namespace cordwood::runtime
