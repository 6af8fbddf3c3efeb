// tree_bin: the rank of each value among a column's cuts, as a small integer.
//
// Splits then compare integers: exact, four to eight times denser than floats, and independent of a
// host's flush-to-zero mode. One call bins one column of one block of rows; tree_bin_row bins all
// columns of one row.
#pragma once

#include <cstdint>

namespace cordwood::kernels {

/// How one column is binned. Cuts lie in level order (the children of slot i are 2i and 2i + 1, the
/// root is slot 1): `1 << depth` slots, padded with +infinity, aligned to 64 bytes.
///
///     rank = number of cuts below x        slots: [-, c8, c4, c12, c2, c6, c10, c14, c1, ...]
///
/// At least kBinMinSlots slots are readable whatever the depth. A numeric column's bin is the rank. A
/// category column first turns x into a code by `rule`; its bin is the position of the code among the
/// listed values, or `other_bin`.
///
/// `keys` holds the cuts as signed numbers of the same order (cordwood_bin_key), in level order too:
/// integers are compared without a detour through masks. Of a float64 these are the upper halves, twice
/// as many to a register; where the halves are equal the whole number is looked at.
struct BinColumn {
  const void* levels;    ///< float or double [1 << depth]
  const void* sorted;    ///< the same values ascending, `count` of them
  const int32_t* keys;   ///< [1 << depth] of a numeric column of up to 255 cuts; else null
  uint32_t category;     ///< 1: `sorted` are listed categories
  uint32_t depth;        ///< levels of the search: the bit length of `count`
  uint32_t count;        ///< cuts, or listed values
  uint32_t missing_bin;  ///< bin of NaN
  uint32_t other_bin;    ///< category: bin of a value that is not listed
  uint32_t rule;         ///< enum cordwood_category_rule
  uint32_t feature;      ///< tree_bin_row: which value of the row
  double zero_band;      ///< values with |x| <= zero_band count as NaN; negative: none do
};

inline constexpr uint32_t kBinMinSlots = 16;
inline constexpr uint32_t kBinKeyDepth = 8;  // deepest column that has keys

using TreeBinF32U8 = void (*)(const float* values, uint64_t n_rows, const BinColumn& column,
                              uint8_t* bins) noexcept;
using TreeBinF64U8 = void (*)(const double* values, uint64_t n_rows, const BinColumn& column,
                              uint8_t* bins) noexcept;
using TreeBinRowF32U8 = void (*)(const float* row, const BinColumn* columns, uint32_t n_columns,
                                 uint8_t* bins) noexcept;
using TreeBinRowF64U8 = void (*)(const double* row, const BinColumn* columns, uint32_t n_columns,
                                 uint8_t* bins) noexcept;
using TreeBinRowF32U16 = void (*)(const float* row, const BinColumn* columns, uint32_t n_columns,
                                  uint16_t* bins) noexcept;
using TreeBinRowF64U16 = void (*)(const double* row, const BinColumn* columns, uint32_t n_columns,
                                  uint16_t* bins) noexcept;
using TreeBinF32U16 = void (*)(const float* values, uint64_t n_rows, const BinColumn& column,
                               uint16_t* bins) noexcept;
using TreeBinF64U16 = void (*)(const double* values, uint64_t n_rows, const BinColumn& column,
                               uint16_t* bins) noexcept;

#define CORDWOOD_DECLARE_TREE_BIN(isa)                                                             \
  namespace isa {                                                                                  \
  void tree_bin_f32_u8(const float* values, uint64_t n_rows, const BinColumn& column,              \
                       uint8_t* bins) noexcept;                                                    \
  void tree_bin_f64_u8(const double* values, uint64_t n_rows, const BinColumn& column,             \
                       uint8_t* bins) noexcept;                                                    \
  void tree_bin_f32_u16(const float* values, uint64_t n_rows, const BinColumn& column,             \
                        uint16_t* bins) noexcept;                                                  \
  void tree_bin_f64_u16(const double* values, uint64_t n_rows, const BinColumn& column,            \
                        uint16_t* bins) noexcept;                                                  \
  }

namespace scalar {
void tree_bin_row_f32_u8(const float* row, const BinColumn* columns, uint32_t n_columns,
                         uint8_t* bins) noexcept;
void tree_bin_row_f64_u8(const double* row, const BinColumn* columns, uint32_t n_columns,
                         uint8_t* bins) noexcept;
void tree_bin_row_f32_u16(const float* row, const BinColumn* columns, uint32_t n_columns,
                          uint16_t* bins) noexcept;
void tree_bin_row_f64_u16(const double* row, const BinColumn* columns, uint32_t n_columns,
                          uint16_t* bins) noexcept;
}  // namespace scalar

CORDWOOD_DECLARE_TREE_BIN(scalar)
CORDWOOD_DECLARE_TREE_BIN(avx2)
CORDWOOD_DECLARE_TREE_BIN(avx512)
CORDWOOD_DECLARE_TREE_BIN(avx512icl)
CORDWOOD_DECLARE_TREE_BIN(neon)
#undef CORDWOOD_DECLARE_TREE_BIN

}  // namespace cordwood::kernels
