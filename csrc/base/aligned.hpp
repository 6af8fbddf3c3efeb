// Vectors that kernels read: aligned to a cache line, large ones in large pages.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace cordwood {

/// Blocks from so many bytes on ask for pages of 2 MiB: a walk through 25 MB of nodes otherwise waits
/// for addresses as much as for nodes, and a load takes a fault every 4 KiB.
inline constexpr std::size_t kLargePage = std::size_t{2} << 20;
inline constexpr std::size_t kLargeBlock = 2 * kLargePage;

template <class T>
struct CacheLineAllocator {
  using value_type = T;

  CacheLineAllocator() noexcept = default;
  template <class Other>
  CacheLineAllocator(const CacheLineAllocator<Other>&) noexcept {}

  T* allocate(std::size_t n) {
    void* block = ::operator new(n * sizeof(T), alignment(n));
#if defined(__linux__)
    // A wish: where it is not granted, the pages are small.
    if (n * sizeof(T) >= kLargeBlock) ::madvise(block, n * sizeof(T), MADV_HUGEPAGE);
#endif
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t n) noexcept { ::operator delete(block, alignment(n)); }
  template <class Other>
  bool operator==(const CacheLineAllocator<Other>&) const noexcept {
    return true;
  }

 private:
  static constexpr std::align_val_t alignment(std::size_t n) noexcept {
    return std::align_val_t{n * sizeof(T) >= kLargeBlock ? kLargePage : 64};
  }
};

template <class T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace cordwood
