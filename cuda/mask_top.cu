// The best of every row, a block each: four passes over a row's keys, 8 bits at a time, and one that
// writes. Memory is read once, 4 bytes a score, where a row lies in the caches from then on; 1 byte is
// written. Few digits are common, and threads that add to one counter wait for each other: a digit has
// eight of them.
#include "cuda/mask_matrix.hpp"
#include "cuda/mask_select.cuh"
#include "cuda/ops_call.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kDigits = 256;
constexpr uint32_t kCopies = 8;

/// Of shared memory.
struct RowRoom {
  uint64_t sums[kSelectWarps];
  Cut cut;
  uint32_t counts[kDigits];
  uint32_t copies[kDigits * kCopies];
};

__global__ void __launch_bounds__(kSelectThreads)
    row_kernel(const MaskScores task, const uint64_t keep, uint8_t* mask,
               unsigned long long* first_nan) {
  RowRoom& room = *reinterpret_cast<RowRoom*>(block_memory);
  const uint64_t start = uint64_t{blockIdx.x} * task.n_inputs;
  const float* scores = task.scores + start;
  if (threadIdx.x == 0) room.cut = {0, keep, 0};
  for (uint32_t shift = 32; shift > 0;) {
    const uint32_t known = shift;
    shift -= 8;
    for (uint32_t i = threadIdx.x; i < kDigits * kCopies; i += kSelectThreads) room.copies[i] = 0;
    __syncthreads();
    const uint32_t digits = room.cut.digits;
    for (uint64_t i = threadIdx.x; i < task.n_inputs; i += kSelectThreads) {
      const int32_t key = cordwood_prune_key(scores[i], task.is_signed);
      if (known == 32 && cordwood_prune_key_is_nan(key)) note_place(first_nan, start + i);
      const uint32_t ordered = ordered_key(key);
      const bool counts = known == 32 || (ordered ^ digits) >> known == 0;
      const uint32_t digit = ordered >> shift & (kDigits - 1);
      if (counts) atomicAdd(&room.copies[digit * kCopies + threadIdx.x % kCopies], 1u);
    }
    __syncthreads();
    uint32_t count = 0;
    for (uint32_t i = 0; i < kCopies; ++i) {
      count += room.copies[threadIdx.x * kCopies + (i + threadIdx.x) % kCopies];
    }
    room.counts[threadIdx.x] = count;
    __syncthreads();
    choose_digit<1>(room.counts, shift, room.sums, &room.cut);
    __syncthreads();
  }
  const Cut cut = room.cut;
  const int32_t key = keep == 0 ? CORDWOOD_PRUNE_INFINITY : cut_key(cut);
  mark_cut(scores, mask + start, task.n_inputs, key, cut.rank, cut.equal, task.is_signed,
           room.sums);
}

Status choose_rows(const MaskScores& scores, uint64_t keep, uint8_t* mask,
                   unsigned long long* first_nan, cudaStream_t stream) noexcept {
  const Launch how{.grid = dim3(static_cast<uint32_t>(scores.n_rows)),
                   .threads = kSelectThreads,
                   .shared_bytes = sizeof(RowRoom),
                   .stream = stream,
                   .place = "mask"};
  return launch(row_kernel, how, scores, keep, mask, first_nan);
}

}  // namespace

Result<uint64_t> mask_top(const MaskScores& scores, uint64_t keep, bool whole, uint8_t* mask,
                          cudaStream_t stream) noexcept {
  PlaceOnDevice nan;
  if (whole || scores.n_rows == 1) {
    CORDWOOD_RETURN_IF_FAILED(nan.open(matrix_scratch_bytes(scores), stream));
    CORDWOOD_RETURN_IF_FAILED(choose_matrix(scores, keep, mask, nan.place(), nan.rest(), stream));
  } else {
    CORDWOOD_RETURN_IF_FAILED(nan.open(0, stream));
    CORDWOOD_RETURN_IF_FAILED(choose_rows(scores, keep, mask, nan.place(), stream));
  }
  return nan.wait();
}

}  // namespace cordwood::cuda
