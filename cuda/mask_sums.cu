// Block sums, and masks of blocks spread to weights. Sums read 4 bytes a score: 16 threads a block of 16
// inputs and more, one for each of the sums that the inputs are dealt to; one thread a narrower block.
// Spreading writes 1 byte a weight and reads next to nothing.
#include "cuda/array_steps.cuh"
#include "cuda/launch.hpp"
#include "cuda/mask.hpp"
#include "cuda/ops_call.hpp"
#include "kernels/prune_mask/step.h"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kSums = 16;
constexpr uint32_t kWholeWarp = 0xFFFFFFFFu;

struct SumTask {
  MaskScores scores;
  MaskBlocks blocks;
  uint64_t n_columns;  ///< of the sums
  uint64_t n_sums;
  float* sums;
  unsigned long long* places;  ///< of the first NaN: score, sum
};

/// The rows of a block's strip.
struct Strip {
  uint64_t first;
  uint64_t n_rows;
};

__device__ Strip strip_of(const SumTask& task, uint64_t number) {
  const uint64_t first = number * task.blocks.rows;
  const uint64_t left = task.scores.n_rows - first;
  return {first, left < task.blocks.rows ? left : task.blocks.rows};
}

/// Sum of one column down the rows of a strip.
__device__ float column_sum(const SumTask& task, const Strip& strip, uint64_t input) {
  const float* scores = task.scores.scores + strip.first * task.scores.n_inputs + input;
  float sum = cordwood_prune_score(scores[0], task.scores.is_signed);
#pragma unroll 4
  for (uint64_t row = 1; row < strip.n_rows; ++row) {
    sum += cordwood_prune_score(scores[row * task.scores.n_inputs], task.scores.is_signed);
  }
  return sum;
}

/// Notes the scores of a column that are NaN: sums show that there may be some.
__device__ void note_column(const SumTask& task, const Strip& strip, uint64_t input) {
  for (uint64_t row = 0; row < strip.n_rows; ++row) {
    const uint64_t place = (strip.first + row) * task.scores.n_inputs + input;
    const float score = task.scores.scores[place];
    if (score != score) note_place(task.places, place);
  }
}

__device__ void write_sum(const SumTask& task, uint64_t block, float sum) {
  if (sum != sum) note_place(task.places + 1, block);
  task.sums[block] = sum;
}

/// Takes the inputs in such an order that sums of a fold by halves follow one another, as carries of a
/// counter do: 0, 8, 4, 12, 2 and on.
__global__ void __launch_bounds__(kThreads) narrow_kernel(const SumTask task) {
  const uint64_t block = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (block >= task.n_sums) return;
  const uint64_t number = divide(block, task.n_columns);
  const Strip strip = strip_of(task, number);
  const uint64_t first = (block - number * task.n_columns) * task.blocks.inputs;
  float folded[4] = {};
  float sum = 0.0f;
#pragma unroll 1
  for (uint32_t turn = 0; turn < kSums; ++turn) {
    const uint64_t k = __brev(turn) >> 28;
    sum = 0.0f;
    if (k < task.blocks.inputs && first + k < task.scores.n_inputs) {
      sum += column_sum(task, strip, first + k);
      if (sum != sum) note_column(task, strip, first + k);
    }
    bool is_open = true;
#pragma unroll
    for (uint32_t level = 0; level < 4; ++level) {
      if (!is_open) continue;
      is_open = (turn >> level & 1) != 0;
      if (is_open) {
        sum = folded[level] + sum;
      } else {
        folded[level] = sum;
      }
    }
  }
  write_sum(task, block, sum);
}

__global__ void __launch_bounds__(kThreads) wide_kernel(const SumTask task) {
  const uint64_t thread = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint64_t block = thread / kSums;
  const uint32_t lane = threadIdx.x % kSums;
  float sum = 0.0f;
  if (block < task.n_sums) {
    const uint64_t number = divide(block, task.n_columns);
    const Strip strip = strip_of(task, number);
    const uint64_t first = (block - number * task.n_columns) * task.blocks.inputs;
    const uint64_t left = task.scores.n_inputs - first;
    const uint64_t size = left < task.blocks.inputs ? left : task.blocks.inputs;
    if (strip.n_rows == 1) {
#pragma unroll 8
      for (uint64_t k = lane; k < size; k += kSums) sum += column_sum(task, strip, first + k);
    } else {
#pragma unroll 1
      for (uint64_t k = lane; k < size; k += kSums) sum += column_sum(task, strip, first + k);
    }
    for (uint64_t k = lane; sum != sum && k < size; k += kSums) note_column(task, strip, first + k);
  }
#pragma unroll
  for (uint32_t half = kSums / 2; half > 0; half /= 2) {
    sum += __shfl_down_sync(kWholeWarp, sum, half, kSums);
  }
  if (lane == 0 && block < task.n_sums) write_sum(task, block, sum);
}

