// Engine columns: what a block of rows is binned into before any tree is looked at.
//
// The file has one column per feature and kind. An engine wants small integers, so a file column with
// more cuts than its bins can tell apart becomes several, each covering a run of cuts; eight-bit
// columns also come apart by where NaN goes, because there is no code to spare for it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.hpp"
#include "base/result.hpp"
#include "format/trees.hpp"
#include "kernels/tree_bin/tree_bin.hpp"

namespace cordwood::plan {

enum class BinWidth : uint8_t {
  k8,   ///< 255 cuts; NaN shares the lowest or the highest rank
  k16,  ///< 65 534 cuts; NaN is 0xFFFF
};

/// The question that an inner node asks of a row's bins.
struct NodeTest {
  uint32_t column = 0;  ///< engine column
  uint32_t rank = 0;    ///< goes right where bin > rank; category: the set
  bool category = false;
};

class TreeColumns {
 public:
  /// Plans the columns that the nodes of `arrays` need, at this width.
  static Result<TreeColumns> plan(const format::TreeArrays& arrays, BinWidth width) noexcept;

  TreeColumns(TreeColumns&&) noexcept =
      default;  // columns point into the storage, which moves along
  TreeColumns& operator=(TreeColumns&&) noexcept = default;

  /// Whether every category column's bins fit the width.
  static bool categories_fit(const format::TreeArrays& arrays, BinWidth width) noexcept;

  /// The test of inner node `node`.
  [[nodiscard]] NodeTest test(const format::TreeArrays& arrays, uint64_t node) const noexcept {
    const Key where = key(arrays, node);
    return {slot_column_[where.slot], where.rank, sources_[arrays.column[node]].category};
  }

  /// Features to load, ascending: those in use, or all where rows can be refused for their values.
  [[nodiscard]] const std::vector<uint32_t>& features() const noexcept { return features_; }

  /// Ready for tree_bin; `feature` counts in features().
  [[nodiscard]] const std::vector<kernels::BinColumn>& columns() const noexcept { return columns_; }

  /// File column behind an engine column.
  [[nodiscard]] uint32_t file_column(uint32_t column) const noexcept {
    return file_column_[column];
  }

  /// Cut or set of the file column that is rank 0 of an engine column.
  [[nodiscard]] uint32_t first_rank(uint32_t column) const noexcept { return first_rank_[column]; }

  /// Cut, or listed category, number `rank` of an engine column.
  [[nodiscard]] double cut(uint32_t column, uint32_t rank) const noexcept {
    const void* sorted = columns_[column].sorted;
    return float_storage_.empty() ? static_cast<const double*>(sorted)[rank]
                                  : double{static_cast<const float*>(sorted)[rank]};
  }

  [[nodiscard]] BinWidth width() const noexcept { return width_; }
  [[nodiscard]] uint64_t resident_bytes() const noexcept;

 private:
  TreeColumns() = default;
  struct Key {
    uint64_t slot;
    uint32_t rank;
  };
  /// A column of the file, as engine columns are made of it.
  struct Source {
    uint64_t first_slot;    ///< where its run of possible engine columns starts
    uint32_t segment_size;  ///< cuts, or sets, of one of them
    uint32_t n_sides;       ///< 2 where each comes apart by where NaN goes
    bool category;
  };

  [[nodiscard]] Key key(const format::TreeArrays& arrays, uint64_t node) const noexcept {
    const Source& source = sources_[arrays.column[node]];
    const uint32_t side = source.n_sides == 2 ? arrays.missing_left[node] : 0;
    uint32_t segment = 0;
    uint32_t rank = arrays.rank[node];
    if (rank >= source.segment_size) {  // seldom, and a division takes longer than all the rest
      segment = rank / source.segment_size;
      rank %= source.segment_size;
    }
    return {source.first_slot + uint64_t{segment} * source.n_sides + side, rank};
  }
  void number_keys(const format::TreeArrays& arrays);
  void list_features(const format::TreeArrays& arrays);
  void mark_used(const format::TreeArrays& arrays);
  void describe(const format::TreeArrays& arrays);
  template <class Float>
  void lay_tables(const format::TreeArrays& arrays, AlignedVector<Float>& storage);
  template <class Float>
  void lay_keys();

  BinWidth width_ = BinWidth::k8;
  std::vector<Source> sources_;        ///< [file columns]
  std::vector<uint32_t> slot_column_;  ///< engine column of each possible one, or kUnused
  std::vector<uint32_t> features_;
  std::vector<uint32_t> file_column_;
  std::vector<uint32_t> first_rank_;
  std::vector<kernels::BinColumn> columns_;
  AlignedVector<float> float_storage_;
  AlignedVector<double> double_storage_;
  AlignedVector<int32_t> key_storage_;
};

}  // namespace cordwood::plan
