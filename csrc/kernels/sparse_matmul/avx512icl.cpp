// sparse_matmul on avx512icl: which kind is done where.
#include "kernels/sparse_matmul/avx512icl_parts.hpp"

namespace cordwood::kernels::avx512icl {

void sparse_matmul_s8(const SparseMatmul& task) noexcept {
  switch (task.weights.kind) {
    case SparseKind::pairs:
      return sparse_pairs_s8(task);
    case SparseKind::blocks:
      return sparse_blocks_s8(task);
    default:
      return sparse_slots_s8(task);
  }
}

}  // namespace cordwood::kernels::avx512icl
