// The best of a whole matrix: three passes count keys by 11, 11 and 10 bits, each among those that share
// the digits found so far, and one writes. Read: 16 bytes a score in all, 20 where keys at the cut must
// be told apart by their places; written: 1 byte. A score takes some 20 instructions of sm_90a in each
// pass. Nothing waits for the host between passes.
//
// Keys of one digit are many in the first pass, and threads that add to one counter wait for each other:
// each block has four counters of a digit, dealt to its threads in turn.
#include "cuda/mask_matrix.hpp"

#include "cuda/mask_select.cuh"
#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kDigits = 2048;
constexpr uint32_t kPasses = 3;
constexpr uint32_t kCopies = 4;
constexpr uint32_t kMostBlocks = 1024;

/// Scores of one block of a pass that needs to know their order.
constexpr uint64_t kTile = 4096;

constexpr uint32_t kDigitsPerThread = kDigits / kSelectThreads;

/// Lowest bit of a pass's digit.
__host__ __device__ constexpr uint32_t shift_of(uint32_t pass) {
  return pass == 0 ? 21 : pass == 1 ? 10 : 0;
}

struct Room {
  Cut cut;
  uint64_t counts[kPasses][kDigits];
};

struct CountTask {
  MaskScores scores;
  uint32_t pass;
  Room* room;
  unsigned long long* first_nan;
};

__global__ void __launch_bounds__(kSelectThreads) count_kernel(const CountTask task) {
  auto* counts = reinterpret_cast<uint32_t*>(block_memory);
  for (uint32_t i = threadIdx.x; i < kDigits * kCopies; i += kSelectThreads) counts[i] = 0;
  __syncthreads();
  const uint32_t shift = shift_of(task.pass);
  const uint32_t known = task.pass == 0 ? 32 : shift_of(task.pass - 1);
  const uint32_t digits = task.room->cut.digits;
  const uint32_t copy = threadIdx.x % kCopies;
  const auto take = [&](float score, uint64_t at) {
    const int32_t key = cordwood_prune_key(score, task.scores.is_signed);
    if (known == 32 && cordwood_prune_key_is_nan(key)) note_place(task.first_nan, at);
    const uint32_t ordered = ordered_key(key);
    if (known != 32 && (ordered ^ digits) >> known != 0) return;
    atomicAdd(&counts[(ordered >> shift & (kDigits - 1)) * kCopies + copy], 1u);
  };
  const uint64_t size = task.scores.n_rows * task.scores.n_inputs;
  const uint64_t n_fours = is_aligned(task.scores.scores, 16) ? size / 4 : 0;
  const uint64_t thread = uint64_t{blockIdx.x} * kSelectThreads + threadIdx.x;
  const uint64_t step = uint64_t{gridDim.x} * kSelectThreads;
  for (uint64_t four = thread; four < n_fours; four += step) {
    const float4 read = reinterpret_cast<const float4*>(task.scores.scores)[four];
    take(read.x, 4 * four);
    take(read.y, 4 * four + 1);
    take(read.z, 4 * four + 2);
    take(read.w, 4 * four + 3);
  }
  for (uint64_t i = n_fours * 4 + thread; i < size; i += step) take(task.scores.scores[i], i);
  __syncthreads();
  auto* all = reinterpret_cast<unsigned long long*>(task.room->counts[task.pass]);
  for (uint32_t digit = threadIdx.x; digit < kDigits; digit += kSelectThreads) {
    unsigned long long count = 0;
    for (uint32_t i = 0; i < kCopies; ++i) count += counts[digit * kCopies + i];
    if (count != 0) atomicAdd(&all[digit], count);
  }
}

__global__ void __launch_bounds__(kSelectThreads)
    digit_kernel(Room* room, const uint32_t pass, const uint64_t keep) {
  auto* sums = reinterpret_cast<uint64_t*>(block_memory);
  if (pass == 0 && threadIdx.x == 0) room->cut = {0, keep, 0};
  __syncthreads();
  choose_digit<kDigitsPerThread>(room->counts[pass], shift_of(pass), sums, &room->cut);
}

