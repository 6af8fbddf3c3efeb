// Arithmetic whose result a device and this processor share bit for bit; compile with
// -ffp-contract=off. What a device only approximates (__expf, rsqrtf) is not here.
#pragma once

#include <math.h>

#include <cmath>
#include <limits>

#define EMULATED_MIN_MAX(type)                                                                     \
  constexpr type min(type x, type y) {                                                             \
    return y < x ? y : x;                                                                          \
  }                                                                                                \
  constexpr type max(type x, type y) {                                                             \
    return x < y ? y : x;                                                                          \
  }

EMULATED_MIN_MAX(int)
EMULATED_MIN_MAX(unsigned int)
EMULATED_MIN_MAX(long)
EMULATED_MIN_MAX(unsigned long)
EMULATED_MIN_MAX(long long)
EMULATED_MIN_MAX(unsigned long long)

#undef EMULATED_MIN_MAX

// As on a device, and unlike fminf of some C libraries: a number beats any NaN, a signalling one too,
// and -0 lies below +0.
#define EMULATED_FLOAT_MIN_MAX(type)                                                               \
  inline type min(type x, type y) {                                                                \
    if (x != x || y != y) return x != x ? y : x;                                                   \
    return x < y || (x == y && std::signbit(x)) ? x : y;                                           \
  }                                                                                                \
  inline type max(type x, type y) {                                                                \
    if (x != x || y != y) return x != x ? y : x;                                                   \
    return x > y || (x == y && !std::signbit(x)) ? x : y;                                          \
  }

EMULATED_FLOAT_MIN_MAX(float)
EMULATED_FLOAT_MIN_MAX(double)

#undef EMULATED_FLOAT_MIN_MAX

inline float __fadd_rn(float x, float y) {
  return x + y;
}
inline float __fsub_rn(float x, float y) {
  return x - y;
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fdiv_rn(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fsqrt_rn(float x) {
  return sqrtf(x);
}
inline float __fmaf_rn(float x, float y, float z) {
  return fmaf(x, y, z);
}
inline double __dadd_rn(double x, double y) {
  return x + y;
}
inline double __dsub_rn(double x, double y) {
  return x - y;
}
inline double __dmul_rn(double x, double y) {
  return x * y;
}
inline double __ddiv_rn(double x, double y) {
  return x / y;
}
inline double __drcp_rn(double x) {
  return 1.0 / x;
}
inline double __dsqrt_rn(double x) {
  return sqrt(x);
}
inline double __fma_rn(double x, double y, double z) {
  return fma(x, y, z);
}
inline float __saturatef(float x) {
  return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f;
}

namespace cuda_emulator {

// A rounded value as an integer: a device gives the nearest bound for what lies outside, and for a NaN
// 0 from float to 32 bits, else the top bit alone (PTX ISA, cvt).
template <class Integer, class Float>
Integer to_integer(Float rounded, Integer of_nan) {
  using Limits = std::numeric_limits<Integer>;
  if (rounded != rounded) return of_nan;
  // 2 to the number of value bits: the first value past the largest, and exact.
  const Float past = static_cast<Float>(ldexp(1.0, Limits::digits));
  if (rounded >= past) return Limits::max();
  if (rounded <= (Limits::is_signed ? -past : Float{0})) return Limits::min();
  return static_cast<Integer>(rounded);
}

}  // namespace cuda_emulator

#define EMULATED_TO_INTEGER(prefix, integer, of_nan, source, nearest, zero, down, up)              \
  inline integer prefix##_rn(source x) {                                                           \
    return cuda_emulator::to_integer<integer>(nearest(x), of_nan);                                 \
  }                                                                                                \
  inline integer prefix##_rz(source x) {                                                           \
    return cuda_emulator::to_integer<integer>(zero(x), of_nan);                                    \
  }                                                                                                \
  inline integer prefix##_rd(source x) {                                                           \
    return cuda_emulator::to_integer<integer>(down(x), of_nan);                                    \
  }                                                                                                \
  inline integer prefix##_ru(source x) {                                                           \
    return cuda_emulator::to_integer<integer>(up(x), of_nan);                                      \
  }

EMULATED_TO_INTEGER(__float2int, int, 0, float, rintf, truncf, floorf, ceilf)
EMULATED_TO_INTEGER(__float2uint, unsigned int, 0, float, rintf, truncf, floorf, ceilf)
EMULATED_TO_INTEGER(__float2ll, long long, -0x7fffffffffffffffLL - 1, float, rintf, truncf, floorf,
                    ceilf)
EMULATED_TO_INTEGER(__float2ull, unsigned long long, 0x8000000000000000ULL, float, rintf, truncf,
                    floorf, ceilf)
EMULATED_TO_INTEGER(__double2int, int, -0x7fffffff - 1, double, rint, trunc, floor, ceil)
EMULATED_TO_INTEGER(__double2uint, unsigned int, 0x80000000u, double, rint, trunc, floor, ceil)
EMULATED_TO_INTEGER(__double2ll, long long, -0x7fffffffffffffffLL - 1, double, rint, trunc, floor,
                    ceil)
EMULATED_TO_INTEGER(__double2ull, unsigned long long, 0x8000000000000000ULL, double, rint, trunc,
                    floor, ceil)

#undef EMULATED_TO_INTEGER

inline float __int2float_rn(int x) {
  return static_cast<float>(x);
}
inline float __uint2float_rn(unsigned int x) {
  return static_cast<float>(x);
}
inline float __ll2float_rn(long long x) {
  return static_cast<float>(x);
}
inline float __ull2float_rn(unsigned long long x) {
  return static_cast<float>(x);
}
inline double __int2double_rn(int x) {
  return x;
}
inline double __uint2double_rn(unsigned int x) {
  return x;
}
inline double __ll2double_rn(long long x) {
  return static_cast<double>(x);
}
inline double __ull2double_rn(unsigned long long x) {
  return static_cast<double>(x);
}
inline float __double2float_rn(double x) {
  return static_cast<float>(x);
}

// Rounded once towards a side: the nearest float, moved by one where it lies on the other side.
inline float __double2float_rd(double x) {
  const float nearest = static_cast<float>(x);
  return static_cast<double>(nearest) > x ? nextafterf(nearest, -HUGE_VALF) : nearest;
}
inline float __double2float_ru(double x) {
  const float nearest = static_cast<float>(x);
  return static_cast<double>(nearest) < x ? nextafterf(nearest, HUGE_VALF) : nearest;
}
inline float __double2float_rz(double x) {
  return x < 0 ? __double2float_ru(x) : __double2float_rd(x);
}
