// Integer intrinsics on whole words: counts, shifts, permutations, products, casts.
#pragma once

#include <bit>

constexpr int __popc(unsigned int x) {
  return std::popcount(x);
}
constexpr int __popcll(unsigned long long x) {
  return std::popcount(x);
}
constexpr int __clz(int x) {
  return std::countl_zero(static_cast<unsigned int>(x));
}
constexpr int __clzll(long long x) {
  return std::countl_zero(static_cast<unsigned long long>(x));
}
constexpr int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}
constexpr int __ffsll(long long x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1;
}

constexpr unsigned int __brev(unsigned int x) {
  unsigned int reversed = 0;
  for (int bit = 0; bit < 32; ++bit) reversed |= ((x >> bit) & 1u) << (31 - bit);
  return reversed;
}

constexpr unsigned long long __brevll(unsigned long long x) {
  const auto low = static_cast<unsigned int>(x);
  const auto high = static_cast<unsigned int>(x >> 32);
  return static_cast<unsigned long long>(__brev(low)) << 32 | __brev(high);
}

// Bit 3 of a selector counts for nothing, unlike in the instruction.
constexpr unsigned int __byte_perm(unsigned int x, unsigned int y, unsigned int selectors) {
  const unsigned long long bytes = static_cast<unsigned long long>(y) << 32 | x;
  unsigned int picked = 0;
  for (unsigned int place = 0; place < 4; ++place) {
    const unsigned int from = selectors >> (4 * place) & 7u;
    picked |= (static_cast<unsigned int>(bytes >> (8 * from)) & 0xffu) << (8 * place);
  }
  return picked;
}

constexpr unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int shift) {
  const unsigned long long both = static_cast<unsigned long long>(high) << 32 | low;
  return static_cast<unsigned int>(both << (shift & 31u) >> 32);
}

constexpr unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift) {
  const unsigned long long both = static_cast<unsigned long long>(high) << 32 | low;
  return static_cast<unsigned int>(both >> (shift & 31u));
}

constexpr unsigned int __funnelshift_lc(unsigned int low, unsigned int high, unsigned int shift) {
  return shift >= 32 ? low : __funnelshift_l(low, high, shift);
}

constexpr unsigned int __funnelshift_rc(unsigned int low, unsigned int high, unsigned int shift) {
  return shift >= 32 ? high : __funnelshift_r(low, high, shift);
}

constexpr unsigned int __umulhi(unsigned int x, unsigned int y) {
  return static_cast<unsigned int>(static_cast<unsigned long long>(x) * y >> 32);
}

constexpr int __mulhi(int x, int y) {
  return static_cast<int>(static_cast<long long>(x) * y >> 32);
}

constexpr unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(x) * y >> 64);
}

constexpr unsigned int __umul24(unsigned int x, unsigned int y) {
  return (x & 0xffffffu) * (y & 0xffffffu);
}

constexpr unsigned int __usad(unsigned int x, unsigned int y, unsigned int sum) {
  return (x > y ? x - y : y - x) + sum;
}

constexpr unsigned int __dp4a(unsigned int x, unsigned int y, unsigned int sum) {
  for (int shift = 0; shift < 32; shift += 8) sum += (x >> shift & 0xffu) * (y >> shift & 0xffu);
  return sum;
}

// The sum wraps on a device, so it is taken without sign.
constexpr int __dp4a(int x, int y, int sum) {
  auto wrapped = static_cast<unsigned int>(sum);
  for (int shift = 0; shift < 32; shift += 8) {
    const int product = static_cast<signed char>(x >> shift) * static_cast<signed char>(y >> shift);
    wrapped += static_cast<unsigned int>(product);
  }
  return static_cast<int>(wrapped);
}

constexpr float __uint_as_float(unsigned int x) {
  return std::bit_cast<float>(x);
}
constexpr unsigned int __float_as_uint(float x) {
  return std::bit_cast<unsigned int>(x);
}
constexpr float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
constexpr int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
constexpr double __longlong_as_double(long long x) {
  return std::bit_cast<double>(x);
}
constexpr long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
constexpr int __double2hiint(double x) {
  return static_cast<int>(std::bit_cast<long long>(x) >> 32);
}
constexpr int __double2loint(double x) {
  return static_cast<int>(std::bit_cast<long long>(x));
}
constexpr double __hiloint2double(int high, int low) {
  const auto bits = static_cast<unsigned long long>(static_cast<unsigned int>(high)) << 32 |
                    static_cast<unsigned int>(low);
  return std::bit_cast<double>(bits);
}
