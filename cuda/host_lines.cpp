#include "cuda/host_lines.hpp"

#include <algorithm>
#include <cstring>

namespace cordwood::cuda {
namespace {

/// Items of all lines that are unpacked together where lines are the host's columns: few enough that the
/// host's rows stay in a near cache until they are whole.
constexpr uint64_t kTurnedItems = 128;

/// Copies `n_items` items of N bytes; a size that is known makes each a load and a store.
template <std::size_t N>
void copy_sized(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride,
                uint64_t n_items) noexcept {
  for (uint64_t i = 0; i < n_items; ++i, from += from_stride, to += to_stride) {
    std::memcpy(to, from, N);
  }
}

void copy_items(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride,
                uint64_t n_items, uint64_t item_bytes) noexcept {
  const auto dense = static_cast<int64_t>(item_bytes);
  if (from_stride == dense && to_stride == dense) {
    std::memcpy(to, from, n_items * item_bytes);
    return;
  }
  switch (item_bytes) {
    case 1:
      return copy_sized<1>(from, from_stride, to, to_stride, n_items);
    case 2:
      return copy_sized<2>(from, from_stride, to, to_stride, n_items);
    case 4:
      return copy_sized<4>(from, from_stride, to, to_stride, n_items);
    default:
      return copy_sized<8>(from, from_stride, to, to_stride, n_items);
  }
}

/// Lines that follow each other without a gap are one.
LineForm joined(LineForm form) noexcept {
  if (form.item_stride != static_cast<int64_t>(form.item_bytes)) return form;
  if (form.line_stride != static_cast<int64_t>(form.line_bytes())) return form;
  form.n_items *= form.n_lines;
  form.n_lines = 1;
  return form;
}

/// Calls `run(host, packed, n_items)` for what each line has of a piece: bytes from the first item of all
/// on the host, bytes from the start of the piece, and how many items.
template <class Run>
void for_runs(const LineForm& given, uint64_t first, uint64_t bytes, Run&& run) noexcept {
  const LineForm form = joined(given);
  const uint64_t n_items = bytes / form.item_bytes;
  if (n_items == 0) return;
  uint64_t line = first / form.item_bytes / form.n_items;
  uint64_t item = first / form.item_bytes % form.n_items;
  for (uint64_t done = 0; done < n_items; ++line, item = 0) {
    const uint64_t count = std::min(form.n_items - item, n_items - done);
    run(static_cast<int64_t>(line) * form.line_stride +
            static_cast<int64_t>(item) * form.item_stride,
        done * form.item_bytes, count);
    done += count;
  }
}

}  // namespace

void pack_piece(const LineForm& form, const std::byte* from, uint64_t first, uint64_t bytes,
                std::byte* to) noexcept {
  for_runs(form, first, bytes, [&](int64_t host, uint64_t packed, uint64_t n_items) {
    copy_items(from + host, form.item_stride, to + packed, static_cast<int64_t>(form.item_bytes),
               n_items, form.item_bytes);
  });
}

void unpack_piece(const LineForm& form, const std::byte* from, uint64_t first, uint64_t bytes,
                  std::byte* to) noexcept {
  const auto run = [&](int64_t host, uint64_t packed, uint64_t n_items) {
    copy_items(from + packed, static_cast<int64_t>(form.item_bytes), to + host, form.item_stride,
               n_items, form.item_bytes);
  };
  const bool whole = first == 0 && bytes == form.bytes();
  const bool turned = form.n_lines > 1 && form.item_stride > form.line_stride;
  if (!whole || !turned) return for_runs(form, first, bytes, run);
  for (uint64_t item = 0; item < form.n_items; item += kTurnedItems) {
    const uint64_t count = std::min(kTurnedItems, form.n_items - item);
    for (uint64_t line = 0; line < form.n_lines; ++line) {
      run(static_cast<int64_t>(line) * form.line_stride +
              static_cast<int64_t>(item) * form.item_stride,
          (line * form.n_items + item) * form.item_bytes, count);
    }
  }
}

}  // namespace cordwood::cuda
