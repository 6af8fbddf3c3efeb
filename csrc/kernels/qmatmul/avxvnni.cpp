// qmatmul with vpdpbusd on 32-byte vectors, 3 rows by 32 outputs: 12 sums in registers.
//
// A step of 3 rows is 4 loads of weights and 3 broadcasts against 12 multiply-adds, two a cycle: they
// bind, at half the rate of avx512icl. Tiles of 6 rows by 16 outputs load no less, and read each panel
// as two streams with gaps, which took half as long again from memory.
#include "kernels/qmatmul/avx2.hpp"
#include "kernels/qmatmul/dots.hpp"
#include "kernels/qmatmul/panels.hpp"

namespace cordwood::kernels::avxvnni {
namespace {

struct Dot : Avx2 {
  static constexpr uint32_t kTileRows = 3;
  static constexpr uint32_t kWholeRows = 3;
  static constexpr uint32_t kNibbleRows = 12;
  static constexpr bool kSigned = false;

  static __m256i weights(const uint8_t* bytes) noexcept { return load_bytes(bytes); }
  static Ints add_products(Ints sum, __m256i codes, __m256i own) noexcept {
    return reinterpret_cast<Ints>(
        _mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sum), codes, own));
  }
};

}  // namespace

void qmatmul_s8(const Qmatmul& task) noexcept {
  task.rows.zeros == nullptr ? run_panels<DotLoops<Dot>>(task)
                             : run_panels<Affine<DotLoops<Dot>>>(task);
}

}  // namespace cordwood::kernels::avxvnni
