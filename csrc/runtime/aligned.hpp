// Vectors that kernels read: aligned to a cache line.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace cordwood::runtime {

template <class T>
struct CacheLineAllocator {
  using value_type = T;

  CacheLineAllocator() noexcept = default;
  template <class Other>
  CacheLineAllocator(const CacheLineAllocator<Other>&) noexcept {}

  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* block, std::size_t) noexcept {
    ::operator delete(block, std::align_val_t{64});
  }
  template <class Other>
  bool operator==(const CacheLineAllocator<Other>&) const noexcept {
    return true;
  }
};

template <class T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace cordwood::runtime
