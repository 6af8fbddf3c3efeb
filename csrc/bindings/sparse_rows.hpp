// Sparse rows from Python: scattered, block by block, into dense ones that any device reads.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/backend.h"

namespace cordwood::bindings {

/// The parts of a `cordwood._row_sparse.SparseRows`, which outlives this view and was checked there.
struct SparseView {
  const int64_t* starts = nullptr;   ///< [n_rows + 1] first entry of each row
  const int32_t* columns = nullptr;  ///< [n_entries] below n_features
  const std::byte* values = nullptr;
  uint64_t n_rows = 0;
  uint32_t n_features = 0;
  uint32_t item_bytes = 0;
  uint8_t dtype = 0;
  bool absent_is_missing = false;  ///< dtype is then a float

  /// Rows of one block: as many as fit some MiB, so that a batch is still worth several threads.
  [[nodiscard]] uint64_t block_rows() const noexcept;
  [[nodiscard]] std::size_t block_bytes() const noexcept {
    return block_rows() * n_features * item_bytes;
  }
};

/// Reads the tuple; false where `object` is no tuple.
bool read_sparse(PyObject* object, SparseView& view) noexcept;

/// Dense blocks of a sparse matrix, one after another in the same memory.
class SparseBlocks {
 public:
  /// `memory` has `block_bytes()`; it is filled with what an absent entry means.
  SparseBlocks(const SparseView& view, std::span<std::byte> memory) noexcept;

  /// Makes rows [first, first + block_rows), or as many as are left, the content of the block.
  cordwood_rows at(uint64_t first) noexcept;

 private:
  void write(bool absent) noexcept;

  const SparseView& view_;
  std::byte* memory_;
  uint64_t first_ = 0;  ///< rows that the block holds
  uint64_t count_ = 0;
};

}  // namespace cordwood::bindings
