// One thread a row, by the same steps as on every other processor.
#include "cuda/finish_rows.hpp"
#include "cuda/launch.hpp"
#include "kernels/link/step_rows.hpp"
#include "plan/decide_row.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 128;

template <class T>
__global__ void __launch_bounds__(kThreads) link_kernel(const kernels::LinkTask<T> task) {
  const uint64_t row = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= task.n_rows) return;
  if (task.kind == CORDWOOD_LINK_LOGIT) {
    kernels::logit_row(task, row);
  } else {
    kernels::link_row(task, row);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    decide_kernel(const cordwood_decide_attributes attributes, const uint32_t* groups,
                  const uint64_t n_groups, const T* values, const uint64_t n_rows,
                  const uint64_t n_columns, int64_t* out) {
  const uint64_t row = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= n_rows) return;
  plan::decide_row(attributes, groups, n_groups, values + row * n_columns, n_columns,
                   out + row * plan::decide_width(attributes, n_groups, n_columns));
}

Launch row_each(uint64_t n_rows, const char* place, cudaStream_t stream) {
  return {.grid = dim3(blocks_for(n_rows, kThreads)),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = place};
}

}  // namespace

template <class T>
Status link_rows(const kernels::LinkTask<T>& task, cudaStream_t stream) noexcept {
  return launch(link_kernel<T>, row_each(task.n_rows, "link", stream), task);
}
template Status link_rows(const kernels::LinkTask<float>&, cudaStream_t) noexcept;
template Status link_rows(const kernels::LinkTask<double>&, cudaStream_t) noexcept;

template <class T>
Status decide_rows(const cordwood_decide_attributes& attributes, const uint32_t* groups,
                   uint64_t n_groups, const T* values, uint64_t n_rows, uint64_t n_columns,
                   int64_t* out, cudaStream_t stream) noexcept {
  return launch(decide_kernel<T>, row_each(n_rows, "decision", stream), attributes, groups,
                n_groups, values, n_rows, n_columns, out);
}
template Status decide_rows(const cordwood_decide_attributes&, const uint32_t*, uint64_t,
                            const float*, uint64_t, uint64_t, int64_t*, cudaStream_t) noexcept;
template Status decide_rows(const cordwood_decide_attributes&, const uint32_t*, uint64_t,
                            const double*, uint64_t, uint64_t, int64_t*, cudaStream_t) noexcept;

}  // namespace cordwood::cuda