/// How many keys of each tile lie at the cut; not needed where all of them stay, or none.
__global__ void __launch_bounds__(kSelectThreads)
    tie_kernel(const MaskScores scores, const Room* room, uint64_t* ties) {
  if (room->cut.rank == room->cut.equal) return;
  const int32_t cut = cut_key(room->cut);
  const uint64_t first = uint64_t{blockIdx.x} * kTile;
  const uint64_t size = scores.n_rows * scores.n_inputs;
  const uint64_t end = size - first < kTile ? size : first + kTile;
  uint64_t own = 0;
  for (uint64_t i = first + threadIdx.x; i < end; i += kSelectThreads) {
    own += cordwood_prune_key(scores.scores[i], scores.is_signed) == cut ? 1 : 0;
  }
  const BlockSum sum = block_sum(own, reinterpret_cast<uint64_t*>(block_memory));
  if (threadIdx.x == 0) ties[blockIdx.x] = sum.all;
}

/// Counts of tiles to sums over the tiles before each; one block, and the sum of all behind them.
__global__ void __launch_bounds__(kSelectThreads)
    before_kernel(const Room* room, uint64_t* ties, const uint64_t n_tiles) {
  if (room->cut.rank == room->cut.equal) return;
  uint64_t before = 0;
  for (uint64_t first = 0; first < n_tiles; first += kSelectThreads) {
    const uint64_t tile = first + threadIdx.x;
    const uint64_t own = tile < n_tiles ? ties[tile] : 0;
    const BlockSum sum = block_sum(own, reinterpret_cast<uint64_t*>(block_memory));
    if (tile < n_tiles) ties[tile] = before + sum.before;
    before += sum.all;
  }
  if (threadIdx.x == 0) ties[n_tiles] = before;
}

__global__ void __launch_bounds__(kSelectThreads)
    mark_kernel(const MaskScores scores, const Room* room, const uint64_t* ties, uint8_t* mask) {
  const Cut cut = room->cut;
  const uint64_t first = uint64_t{blockIdx.x} * kTile;
  const uint64_t size = scores.n_rows * scores.n_inputs;
  const uint64_t count = size - first < kTile ? size - first : kTile;
  const int32_t key = cut.rank == 0 ? CORDWOOD_PRUNE_INFINITY : cut_key(cut);
  uint64_t stay = cut.rank;
  uint64_t equal = cut.equal;
  if (cut.rank != cut.equal) {
    const uint64_t before = ties[blockIdx.x];
    equal = ties[blockIdx.x + 1] - before;
    stay = cut.rank > before ? cut.rank - before : 0;
  }
  mark_cut(scores.scores + first, mask + first, count, key, stay, equal, scores.is_signed,
           reinterpret_cast<uint64_t*>(block_memory));
}

uint64_t tiles_of(const MaskScores& scores) noexcept {
  return (scores.size() + kTile - 1) / kTile;
}

}  // namespace

uint64_t matrix_scratch_bytes(const MaskScores& scores) noexcept {
  return sizeof(Room) + (tiles_of(scores) + 1) * sizeof(uint64_t);
}

Status choose_matrix(const MaskScores& scores, uint64_t keep, uint8_t* mask,
                     unsigned long long* first_nan, std::byte* scratch,
                     cudaStream_t stream) noexcept {
  auto* room = reinterpret_cast<Room*>(scratch);
  auto* ties = reinterpret_cast<uint64_t*>(scratch + sizeof(Room));
  const uint64_t n_tiles = tiles_of(scores);
  const auto blocks = [&](uint64_t count, std::size_t shared_bytes) -> Launch {
    return {.grid = dim3(static_cast<uint32_t>(count)),
            .threads = kSelectThreads,
            .shared_bytes = shared_bytes,
            .stream = stream,
            .place = "mask"};
  };
  constexpr std::size_t kSumBytes = kSelectWarps * sizeof(uint64_t);
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemsetAsync(room, 0, sizeof *room, stream), "mask");
  const uint64_t n_counting = n_tiles < kMostBlocks ? n_tiles : kMostBlocks;
  for (uint32_t pass = 0; pass < kPasses; ++pass) {
    const CountTask task{.scores = scores, .pass = pass, .room = room, .first_nan = first_nan};
    CORDWOOD_RETURN_IF_FAILED(
        launch(count_kernel, blocks(n_counting, kDigits * kCopies * sizeof(uint32_t)), task));
    CORDWOOD_RETURN_IF_FAILED(launch(digit_kernel, blocks(1, kSumBytes), room, pass, keep));
  }
  CORDWOOD_RETURN_IF_FAILED(launch(tie_kernel, blocks(n_tiles, kSumBytes), scores, room, ties));
  CORDWOOD_RETURN_IF_FAILED(launch(before_kernel, blocks(1, kSumBytes), room, ties, n_tiles));
  return launch(mark_kernel, blocks(n_tiles, kSumBytes), scores, room, ties, mask);
}

}  // namespace cordwood::cuda