/// One thread 4 weights of a row.
__global__ void __launch_bounds__(kThreads)
    spread_kernel(const uint8_t* chosen, const MaskBlocks blocks, const uint64_t n_rows,
                  const uint64_t n_inputs, uint8_t* mask) {
  const uint64_t n_quads = (n_inputs + 3) / 4;
  const uint64_t thread = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint64_t row = divide(thread, n_quads);
  if (row >= n_rows) return;
  const uint64_t first = (thread - row * n_quads) * 4;
  const uint64_t n_columns = divide(n_inputs + blocks.inputs - 1, blocks.inputs);
  const uint8_t* strip = chosen + divide(row, blocks.rows) * n_columns;
  uint8_t* out = mask + row * n_inputs + first;
  uint32_t bytes = 0;
  const uint32_t count = n_inputs - first < 4 ? static_cast<uint32_t>(n_inputs - first) : 4;
  for (uint32_t k = 0; k < count; ++k) {
    bytes |= uint32_t{strip[divide(first + k, blocks.inputs)]} << (8 * k);
  }
  if (count == 4 && is_aligned(out, 4)) {
    *reinterpret_cast<uint32_t*>(out) = bytes;
    return;
  }
  for (uint32_t k = 0; k < count; ++k) out[k] = static_cast<uint8_t>(bytes >> (8 * k));
}

Launch threads_for(uint64_t count, const char* place, cudaStream_t stream) noexcept {
  return {.grid = dim3(blocks_for(count, kThreads)),
          .threads = kThreads,
          .shared_bytes = 0,
          .stream = stream,
          .place = place};
}

/// Blocks that reach past the matrix are as large as it is: their sizes may be near 2^64.
MaskBlocks within(const MaskBlocks& blocks, uint64_t n_rows, uint64_t n_inputs) noexcept {
  return {.rows = blocks.rows < n_rows ? blocks.rows : n_rows,
          .inputs = blocks.inputs < n_inputs ? blocks.inputs : n_inputs};
}

}  // namespace

Result<SumPlaces> mask_sums(const MaskScores& scores, const MaskBlocks& blocks, float* sums,
                            cudaStream_t stream) noexcept {
  PlaceOnDevice of_score;
  CORDWOOD_RETURN_IF_FAILED(of_score.open(0, stream));
  unsigned long long* places = of_score.place();
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemsetAsync(places, 0xFF, 2 * sizeof *places, stream), "sums");
  const MaskBlocks cut = within(blocks, scores.n_rows, scores.n_inputs);
  const uint64_t n_columns = (scores.n_inputs + cut.inputs - 1) / cut.inputs;
  const uint64_t n_sums = (scores.n_rows + cut.rows - 1) / cut.rows * n_columns;
  const SumTask task{.scores = scores,
                     .blocks = cut,
                     .n_columns = n_columns,
                     .n_sums = n_sums,
                     .sums = sums,
                     .places = places};
  if (cut.inputs < kSums) {
    CORDWOOD_RETURN_IF_FAILED(launch(narrow_kernel, threads_for(n_sums, "sums", stream), task));
  } else {
    CORDWOOD_RETURN_IF_FAILED(
        launch(wide_kernel, threads_for(n_sums * kSums, "sums", stream), task));
  }
  unsigned long long found[2];
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaMemcpyAsync(found, places, sizeof found, cudaMemcpyDeviceToHost, stream), "sums");
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamSynchronize(stream), "sums");
  return SumPlaces{.score = found[0], .sum = found[1]};
}

Status mask_spread(const uint8_t* chosen, const MaskBlocks& blocks, uint64_t n_rows,
                   uint64_t n_inputs, uint8_t* mask, cudaStream_t stream) noexcept {
  const uint64_t n_threads = n_rows * ((n_inputs + 3) / 4);
  return launch(spread_kernel, threads_for(n_threads, "mask", stream), chosen,
                within(blocks, n_rows, n_inputs), n_rows, n_inputs, mask);
}

}  // namespace cordwood::cuda
