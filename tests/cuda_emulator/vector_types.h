// CUDA's short vectors, with its alignments, and dim3.
#pragma once

#define EMULATED_VECTOR(name, element, pair_align, quad_align)                                     \
  struct name##1 {                                                                                 \
    element x;                                                                                     \
  };                                                                                               \
  struct alignas(pair_align) name##2 {                                                             \
    element x, y;                                                                                  \
  };                                                                                               \
  struct name##3 {                                                                                 \
    element x, y, z;                                                                               \
  };                                                                                               \
  struct alignas(quad_align) name##4 {                                                             \
    element x, y, z, w;                                                                            \
  };                                                                                               \
  constexpr name##1 make_##name##1(element x) {                                                    \
    return {x};                                                                                    \
  }                                                                                                \
  constexpr name##2 make_##name##2(element x, element y) {                                         \
    return {x, y};                                                                                 \
  }                                                                                                \
  constexpr name##3 make_##name##3(element x, element y, element z) {                              \
    return {x, y, z};                                                                              \
  }                                                                                                \
  constexpr name##4 make_##name##4(element x, element y, element z, element w) {                   \
    return {x, y, z, w};                                                                           \
  }

EMULATED_VECTOR(char, signed char, 2, 4)
EMULATED_VECTOR(uchar, unsigned char, 2, 4)
EMULATED_VECTOR(short, short, 4, 8)
EMULATED_VECTOR(ushort, unsigned short, 4, 8)
EMULATED_VECTOR(int, int, 8, 16)
EMULATED_VECTOR(uint, unsigned int, 8, 16)
EMULATED_VECTOR(float, float, 8, 16)
EMULATED_VECTOR(longlong, long long, 16, 16)
EMULATED_VECTOR(ulonglong, unsigned long long, 16, 16)
EMULATED_VECTOR(double, double, 16, 16)

#undef EMULATED_VECTOR

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1)
      : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 from) : x(from.x), y(from.y), z(from.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
