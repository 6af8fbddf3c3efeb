// tree_slice on AVX-512 with VBMI: category sets by one vpermb.
#include "kernels/tree_slice/avx512icl.hpp"
#include "kernels/tree_slice/avx512_block.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512icl {

void tree_slice_f32(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::sum<BinBits, float>(model, task);
}

void tree_slice_f64(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::sum<BinBits, double>(model, task);
}

void tree_slice_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::name_leaves<BinBits>(model, task);
}

}  // namespace cordwood::kernels::avx512icl
