// A function over a run of floats, and loads of what is left at its end.
#pragma once

#include <cstdint>
#include <cstring>

namespace cordwood::kernels::math {
namespace {

/// out[i] = function(x[i]); `out` may be `x`.
template <class L, class Function>
[[gnu::always_inline]] inline void each(const float* x, float* out, uint64_t n,
                                        Function function) noexcept {
  uint64_t at = 0;
  for (; at + L::kLanes <= n; at += L::kLanes) L::store(out + at, function(L::load(x + at)));
  if (at < n) L::store_some(out + at, n - at, function(L::load_some(x + at, n - at)));
}

/// The first `count` lanes from memory, `rest` in the others.
template <class L>
[[gnu::always_inline]] inline typename L::Float load_part(const float* from, uint64_t count,
                                                          float rest) noexcept {
  if (count >= L::kLanes) return L::load(from);
  float part[L::kLanes];
  for (float& lane : part) lane = rest;
  std::memcpy(part, from, count * sizeof(float));
  return L::load(part);
}

template <class L>
[[gnu::always_inline]] inline void store_part(float* to, uint64_t count,
                                              typename L::Float x) noexcept {
  if (count >= L::kLanes) return L::store(to, x);
  L::store_some(to, count, x);
}

}  // namespace
}  // namespace cordwood::kernels::math
