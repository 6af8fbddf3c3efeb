// The eight-bit bins that the tops of large trees ask for, from the 16-bit bins of their walks.
//
// The tops know some of the cuts only, so what they want of a row follows from its finer bins: one
// look-up a value, without the value.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/tree_columns.hpp"

namespace cordwood::runtime {

class TopBins {
 public:
  /// `tops` are planned from some of the nodes that `walks` are planned from. May throw
  /// std::bad_alloc.
  TopBins(const plan::TreeColumns& walks, const plan::TreeColumns& tops);

  /// Column c of the tops goes to `out + c * stride`; `bins` is C-ordered [n_rows, columns of walks].
  void look_up(const uint16_t* bins, uint64_t n_rows, uint64_t stride, uint8_t* out) const noexcept;

  [[nodiscard]] uint64_t resident_bytes() const noexcept {
    return tables_.size() + parts_.size() * sizeof(Part);
  }

 private:
  /// What a column of the walks adds to one of the tops. Several where a feature has more cuts than 16
  /// bits number; a row passes cuts of each of them.
  struct Part {
    uint64_t table;   ///< in tables_, `missing + 1` entries
    uint32_t column;  ///< of the walks
    uint32_t missing;
  };
  void add_part(const plan::TreeColumns& walks, uint32_t column, const plan::TreeColumns& tops,
                uint32_t top, bool first);

  std::vector<Part> parts_;
  std::vector<size_t> first_part_ = {0};  ///< [columns of the tops + 1]
  std::vector<uint8_t> tables_;
  uint64_t n_columns_;
};

}  // namespace cordwood::runtime
