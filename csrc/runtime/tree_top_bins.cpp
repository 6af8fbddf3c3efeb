#include "runtime/tree_top_bins.hpp"

#include <algorithm>

namespace cordwood::runtime {

TopBins::TopBins(const plan::TreeColumns& walks, const plan::TreeColumns& tops)
    : n_columns_(walks.columns().size()) {
  for (uint32_t top = 0; top < tops.columns().size(); ++top) {
    for (uint32_t column = 0; column < n_columns_; ++column) {
      if (walks.file_column(column) != tops.file_column(top)) continue;
      add_part(walks, column, tops, top, parts_.size() == first_part_.back());
    }
    first_part_.push_back(parts_.size());
  }
}

void TopBins::add_part(const plan::TreeColumns& walks, uint32_t column,
                       const plan::TreeColumns& tops, uint32_t top, bool first) {
  const kernels::BinColumn& fine = walks.columns()[column];
  const kernels::BinColumn& coarse = tops.columns()[top];
  const uint32_t missing = fine.count + 1;  // listed categories, any other, NaN; or ranks, NaN
  parts_.push_back({.table = tables_.size(), .column = column, .missing = missing});
  uint32_t passed = 0;  // cuts of the tops up to a cut of the walks
  while (passed < coarse.count && fine.category == 0 && fine.count > 0 &&
         tops.cut(top, passed) < walks.cut(column, 0)) {
    ++passed;  // those of the part before
  }
  const uint32_t before = passed;
  for (uint32_t bin = 0; bin < missing; ++bin) {
    if (fine.category != 0) {
      tables_.push_back(static_cast<uint8_t>(bin));
      continue;
    }
    // A row of this bin is above cut `bin - 1`.
    while (bin > 0 && passed < coarse.count &&
           tops.cut(top, passed) <= walks.cut(column, bin - 1)) {
      ++passed;
    }
    tables_.push_back(static_cast<uint8_t>(passed - before));
  }
  tables_.push_back(static_cast<uint8_t>(first ? coarse.missing_bin : 0));
}

void TopBins::look_up(const uint16_t* bins, uint64_t n_rows, uint64_t stride,
                      uint8_t* out) const noexcept {
  for (size_t top = 0; top + 1 < first_part_.size(); ++top, out += stride) {
    for (size_t p = first_part_[top]; p < first_part_[top + 1]; ++p) {
      const Part& part = parts_[p];
      const uint8_t* table = tables_.data() + part.table;
      const uint16_t* bin = bins + part.column;
      const bool add = p > first_part_[top];
      for (uint64_t row = 0; row < n_rows; ++row, bin += n_columns_) {
        const uint8_t found = table[std::min<uint32_t>(*bin, part.missing)];
        out[row] = static_cast<uint8_t>(add ? out[row] + found : found);
      }
    }
  }
}

}  // namespace cordwood::runtime
