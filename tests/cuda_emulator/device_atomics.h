// Atomics and cached loads. One thread runs at a time, so that plain accesses are atomic.
#pragma once

#define EMULATED_ATOMIC(name, type, result)                                                        \
  inline type name(type* address, type value) {                                                    \
    const type old = *address;                                                                     \
    *address = result;                                                                             \
    return old;                                                                                    \
  }

EMULATED_ATOMIC(atomicAdd, unsigned int, old + value)
EMULATED_ATOMIC(atomicAdd, unsigned long long, old + value)
EMULATED_ATOMIC(atomicAdd, float, old + value)
EMULATED_ATOMIC(atomicAdd, double, old + value)
EMULATED_ATOMIC(atomicSub, unsigned int, old - value)
EMULATED_ATOMIC(atomicInc, unsigned int, old >= value ? 0 : old + 1)
EMULATED_ATOMIC(atomicDec, unsigned int, old == 0 || old > value ? value : old - 1)

// Signed sums wrap on a device.
inline int atomicAdd(int* address, int value) {
  const int old = *address;
  *address = static_cast<int>(static_cast<unsigned int>(old) + static_cast<unsigned int>(value));
  return old;
}

inline int atomicSub(int* address, int value) {
  const int old = *address;
  *address = static_cast<int>(static_cast<unsigned int>(old) - static_cast<unsigned int>(value));
  return old;
}

#define EMULATED_ATOMICS(type)                                                                     \
  EMULATED_ATOMIC(atomicMax, type, old > value ? old : value)                                      \
  EMULATED_ATOMIC(atomicMin, type, old < value ? old : value)                                      \
  EMULATED_ATOMIC(atomicOr, type, old | value)                                                     \
  EMULATED_ATOMIC(atomicAnd, type, old& value)                                                     \
  EMULATED_ATOMIC(atomicXor, type, old ^ value)                                                    \
  EMULATED_ATOMIC(atomicExch, type, value)                                                         \
  inline type atomicCAS(type* address, type expected, type value) {                                \
    const type old = *address;                                                                     \
    if (old == expected) *address = value;                                                         \
    return old;                                                                                    \
  }

EMULATED_ATOMICS(int)
EMULATED_ATOMICS(unsigned int)
EMULATED_ATOMICS(long long)
EMULATED_ATOMICS(unsigned long long)
EMULATED_ATOMIC(atomicExch, float, value)

#undef EMULATED_ATOMICS
#undef EMULATED_ATOMIC

template <class T>
inline T __ldg(const T* address) {
  return *address;
}

template <class T>
inline T __ldca(const T* address) {
  return *address;
}

template <class T>
inline T __ldcg(const T* address) {
  return *address;
}

template <class T>
inline T __ldcs(const T* address) {
  return *address;
}

template <class T>
inline T __ldlu(const T* address) {
  return *address;
}

template <class T>
inline void __stcs(T* address, T value) {
  *address = value;
}

template <class T>
inline void __stcg(T* address, T value) {
  *address = value;
}

template <class T>
inline void __stwb(T* address, T value) {
  *address = value;
}
