// tree_heap on AVX2: two times 32 nodes are looked up by pshufb and compared; the walk down is scalar, and
// that of one tree overlaps with the look-ups of the next.
//
// Per tree on up to 32 columns: 24 instructions for its word and 24 for the walk.
#include <immintrin.h>

#include "kernels/tree_mask/avx2.hpp"
#include "kernels/tree_mask/tree_heap.hpp"

namespace cordwood::kernels::avx2 {
namespace {

template <uint32_t kTables>
void run(const HeapModel& model, const uint8_t* row_bins, uint32_t* places) {
  const Bins<kTables> bins(row_bins);
  for (uint64_t tree = 0; tree < model.n_trees; ++tree) {
    const uint8_t* columns = model.columns + tree * kHeapNodes;
    const uint8_t* ranks = model.ranks + tree * kHeapNodes;
    const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(stays_left(bins, columns, ranks)));
    const auto high = static_cast<uint32_t>(
        _mm256_movemask_epi8(stays_left(bins, columns + kHeapNodes / 2, ranks + kHeapNodes / 2)));
    const uint64_t word = ~(uint64_t{high} << 32 | low);
    uint64_t node = 1;
    for (uint32_t level = 0; level < model.levels; ++level) node = 2 * node + (word >> node & 1);
    places[tree] = static_cast<uint32_t>(node - (uint64_t{1} << model.levels));
  }
}

}  // namespace

void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* /*words*/,
                  uint32_t* places) noexcept {
  if (model.n_columns <= 32) {
    run<2>(model, bins, places);
  } else if (model.n_columns <= 64) {
    run<4>(model, bins, places);
  } else if (model.n_columns <= 128) {
    run<8>(model, bins, places);
  } else {
    run<16>(model, bins, places);
  }
}

}  // namespace cordwood::kernels::avx2
