// From leaves to answers: sums in the trees' order, medians, and the source's numbers of leaves.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/result.hpp"
#include "cuda/device_rows.hpp"
#include "cuda/leaf_grid.hpp"
#include "plan/load_rule.hpp"

namespace cordwood::cuda {

/// A tree whose leaves an output adds.
struct OutputTree {
  uint32_t tree;
  uint32_t first_leaf;  ///< its own, among those of all trees
};

/// Of the device. A leaf's number among all is `first_leaf[tree]` and its number in the tree.
template <class Sum>
struct LeafTables {
  const uint32_t* first_leaf;  ///< [n_trees]
  const uint32_t* leaf_row;    ///< by leaf: its row of values
  const Sum* values;           ///< [rows][width]
  const Sum* leaf_values;      ///< by leaf: its value; null where leaves are not added as they are
  const OutputTree* output_trees;  ///< by output, in order
  const uint32_t*
      first_of_output;  ///< [n_outputs + 1] in output_trees; outputs share all trees where
                        ///< leaves have a value of each
  const Sum* base;      ///< [n_outputs]
  Sum divisor;          ///< of an average; else 0
  uint32_t n_outputs;
  uint32_t width;
  uint32_t n_trees;
};

/// Sums of each row's leaves to `out`, C order [n_rows, n_outputs], from `start` of the same form or from
/// the base values where that is null; `start` may be `out`.
template <class Leaf, class Sum>
Status sum_leaves(const LeafTables<Sum>& tables, const LeafGrid<Leaf>& leaves, uint64_t n_rows,
                  const Sum* start, Sum* out, cudaStream_t stream) noexcept;

/// Terms of leaves that are linear in a row's values, by leaf row.
struct LinearTables {
  const uint64_t* first_term;  ///< [rows + 1]
  const uint32_t* feature;     ///< [terms]
  const double* coefficient;
  const double* constant;  ///< [rows]
  double zero_band;
  bool wide;  ///< values are float64, else float32
};

/// As `sum_leaves` for such leaves, which have one value each.
template <class Leaf, class Sum>
Status sum_linear_leaves(const LeafTables<Sum>& tables, const LinearTables& linear,
                         const DeviceRows& rows, const plan::LoadRule& rule,
                         const LeafGrid<Leaf>& leaves, const Sum* start, Sum* out,
                         cudaStream_t stream) noexcept;

/// Weighted medians of each row's leaves. `keys` is scratch, [n_trees][n_rows].
template <class Leaf, class Sum>
Status median_leaves(const LeafTables<Sum>& tables, const uint32_t* rank, const double* weight,
                     const LeafGrid<Leaf>& leaves, uint64_t n_rows, uint64_t* keys, Sum* out,
                     cudaStream_t stream) noexcept;

/// Writes `number[leaf]` of each row and tree to `out`, C order [n_rows, n_trees].
template <class Leaf>
Status number_leaves(const uint32_t* first_leaf, const int32_t* number, uint32_t n_trees,
                     const LeafGrid<Leaf>& leaves, uint64_t n_rows, int32_t* out,
                     cudaStream_t stream) noexcept;

}  // namespace cordwood::cuda
