// Vectors of lanes in memory, whole or some of them. `Isa` is that of end.hpp.
//
// Everything here has internal linkage: each file that includes it compiles it with its own flags.
#pragma once

#include <cstdint>
#include <cstring>

namespace cordwood::kernels {
namespace {

template <class Vector>
[[gnu::always_inline]] inline Vector load(const void* from) noexcept {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

template <class Vector>
[[gnu::always_inline]] inline void store(void* to, Vector vector) noexcept {
  std::memcpy(to, &vector, sizeof vector);
}

/// Fewer than 64 bytes, by powers of two: a call of memcpy for each position would take longer than the
/// ending around it.
[[gnu::always_inline]] inline void copy_some(void* to, const void* from, uint64_t bytes) noexcept {
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
#pragma GCC unroll 6
  for (uint64_t part = 32; part != 0; part /= 2) {
    if ((bytes & part) == 0) continue;
    __builtin_memcpy(target, source, part);
    target += part;
    source += part;
  }
}

/// Up to `count` floats; the rest is zero.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Floats load_some(const float* from,
                                                             uint64_t count) noexcept {
  using Floats = typename Isa::Floats;
  if (count >= Isa::kBytes / 4) return load<Floats>(from);
  if constexpr (requires { Isa::some_floats(from, count); }) {
    return Isa::some_floats(from, count);
  } else {
    Floats some{};
    copy_some(&some, from, count * sizeof(float));
    return some;
  }
}

template <class Isa>
[[gnu::always_inline]] inline typename Isa::Ints load_some(const int32_t* from,
                                                           uint64_t count) noexcept {
  return reinterpret_cast<typename Isa::Ints>(
      load_some<Isa>(reinterpret_cast<const float*>(from), count));
}

/// Up to `count` bytes as numbers; the rest is zero.
template <class Isa>
[[gnu::always_inline]] inline typename Isa::Ints widen_some(const uint8_t* from,
                                                            uint64_t count) noexcept {
  constexpr uint64_t kLanes = Isa::kBytes / 4;
  if (count >= kLanes) return Isa::widen(from);
  if constexpr (requires { Isa::widen_some(from, count); }) {
    return Isa::widen_some(from, count);
  } else {
    uint8_t some[kLanes] = {};
    copy_some(some, from, count);
    return Isa::widen(some);
  }
}

}  // namespace
}  // namespace cordwood::kernels
