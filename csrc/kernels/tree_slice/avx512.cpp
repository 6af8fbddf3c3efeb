// tree_slice on AVX-512 without VBMI: category sets by two shuffles.
#include "kernels/tree_slice/avx512_block.hpp"
#include "kernels/tree_slice/tree_slice.hpp"

namespace cordwood::kernels::avx512 {

void tree_slice_f32(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::sum<avx512::BinBits, float>(model, task);
}

void tree_slice_f64(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::sum<avx512::BinBits, double>(model, task);
}

void tree_slice_leaves(const SliceModel& model, const SliceTask& task) noexcept {
  avx512::name_leaves<avx512::BinBits>(model, task);
}

}  // namespace cordwood::kernels::avx512
