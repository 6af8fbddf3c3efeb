// Walks through several arrays at once, in the C order of one shape; broadcast axes have stride 0.
#pragma once

#include <array>

#include "runtime/nets/array.hpp"

namespace cordwood::runtime {

using Strides = std::array<int64_t, CORDWOOD_MAX_RANK>;

/// Elements from one entry of an axis to the next, in C order.
[[nodiscard]] inline Strides c_strides(const Shape& shape) noexcept {
  Strides strides{};
  int64_t stride = 1;
  for (uint32_t axis = shape.rank; axis-- > 0;) {
    strides[axis] = stride;
    stride *= static_cast<int64_t>(shape.size[axis]);
  }
  return strides;
}

/// Elements from one entry of an axis to the next, as the array lies.
[[nodiscard]] inline Strides strides_of(const Array& array) noexcept {
  const Shape& shape = array.shape();
  Strides strides = c_strides(shape);
  if (!array.channels_last) return strides;
  const auto channels = static_cast<int64_t>(shape.size[1]);
  const auto positions = static_cast<int64_t>(shape.elements(2, shape.rank));
  for (uint32_t axis = 2; axis < shape.rank; ++axis) strides[axis] *= channels;
  strides[0] = positions * channels;
  strides[1] = 1;
  return strides;
}

/// Strides of `shape` as an operand of `whole`, aligned at the right; axes of size 1 repeat.
[[nodiscard]] inline Strides broadcast_strides(const Shape& shape, const Shape& whole) noexcept {
  const Strides own = c_strides(shape);
  Strides strides{};
  for (uint32_t axis = 0; axis < shape.rank; ++axis) {
    const uint32_t to = whole.rank - shape.rank + axis;
    strides[to] = shape.size[axis] == 1 ? 0 : own[axis];
  }
  return strides;
}

/// The shape that both broadcast to; false where they do not fit.
[[nodiscard]] inline bool broadcast(const Shape& a, const Shape& b, Shape& whole) noexcept {
  whole = {};
  whole.rank = a.rank > b.rank ? a.rank : b.rank;
  for (uint32_t back = 1; back <= whole.rank; ++back) {
    const uint64_t left = back <= a.rank ? a.size[a.rank - back] : 1;
    const uint64_t right = back <= b.rank ? b.size[b.rank - back] : 1;
    if (left != right && left != 1 && right != 1) return false;
    whole.size[whole.rank - back] = left == 1 ? right : left;
  }
  return true;
}

/// `Count` arrays walked together: runs along the last axis that is left once axes that lie next to one
/// another in all of them are joined.
template <std::size_t Count>
class Walk {
 public:
  Walk(const Shape& shape, const std::array<Strides, Count>& strides) noexcept {
    for (uint32_t axis = 0; axis < shape.rank; ++axis) {
      if (shape.size[axis] == 1) continue;
      if (rank_ != 0 && joins(strides, axis, shape.size[axis])) {
        size_[rank_ - 1] *= shape.size[axis];
      } else {
        size_[rank_++] = shape.size[axis];
      }
      for (std::size_t i = 0; i < Count; ++i) strides_[i][rank_ - 1] = strides[i][axis];
    }
    empty_ = shape.elements() == 0;
    if (rank_ == 0) {
      size_[0] = 1;
      rank_ = 1;
    }
  }

  /// Calls run(offsets, count, steps): places of a run's first elements, its length, its strides.
  template <class Run>
  void each(Run&& run) const noexcept {
    if (empty_) return;
    std::array<uint64_t, CORDWOOD_MAX_RANK> at{};
    std::array<int64_t, Count> offset{};
    std::array<int64_t, Count> step{};
    for (std::size_t i = 0; i < Count; ++i) step[i] = strides_[i][rank_ - 1];
    for (;;) {
      run(offset, size_[rank_ - 1], step);
      uint32_t axis = rank_ - 1;
      for (;;) {
        if (axis == 0) return;
        --axis;
        for (std::size_t i = 0; i < Count; ++i) offset[i] += strides_[i][axis];
        if (++at[axis] < size_[axis]) break;
        for (std::size_t i = 0; i < Count; ++i) {
          offset[i] -= strides_[i][axis] * static_cast<int64_t>(size_[axis]);
        }
        at[axis] = 0;
      }
    }
  }

 private:
  [[nodiscard]] bool joins(const std::array<Strides, Count>& strides, uint32_t axis,
                           uint64_t size) const noexcept {
    for (std::size_t i = 0; i < Count; ++i) {
      if (strides_[i][rank_ - 1] != strides[i][axis] * static_cast<int64_t>(size)) return false;
    }
    return true;
  }

  std::array<uint64_t, CORDWOOD_MAX_RANK> size_{};
  std::array<Strides, Count> strides_{};
  uint32_t rank_ = 0;
  bool empty_ = false;
};

}  // namespace cordwood::runtime
