#include "runtime/tree_binning.hpp"

#include <algorithm>
#include <utility>

#include "runtime/load_rows.hpp"
#include "runtime/tree_engine.hpp"

namespace cordwood::runtime {
namespace {

// Rows of two-byte bins that are binned at a time.
constexpr uint64_t kBlock = 512;

}  // namespace

Result<TreeBinning> TreeBinning::plan(const format::TreeArrays& arrays,
                                      const KernelRow& kernels) noexcept {
  return guard_memory("columns of binned rows", [&]() -> Result<TreeBinning> {
    Result<plan::BinForm> form = plan::BinForm::plan(arrays);
    CORDWOOD_RETURN_IF_FAILED(form.status());
    return TreeBinning(arrays.attributes, std::move(*form), kernels);
  });
}

TreeBinning::TreeBinning(const cordwood_tree_attributes& attributes, plan::BinForm&& form,
                         const KernelRow& kernels)
    : attributes_(attributes),
      form_(std::move(form)),
      values_(attributes, form_.columns(), kernels) {}

size_t TreeBinning::scratch_bytes() const noexcept {
  const size_t n_features = form_.columns()->features().size();
  const uint64_t rows = form_.bin_bytes() == 1 ? ValueBins::kStrip : kBlock;
  return Scratch::bytes_for<double>(n_features * rows) + Scratch::bytes_for<uint16_t>(kBlock);
}

Status TreeBinning::bin(const RowsView& rows, const BinGrid& out,
                        std::span<std::byte> scratch) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check_rows(rows, attributes_.n_features));
  return attributes_.input_type == CORDWOOD_DTYPE_FLOAT32 ? bin_as<float>(rows, out, scratch)
                                                          : bin_as<double>(rows, out, scratch);
}

template <class Input>
Status TreeBinning::bin_as(const RowsView& rows, const BinGrid& out,
                           std::span<std::byte> block) const noexcept {
  Scratch scratch(block);
  if (form_.bin_bytes() == 1) {
    auto* values = scratch.take<Input>(values_.n_values());
    return values_.by_column(rows, out.column_step, values, static_cast<uint8_t*>(out.at));
  }
  auto* values = scratch.take<Input>(form_.columns()->features().size() * kBlock);
  auto* column = scratch.take<uint16_t>(kBlock);
  for (uint64_t first = 0; first < rows.n_rows; first += kBlock) {
    const RowsView few = rows.slice(first, std::min(kBlock, rows.n_rows - first));
    auto* to = static_cast<std::byte*>(out.at) + first * out.row_step;
    CORDWOOD_RETURN_IF_FAILED(
        values_.by_row(few, kBlock, values, column, reinterpret_cast<uint16_t*>(to)));
  }
  return {};
}

}  // namespace cordwood::runtime
