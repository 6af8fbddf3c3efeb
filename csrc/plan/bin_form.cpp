#include "plan/bin_form.hpp"

#include <bit>
#include <cstdio>
#include <utility>

#include "kernels/tree_slice/tree_slice.hpp"
#include "plan/load_rule.hpp"
#include "plan/tree_shape.hpp"

namespace cordwood::plan {
namespace {

// Leaf tables of the slice engine beyond this would not stay in a cache; such forests walk.
constexpr uint64_t kMostLeafTableBytes = 32u << 20;

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

void explain(Reason& reason, const char* text, uint64_t number) noexcept {
  std::snprintf(reason.data(), reason.size(), text, static_cast<unsigned long long>(number));
}

// Whether the slice engine can run the trees at all.
bool can_slice(const format::TreeArrays& arrays, Reason& reason) {
  const uint64_t leaves = most_leaves(arrays);
  if (leaves > kernels::kSliceMaxLeaves) {
    explain(reason, "trees of up to %llu leaves; the slice engine takes 256", leaves);
    return false;
  }
  if (!TreeColumns::categories_fit(arrays, BinWidth::k8)) {
    explain(reason, "a category column lists more values than the 254 of the slice engine");
    return false;
  }
  return true;
}

// Whether trees that it can run suit it, on processors with vectors.
bool suits_slice(const format::TreeArrays& arrays, Reason& reason) {
  const uint64_t leaves = most_leaves(arrays);
  const uint64_t table_bytes = uint64_t{arrays.attributes.n_trees} * arrays.attributes.leaf_width *
                               (leaves <= 64 ? 64 : kernels::kSliceMaxLeaves) * sizeof(double);
  if (table_bytes > kMostLeafTableBytes) {
    explain(reason, "the leaf tables of the slice engine would take %llu bytes", table_bytes);
    return false;
  }
  explain(reason, "trees of up to %llu leaves, so that all nodes are evaluated at once", leaves);
  return true;
}

bool has_byte_bins(const format::TreeArrays& arrays) {
  Reason reason{};
  return can_slice(arrays, reason) && suits_slice(arrays, reason);
}

Result<TreeColumns> plan_walk_columns(const format::TreeArrays& arrays) noexcept {
  if (!TreeColumns::categories_fit(arrays, BinWidth::k16)) {
    return fail(CORDWOOD_STATUS_tree_set_invalid, "walk engine",
                "a column lists more than 65534 categories, which this build cannot number");
  }
  return TreeColumns::plan(arrays, BinWidth::k16);
}

Result<BinForm> BinForm::plan(const format::TreeArrays& arrays) noexcept {
  return guard_memory("columns of binned rows", [&]() -> Result<BinForm> {
    if (!arrays.linear_start.empty()) {
      return fail(CORDWOOD_STATUS_output_not_available, "binned rows",
                  "the model's leaves are linear in the values, which bins do not hold; pass the "
                  "rows themselves");
    }
    Result<TreeColumns> columns =
        has_byte_bins(arrays) ? TreeColumns::plan(arrays, BinWidth::k8) : plan_walk_columns(arrays);
    CORDWOOD_RETURN_IF_FAILED(columns.status());
    return BinForm(arrays.attributes, std::move(*columns));
  });
}

BinForm::BinForm(const cordwood_tree_attributes& attributes, TreeColumns&& columns)
    : columns_(std::make_shared<const TreeColumns>(std::move(columns))) {
  for (const kernels::BinColumn& column : columns_->columns()) {
    const bool byte_category = column.category != 0 && bin_bytes() == 1;
    highest_.push_back(static_cast<uint16_t>(column.count + (byte_category ? 1 : 0)));
  }
  note_digest(attributes);
}

void BinForm::note_digest(const cordwood_tree_attributes& attributes) {
  Digest digest;
  digest.add(uint64_t{bin_bytes()} << 32 | attributes.n_features);
  digest.add(uint64_t{attributes.input_type} << 32 | attributes.integer_cast);
  const LoadRule rule = LoadRule::of(attributes);
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

}  // namespace cordwood::plan
