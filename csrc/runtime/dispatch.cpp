#include "runtime/dispatch.hpp"

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/cpu_probe.hpp"

namespace cordwood::runtime {
namespace {

bool always() noexcept {
  return true;
}

/// A row that has the kernels of another one for trees, and its own for arrays.
[[maybe_unused]] constexpr KernelRow like(KernelRow row, const char* name, bool (*probe)() noexcept,
                                          const ArrayKernels* arrays) noexcept {
  row.name = name;
  row.probe = probe;
  row.arrays = arrays;
  return row;
}

#if defined(CORDWOOD_WITH_AVX2)
constexpr KernelRow kAvx2{
    .name = "avx2",
    .probe = base::cpu_has_avx2,
    .slice_pays = true,
    .arrays = &kArraysAvx2,
    .lookup_pays = false,
    .link_f32 = kernels::avx2::link_f32,
    .link_f64 = kernels::avx2::link_f64,
    .logit_f32 = kernels::scalar::logit_f32,
    .logit_f64 = kernels::scalar::logit_f64,
    .load_columns_f32_f32 = kernels::avx2::load_columns_f32_f32,
    .load_columns_f32_f64 = kernels::avx2::load_columns_f32_f64,
    .load_columns_f64_f32 = kernels::avx2::load_columns_f64_f32,
    .load_columns_f64_f64 = kernels::avx2::load_columns_f64_f64,
    .tree_bin_f32_u8 = kernels::avx2::tree_bin_f32_u8,
    .tree_bin_f64_u8 = kernels::avx2::tree_bin_f64_u8,
    .tree_bin_f32_u16 = kernels::avx2::tree_bin_f32_u16,
    .tree_bin_f64_u16 = kernels::avx2::tree_bin_f64_u16,
    .tree_bin_row_f32_u8 = kernels::scalar::tree_bin_row_f32_u8,
    .tree_bin_row_f64_u8 = kernels::scalar::tree_bin_row_f64_u8,
    .tree_bin_row_f32_u16 = kernels::scalar::tree_bin_row_f32_u16,
    .tree_bin_row_f64_u16 = kernels::scalar::tree_bin_row_f64_u16,
    .tree_walk_u16 = kernels::avx2::tree_walk_u16,
    .tree_slice_f32 = kernels::avx2::tree_slice_f32,
    .tree_slice_f64 = kernels::avx2::tree_slice_f64,
    .tree_slice_leaves = kernels::avx2::tree_slice_leaves,
    .tree_slice_word_f32 = kernels::avx2::tree_slice_word_f32,
    .tree_slice_word_f64 = kernels::avx2::tree_slice_word_f64,
    .tree_slice_word_leaves = kernels::avx2::tree_slice_word_leaves,
    .tree_lookup_f32 = kernels::scalar::tree_lookup_f32,
    .tree_lookup_f64 = kernels::scalar::tree_lookup_f64,
    .tree_lookup_leaves = kernels::scalar::tree_lookup_leaves,
    .tree_mask_u8 = kernels::avx2::tree_mask_u8,
    .tree_heap_u8 = kernels::avx2::tree_heap_u8,
};
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
constexpr KernelRow kAvx512icl{
    .name = "avx512icl",
    .probe = base::cpu_has_avx512icl,
    .slice_pays = true,
    .arrays = &kArraysAvx512icl,
    .lookup_pays = true,
    .link_f32 = kernels::avx512::link_f32,
    .link_f64 = kernels::avx512::link_f64,
    .logit_f32 = kernels::scalar::logit_f32,
    .logit_f64 = kernels::scalar::logit_f64,
    .load_columns_f32_f32 = kernels::avx512::load_columns_f32_f32,
    .load_columns_f32_f64 = kernels::avx512::load_columns_f32_f64,
    .load_columns_f64_f32 = kernels::avx512::load_columns_f64_f32,
    .load_columns_f64_f64 = kernels::avx512::load_columns_f64_f64,
    .tree_bin_f32_u8 = kernels::avx512icl::tree_bin_f32_u8,
    .tree_bin_f64_u8 = kernels::avx512icl::tree_bin_f64_u8,
    .tree_bin_f32_u16 = kernels::avx512icl::tree_bin_f32_u16,
    .tree_bin_f64_u16 = kernels::avx512icl::tree_bin_f64_u16,
    .tree_bin_row_f32_u8 = kernels::scalar::tree_bin_row_f32_u8,
    .tree_bin_row_f64_u8 = kernels::scalar::tree_bin_row_f64_u8,
    .tree_bin_row_f32_u16 = kernels::scalar::tree_bin_row_f32_u16,
    .tree_bin_row_f64_u16 = kernels::scalar::tree_bin_row_f64_u16,
    .tree_walk_u16 = kernels::avx512::tree_walk_u16,
    .tree_slice_f32 = kernels::avx512icl::tree_slice_f32,
    .tree_slice_f64 = kernels::avx512icl::tree_slice_f64,
    .tree_slice_leaves = kernels::avx512icl::tree_slice_leaves,
    .tree_slice_word_f32 = kernels::avx512icl::tree_slice_word_f32,
    .tree_slice_word_f64 = kernels::avx512icl::tree_slice_word_f64,
    .tree_slice_word_leaves = kernels::avx512icl::tree_slice_word_leaves,
    .tree_lookup_f32 = kernels::avx512icl::tree_lookup_f32,
    .tree_lookup_f64 = kernels::avx512icl::tree_lookup_f64,
    .tree_lookup_leaves = kernels::avx512icl::tree_lookup_leaves,
    .tree_mask_u8 = kernels::avx512icl::tree_mask_u8,
    .tree_heap_u8 = kernels::avx512icl::tree_heap_u8,
};
#endif
#if defined(CORDWOOD_WITH_NEON)
constexpr KernelRow kNeon{
    .name = "neon",
    .probe = base::cpu_has_neon,
    .slice_pays = true,
    .arrays = &kArraysNeon,
    .lookup_pays = false,
    .link_f32 = kernels::neon::link_f32,
    .link_f64 = kernels::neon::link_f64,
    .logit_f32 = kernels::scalar::logit_f32,
    .logit_f64 = kernels::scalar::logit_f64,
    .load_columns_f32_f32 = kernels::scalar::load_columns_f32_f32,
    .load_columns_f32_f64 = kernels::scalar::load_columns_f32_f64,
    .load_columns_f64_f32 = kernels::scalar::load_columns_f64_f32,
    .load_columns_f64_f64 = kernels::scalar::load_columns_f64_f64,
    .tree_bin_f32_u8 = kernels::neon::tree_bin_f32_u8,
    .tree_bin_f64_u8 = kernels::neon::tree_bin_f64_u8,
    .tree_bin_f32_u16 = kernels::neon::tree_bin_f32_u16,
    .tree_bin_f64_u16 = kernels::neon::tree_bin_f64_u16,
    .tree_bin_row_f32_u8 = kernels::scalar::tree_bin_row_f32_u8,
    .tree_bin_row_f64_u8 = kernels::scalar::tree_bin_row_f64_u8,
    .tree_bin_row_f32_u16 = kernels::scalar::tree_bin_row_f32_u16,
    .tree_bin_row_f64_u16 = kernels::scalar::tree_bin_row_f64_u16,
    .tree_walk_u16 = kernels::neon::tree_walk_u16,
    .tree_slice_f32 = kernels::neon::tree_slice_f32,
    .tree_slice_f64 = kernels::neon::tree_slice_f64,
    .tree_slice_leaves = kernels::neon::tree_slice_leaves,
    .tree_slice_word_f32 = kernels::neon::tree_slice_word_f32,
    .tree_slice_word_f64 = kernels::neon::tree_slice_word_f64,
    .tree_slice_word_leaves = kernels::neon::tree_slice_word_leaves,
    .tree_lookup_f32 = kernels::scalar::tree_lookup_f32,
    .tree_lookup_f64 = kernels::scalar::tree_lookup_f64,
    .tree_lookup_leaves = kernels::scalar::tree_lookup_leaves,
    .tree_mask_u8 = kernels::neon::tree_mask_u8,
    .tree_heap_u8 = kernels::scalar::tree_heap_u8,
};
#endif

constexpr auto kRows = std::to_array<KernelRow>({
#if defined(CORDWOOD_WITH_AVX512BF16)
    like(kAvx512icl, "avx512bf16", base::cpu_has_avx512bf16, &kArraysAvx512bf16),
#endif
#if defined(CORDWOOD_WITH_AVX512ICL)
    kAvx512icl,
#endif
#if defined(CORDWOOD_WITH_AVX512)
    {
        .name = "avx512",
        .probe = base::cpu_has_avx512,
        .slice_pays = true,
        .arrays = &kArraysAvx512,
        .lookup_pays = false,
        .link_f32 = kernels::avx512::link_f32,
        .link_f64 = kernels::avx512::link_f64,
        .logit_f32 = kernels::scalar::logit_f32,
        .logit_f64 = kernels::scalar::logit_f64,
        .load_columns_f32_f32 = kernels::avx512::load_columns_f32_f32,
        .load_columns_f32_f64 = kernels::avx512::load_columns_f32_f64,
        .load_columns_f64_f32 = kernels::avx512::load_columns_f64_f32,
        .load_columns_f64_f64 = kernels::avx512::load_columns_f64_f64,
        .tree_bin_f32_u8 = kernels::avx512::tree_bin_f32_u8,
        .tree_bin_f64_u8 = kernels::avx512::tree_bin_f64_u8,
        .tree_bin_f32_u16 = kernels::avx512::tree_bin_f32_u16,
        .tree_bin_f64_u16 = kernels::avx512::tree_bin_f64_u16,
        .tree_bin_row_f32_u8 = kernels::scalar::tree_bin_row_f32_u8,
        .tree_bin_row_f64_u8 = kernels::scalar::tree_bin_row_f64_u8,
        .tree_bin_row_f32_u16 = kernels::scalar::tree_bin_row_f32_u16,
        .tree_bin_row_f64_u16 = kernels::scalar::tree_bin_row_f64_u16,
        .tree_walk_u16 = kernels::avx512::tree_walk_u16,
        .tree_slice_f32 = kernels::avx512::tree_slice_f32,
        .tree_slice_f64 = kernels::avx512::tree_slice_f64,
        .tree_slice_leaves = kernels::avx512::tree_slice_leaves,
        .tree_slice_word_f32 = kernels::avx512::tree_slice_word_f32,
        .tree_slice_word_f64 = kernels::avx512::tree_slice_word_f64,
        .tree_slice_word_leaves = kernels::avx512::tree_slice_word_leaves,
        .tree_lookup_f32 = kernels::scalar::tree_lookup_f32,
        .tree_lookup_f64 = kernels::scalar::tree_lookup_f64,
        .tree_lookup_leaves = kernels::scalar::tree_lookup_leaves,
        .tree_mask_u8 = kernels::avx2::tree_mask_u8,
        .tree_heap_u8 = kernels::avx2::tree_heap_u8,
    },
#endif
#if defined(CORDWOOD_WITH_AVXVNNI)
    like(kAvx2, "avxvnni", base::cpu_has_avxvnni, &kArraysAvxvnni),
#endif
#if defined(CORDWOOD_WITH_AVX2)
    kAvx2,
#endif
#if defined(CORDWOOD_WITH_NEON_I8MM)
    like(kNeon, "neon_i8mm", base::cpu_has_neon_i8mm, &kArraysNeonI8mm),
#endif
#if defined(CORDWOOD_WITH_NEON_DOTPROD)
    like(kNeon, "neon_dotprod", base::cpu_has_neon_dotprod, &kArraysNeonDotprod),
#endif
#if defined(CORDWOOD_WITH_NEON)
    kNeon,
#endif
    {
        .name = "scalar",
        .probe = always,
        .slice_pays = false,
        .arrays = &kArraysScalar,
        .lookup_pays = true,
        .link_f32 = kernels::scalar::link_f32,
        .link_f64 = kernels::scalar::link_f64,
        .logit_f32 = kernels::scalar::logit_f32,
        .logit_f64 = kernels::scalar::logit_f64,
        .load_columns_f32_f32 = kernels::scalar::load_columns_f32_f32,
        .load_columns_f32_f64 = kernels::scalar::load_columns_f32_f64,
        .load_columns_f64_f32 = kernels::scalar::load_columns_f64_f32,
        .load_columns_f64_f64 = kernels::scalar::load_columns_f64_f64,
        .tree_bin_f32_u8 = kernels::scalar::tree_bin_f32_u8,
        .tree_bin_f64_u8 = kernels::scalar::tree_bin_f64_u8,
        .tree_bin_f32_u16 = kernels::scalar::tree_bin_f32_u16,
        .tree_bin_f64_u16 = kernels::scalar::tree_bin_f64_u16,
        .tree_bin_row_f32_u8 = kernels::scalar::tree_bin_row_f32_u8,
        .tree_bin_row_f64_u8 = kernels::scalar::tree_bin_row_f64_u8,
        .tree_bin_row_f32_u16 = kernels::scalar::tree_bin_row_f32_u16,
        .tree_bin_row_f64_u16 = kernels::scalar::tree_bin_row_f64_u16,
        .tree_walk_u16 = kernels::scalar::tree_walk_u16,
        .tree_slice_f32 = kernels::scalar::tree_slice_f32,
        .tree_slice_f64 = kernels::scalar::tree_slice_f64,
        .tree_slice_leaves = kernels::scalar::tree_slice_leaves,
        .tree_slice_word_f32 = kernels::scalar::tree_slice_word_f32,
        .tree_slice_word_f64 = kernels::scalar::tree_slice_word_f64,
        .tree_slice_word_leaves = kernels::scalar::tree_slice_word_leaves,
        .tree_lookup_f32 = kernels::scalar::tree_lookup_f32,
        .tree_lookup_f64 = kernels::scalar::tree_lookup_f64,
        .tree_lookup_leaves = kernels::scalar::tree_lookup_leaves,
        .tree_mask_u8 = kernels::scalar::tree_mask_u8,
        .tree_heap_u8 = kernels::scalar::tree_heap_u8,
    },
});

/// The sentence of a refused CORDWOOD_ISA. Written once, before the Status that points at it.
class Refusal {
 public:
  void write(std::string_view given, bool known) noexcept {
    put("CORDWOOD_ISA is \"");
    put(given.substr(0, 40));
    put(known ? "\", which this machine cannot run; it can run: "
              : "\", which is no instruction set of this build; this machine can run: ");
    const char* separator = "";
    for (const KernelRow& row : kRows) {
      if (!row.probe()) continue;
      put(separator);
      put(row.name);
      separator = ", ";
    }
  }
  [[nodiscard]] const char* text() const noexcept { return text_.data(); }

