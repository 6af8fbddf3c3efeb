// Aggregates that few models have: leaves that are linear in a row's values, and weighted medians. One
// thread a row; what is said of each in csrc/runtime/tree_linear_pass.cpp and tree_median_pass.cpp holds
// here, operation by operation.
#include "cuda/launch.hpp"
#include "cuda/row_values.cuh"
#include "cuda/sum_leaves.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 128;
constexpr uint32_t kFewestBlocks =
    12;  // without a number the compiler fits more, and spills for them

template <class Float>
__device__ __forceinline__ double linear_answer(const LinearTables& linear, const DeviceRows& rows,
                                                const plan::LoadRule& rule, uint64_t row,
                                                uint32_t leaf_row, double plain) {
  double sum = linear.constant[leaf_row];
  bool missing = false;
  const uint64_t end = linear.first_term[leaf_row + 1];
  for (uint64_t term = linear.first_term[leaf_row]; term < end; ++term) {
    Float value = row_value<Float>(rows, rule, row, linear.feature[term]);
    if (static_cast<double>(value < 0 ? -value : value) <= linear.zero_band) value = 0;
    missing |= value != value;
    sum += linear.coefficient[term] * static_cast<double>(value);
  }
  return missing ? plain : sum;
}

template <class Leaf, class Sum, class Float>
__global__ void __launch_bounds__(kThreads, kFewestBlocks)
    linear_kernel(const LeafTables<Sum> tables, const LinearTables linear, const DeviceRows rows,
                  const plan::LoadRule rule, const LeafGrid<Leaf> leaves, const Sum* start,
                  Sum* out) {
  const uint64_t row = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint32_t output = blockIdx.y;
  if (row >= rows.n_rows) return;
  const uint64_t at = row * tables.n_outputs + output;
  Sum sum = start != nullptr ? start[at] : tables.base[output];
  const uint32_t end = tables.first_of_output[output + 1];
  for (uint32_t i = tables.first_of_output[output]; i < end; ++i) {
    const OutputTree tree = tables.output_trees[i];
    const uint32_t leaf = tree.first_leaf + leaves.at[tree.tree * leaves.pitch + row];
    const uint32_t leaf_row = tables.leaf_row[leaf];
    const auto plain = static_cast<double>(tables.values[leaf_row]);
    sum += static_cast<Sum>(linear_answer<Float>(linear, rows, rule, row, leaf_row, plain));
  }
  if (sum != sum) sum = static_cast<Sum>(nan(""));  // infinite values may have cancelled
  out[at] = tables.divisor != 0 ? sum / tables.divisor : sum;
}

/// Keys of a row, `step` apart, in ascending order: a heap's way, which needs no more memory.
__device__ void sort_keys(uint64_t* keys, uint32_t count, uint64_t step) {
  const auto sift = [&](uint32_t top, uint32_t end) {
    const uint64_t key = keys[top * step];
    for (uint32_t child = 2 * top + 1; child < end; child = 2 * top + 1) {
      if (child + 1 < end && keys[(child + 1) * step] > keys[child * step]) ++child;
      if (keys[child * step] <= key) break;
      keys[top * step] = keys[child * step];
      top = child;
    }
    keys[top * step] = key;
  };
  for (uint32_t top = count / 2; top-- > 0;) sift(top, count);
  for (uint32_t end = count; end-- > 1;) {
    const uint64_t largest = keys[0];
    keys[0] = keys[end * step];
    keys[end * step] = largest;
    sift(0, end);
  }
}

template <class Leaf, class Sum>
__global__ void __launch_bounds__(kThreads)
    median_kernel(const LeafTables<Sum> tables, const uint32_t* rank, const double* weight,
                  const LeafGrid<Leaf> leaves, const uint64_t n_rows, uint64_t* all_keys,
                  Sum* out) {
  const uint64_t row = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= n_rows) return;
  if (tables.n_trees == 0) {
    out[row] = tables.base[0];
    return;
  }
  const auto leaf_row = [&](uint32_t tree) {
    return tables.leaf_row[tables.first_leaf[tree] + leaves.at[tree * leaves.pitch + row]];
  };
  uint64_t* const keys = all_keys + row;
  for (uint32_t tree = 0; tree < tables.n_trees; ++tree) {
    keys[tree * n_rows] = uint64_t{rank[leaf_row(tree)]} << 32 | tree;
  }
  sort_keys(keys, tables.n_trees, n_rows);
  const auto weight_of = [&](uint32_t place) {
    return weight[static_cast<uint32_t>(keys[place * n_rows])];
  };
  double total = 0;
  for (uint32_t place = 0; place < tables.n_trees; ++place) total += weight_of(place);
  const double half = 0.5 * total;
  double sum = weight_of(0);
  uint32_t place = 0;
  while (sum < half) sum += weight_of(++place);
  out[row] = tables.values[leaf_row(static_cast<uint32_t>(keys[place * n_rows]))];
}

Launch rows_each(uint64_t n_rows, uint32_t n_outputs, const char* place, cudaStream_t stream) {
  return {.grid = dim3(blocks_for(n_rows, kThreads), n_outputs),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = place};
}

}  // namespace

template <class Leaf, class Sum>
Status sum_linear_leaves(const LeafTables<Sum>& tables, const LinearTables& linear,
                         const DeviceRows& rows, const plan::LoadRule& rule,
                         const LeafGrid<Leaf>& leaves, const Sum* start, Sum* out,
                         cudaStream_t stream) noexcept {
  const Launch how = rows_each(rows.n_rows, tables.n_outputs, "sums of linear leaves", stream);
  const auto kernel =
      linear.wide ? linear_kernel<Leaf, Sum, double> : linear_kernel<Leaf, Sum, float>;
  return launch(kernel, how, tables, linear, rows, rule, leaves, start, out);
}

template <class Leaf, class Sum>
Status median_leaves(const LeafTables<Sum>& tables, const uint32_t* rank, const double* weight,
                     const LeafGrid<Leaf>& leaves, uint64_t n_rows, uint64_t* keys, Sum* out,
                     cudaStream_t stream) noexcept {
  const Launch how = rows_each(n_rows, 1, "weighted medians", stream);
  return launch(median_kernel<Leaf, Sum>, how, tables, rank, weight, leaves, n_rows, keys, out);
}

#define CORDWOOD_FOR(Leaf, Sum)                                                                    \
  template Status sum_linear_leaves(                                                               \
      const LeafTables<Sum>&, const LinearTables&, const DeviceRows&, const plan::LoadRule&,       \
      const LeafGrid<Leaf>&, const Sum*, Sum*, cudaStream_t) noexcept;                             \
  template Status median_leaves(const LeafTables<Sum>&, const uint32_t*, const double*,            \
                                const LeafGrid<Leaf>&, uint64_t, uint64_t*, Sum*,                  \
                                cudaStream_t) noexcept;
CORDWOOD_FOR(uint8_t, float)
CORDWOOD_FOR(uint8_t, double)
CORDWOOD_FOR(uint16_t, float)
CORDWOOD_FOR(uint16_t, double)
CORDWOOD_FOR(uint32_t, float)
CORDWOOD_FOR(uint32_t, double)
#undef CORDWOOD_FOR

}  // namespace cordwood::cuda
