// tree_heap on AVX-512 with VBMI: vpermb fetches the bins of a tree's 63 nodes, one compare makes its
// word; then eight trees walk down in the lanes of a register, two shifts and two additions a level.
//
// Per tree: two loads, a look-up, a compare, a mask store, and 3.5 instructions of the walk. What binds
// is the stream of 128 bytes from the L2.
#include <immintrin.h>

#include "kernels/tree_mask/avx512icl.hpp"
#include "kernels/tree_mask/tree_heap.hpp"

namespace cordwood::kernels::avx512icl {
namespace {

template <uint32_t kRegisters>
void compare_nodes(const HeapModel& model, const uint8_t* row_bins, uint64_t* words) {
  const Bins<kRegisters> bins(row_bins);
#pragma GCC unroll 4
  for (uint64_t tree = 0; tree < model.n_trees; ++tree) {
    const __m512i bin = bins.at(_mm512_loadu_si512(model.columns + tree * kHeapNodes));
    words[tree] = _mm512_cmpgt_epu8_mask(bin, _mm512_loadu_si512(model.ranks + tree * kHeapNodes));
  }
}

}  // namespace

void tree_heap_u8(const HeapModel& model, const uint8_t* bins, uint64_t* words,
                  uint32_t* places) noexcept {
  if (model.n_columns <= 64) {
    compare_nodes<1>(model, bins, words);
  } else if (model.n_columns <= 128) {
    compare_nodes<2>(model, bins, words);
  } else {
    compare_nodes<4>(model, bins, words);
  }
  const __m512i one = _mm512_set1_epi64(1);
  const __m512i first_place = _mm512_set1_epi64(1ll << model.levels);
  for (uint32_t tree = 0; tree < model.n_trees; tree += kHeapTreesAtOnce) {
    const __m512i word = _mm512_load_si512(words + tree);
    __m512i node = one;
    for (uint32_t level = 0; level < model.levels; ++level) {
      const __m512i right = _mm512_and_si512(_mm512_srlv_epi64(word, node), one);
      node = _mm512_add_epi64(_mm512_add_epi64(node, node), right);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(places + tree),
                        _mm512_cvtepi64_epi32(_mm512_sub_epi64(node, first_place)));
  }
}

}  // namespace cordwood::kernels::avx512icl
