// Values that the compiler is to take as they stand. It puts addresses together from whatever it knows of
// their parts, and at a walk's nodes that takes more instructions than to add to a base.
#pragma once

#include <cstdint>

namespace cordwood::cuda {

__device__ __forceinline__ uint32_t opaque(uint32_t value) {
  asm("" : "+r"(value));
  return value;
}

template <class T>
__device__ __forceinline__ const T* opaque(const T* address) {
  asm("" : "+l"(address));
  return address;
}

}  // namespace cordwood::cuda