 private:
  void put(std::string_view part) noexcept {
    for (const char character : part) {
      // Braces would be read as places for numbers.
      if (used_ + 1 < text_.size() && character != '{') text_[used_++] = character;
    }
  }

  std::array<char, 256> text_{};
  std::size_t used_ = 0;
};

struct Choice {
  const KernelRow* row = nullptr;
  cordwood_status code = CORDWOOD_STATUS_ok;
  Refusal refusal;
};

Choice choose() noexcept {
  Choice choice;
  const char* forced = std::getenv("CORDWOOD_ISA");
  if (forced == nullptr || *forced == '\0') {
    for (const KernelRow& row : kRows) {
      if (!row.probe()) continue;
      choice.row = &row;
      break;
    }
    return choice;
  }
  for (const KernelRow& row : kRows) {
    if (std::strcmp(row.name, forced) != 0) continue;
    if (row.probe()) {
      choice.row = &row;
      return choice;
    }
    choice.code = CORDWOOD_STATUS_isa_not_available;
  }
  const bool known = choice.code == CORDWOOD_STATUS_isa_not_available;
  if (!known) choice.code = CORDWOOD_STATUS_isa_unknown;
  choice.refusal.write(forced, known);
  return choice;
}

}  // namespace

std::span<const KernelRow> all_rows() noexcept {
  return kRows;
}

bool row_available(const KernelRow& row) noexcept {
  return row.probe();
}

Result<const KernelRow*> active_row() noexcept {
  static const Choice choice = choose();
  if (choice.row == nullptr) {
    return Status{choice.code, "instruction set", choice.refusal.text(), {}};
  }
  return choice.row;
}

}  // namespace cordwood::runtime
