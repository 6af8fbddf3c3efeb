#include "runtime/tree_binning.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "runtime/load_rows.hpp"
#include "runtime/tree_engine.hpp"
#include "runtime/tree_operator.hpp"
#include "runtime/tree_walk_engine.hpp"

namespace cordwood::runtime {
namespace {

// Rows of two-byte bins that are binned at a time.
constexpr uint64_t kBlock = 512;

/// 128 bits of words, each mixed by a multiplication and a fold. It tells models apart that differ by
/// chance; whoever forges bins finds them checked column by column all the same.
class Digest {
 public:
  void add(uint64_t word) noexcept {
    state_[0] = fold((state_[0] ^ word) * 0x9E3779B97F4A7C15u);
    state_[1] = fold((state_[1] + std::rotl(word, 32)) * 0xD6E8FEB86659FD93u);
  }
  void add(double value) noexcept { add(std::bit_cast<uint64_t>(value)); }
  [[nodiscard]] const std::array<uint64_t, 2>& words() const noexcept { return state_; }

 private:
  static uint64_t fold(uint64_t word) noexcept { return word ^ word >> 32; }
  std::array<uint64_t, 2> state_ = {0x243F6A8885A308D3u, 0x13198A2E03707344u};
};

}  // namespace

Result<TreeBinning> TreeBinning::plan(const format::TreeArrays& arrays,
                                      const KernelRow& kernels) noexcept {
  return guard_memory("columns of binned rows", [&]() -> Result<TreeBinning> {
    if (!arrays.linear_start.empty()) {
      return fail(CORDWOOD_STATUS_output_not_available, "binned rows",
                  "the model's leaves are linear in the values, which bins do not hold; pass the "
                  "rows themselves");
    }
    Result<TreeColumns> columns =
        has_byte_bins(arrays) ? TreeColumns::plan(arrays, BinWidth::k8) : plan_walk_columns(arrays);
    CORDWOOD_RETURN_IF_FAILED(columns.status());
    return TreeBinning(arrays.attributes, std::move(*columns), kernels);
  });
}

TreeBinning::TreeBinning(const cordwood_tree_attributes& attributes, TreeColumns&& columns,
                         const KernelRow& kernels)
    : attributes_(attributes),
      columns_(std::make_shared<const TreeColumns>(std::move(columns))),
      values_(attributes, columns_, kernels) {
  for (const kernels::BinColumn& column : columns_->columns()) {
    const bool byte_category = column.category != 0 && bin_bytes() == 1;
    highest_.push_back(static_cast<uint16_t>(column.count + (byte_category ? 1 : 0)));
  }
  note_digest();
}

void TreeBinning::note_digest() {
  Digest digest;
  digest.add(uint64_t{bin_bytes()} << 32 | attributes_.n_features);
  digest.add(uint64_t{attributes_.input_type} << 32 | attributes_.integer_cast);
  const LoadRule rule = LoadRule::of(attributes_);
  digest.add(uint64_t{rule.has_missing_value});
  digest.add(rule.has_missing_value ? rule.missing_value : 0.0);
  for (uint32_t c = 0; c < n_columns(); ++c) {
    const kernels::BinColumn& column = columns_->columns()[c];
    digest.add(uint64_t{columns_->features()[column.feature]} << 32 | column.count);
    digest.add(uint64_t{column.category} << 32 | column.rule);
    digest.add(uint64_t{column.missing_bin} << 32 | column.other_bin);
    digest.add(column.zero_band);
    for (uint32_t rank = 0; rank < column.count; ++rank) digest.add(columns_->cut(c, rank));
  }
  digest_ = digest.words();
}

size_t TreeBinning::scratch_bytes() const noexcept {
  const size_t n_features = columns_->features().size();
  const uint64_t rows = bin_bytes() == 1 ? ValueBins::kStrip : kBlock;
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
  if (bin_bytes() == 1) {
    auto* values = scratch.take<Input>(values_.n_values());
    return values_.by_column(rows, out.column_step, values, static_cast<uint8_t*>(out.at));
  }
  auto* values = scratch.take<Input>(columns_->features().size() * kBlock);
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
