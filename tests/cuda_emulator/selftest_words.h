// Kernels that apply every intrinsic to many words, for comparison with a device bit for bit.
#pragma once

#include <cuda_runtime.h>

extern __shared__ __align__(16) unsigned char block_memory[];

__device__ __forceinline__ unsigned int* column(unsigned int* out, int word) {
  return out + word * static_cast<int>(blockDim.x) + threadIdx.x;
}

// Takes the next column for each word it is given.
struct Writer {
  unsigned int* out;
  int word = 0;
  __device__ void operator()(unsigned int value) { *column(out, word++) = value; }
  __device__ void operator()(int value) { (*this)(static_cast<unsigned int>(value)); }
  // The sign and payload of a NaN differ between machines.
  __device__ void operator()(float value) {
    (*this)(value == value ? __float_as_uint(value) : 0x7fffffffu);
  }
  __device__ void operator()(unsigned long long value) {
    (*this)(static_cast<unsigned int>(value));
    (*this)(static_cast<unsigned int>(value >> 32));
  }
  __device__ void operator()(long long value) { (*this)(static_cast<unsigned long long>(value)); }
  __device__ void operator()(double value) {
    (*this)(value == value ? __double_as_longlong(value) : 0x7fffffffffffffffLL);
  }
};

__device__ __forceinline__ unsigned int mixed(int value, unsigned int salt) {
  unsigned int word = static_cast<unsigned int>(value) * 2654435761u + salt;
  word ^= word >> 15;
  word *= 2246822519u;
  return word ^ word >> 13;
}

inline constexpr int kWarpWords = 23;
inline constexpr int kBitWords = 30;
inline constexpr int kSimdWords = 80;
inline constexpr int kFloatWords = 74;
inline constexpr int kAtomicWords = 36;

__global__ void warp_primitives(const int* in, unsigned int* out) {
  constexpr unsigned int kAll = 0xffffffffu;
  Writer write{out};
  const int value = in[threadIdx.x];
  const unsigned int bits = mixed(value, 1);
  const long long wide = static_cast<long long>(bits) << 20 | threadIdx.x;
  write(__shfl_sync(kAll, value, value));
  write(__shfl_sync(kAll, value, 5, 8));
  write(__shfl_up_sync(kAll, bits, 3));
  write(__shfl_up_sync(kAll, bits, 3, 16));
  write(__shfl_down_sync(kAll, wide, 7));
  write(__shfl_down_sync(kAll, static_cast<double>(value), 2, 4));
  write(__shfl_xor_sync(kAll, static_cast<float>(value), 9));
  write(__shfl_xor_sync(kAll, bits, 9, 8));
  write(__ballot_sync(kAll, value & 1));
  write(__any_sync(kAll, bits % 64 == 0));
  write(__all_sync(kAll, bits % 64 != 0));
  write(__reduce_add_sync(kAll, value));
  write(__reduce_min_sync(kAll, value));
  write(__reduce_max_sync(kAll, bits));
  write(__reduce_or_sync(kAll, bits & 0x01010101u));
  write(__reduce_and_sync(kAll, bits | 0x7fffffffu));
  write(__reduce_xor_sync(kAll, bits));
  __syncwarp();
  if (threadIdx.x % 32 < 11) write(__shfl_xor_sync(0x7ffu, value, 2) * (threadIdx.x % 32 < 8));
  write.word = 20;
  write(__syncthreads_count(value > 0));
  write(__syncthreads_and(value > -30000));
  write(__syncthreads_or(value == in[0]));
}

__global__ void bit_intrinsics(const int* in, unsigned int* out) {
  Writer write{out};
  const unsigned int x = mixed(in[threadIdx.x], 2) >> threadIdx.x % 32;
  const unsigned int y = mixed(in[threadIdx.x], 3);
  const unsigned long long wide = static_cast<unsigned long long>(y) << threadIdx.x % 33 | x;
  write(__popc(x));
  write(__popcll(wide));
  write(__clz(static_cast<int>(x)));
  write(__clzll(static_cast<long long>(wide)));
  write(__ffs(static_cast<int>(x)));
  write(__ffsll(static_cast<long long>(wide)));
  write(__brev(x));
  write(__brevll(wide));
  write(__byte_perm(x, y, y >> 7));
  write(__byte_perm(x, y, 0x7531));
  write(__funnelshift_l(x, y, y >> 9));
  write(__funnelshift_r(x, y, y >> 9));
  write(__funnelshift_lc(x, y, y >> 26));
  write(__funnelshift_rc(x, y, y >> 26));
  write(__umulhi(x, y));
  write(__mulhi(static_cast<int>(x), static_cast<int>(y)));
  write(__umul64hi(wide, wide * y));
  write(__umul24(x, y));
  write(__usad(x, y, 77u));
  write(__dp4a(x, y, y));
  write(__dp4a(static_cast<int>(x), static_cast<int>(y), static_cast<int>(x)));
  write(__double2hiint(__hiloint2double(static_cast<int>(x & 0x3fffffffu), 5)));
  write(__double2loint(__longlong_as_double(static_cast<long long>(wide & 0x3fffffffffffffffULL))));
  write(min(static_cast<int>(x), static_cast<int>(y)));
  write(max(x, y));
}

__global__ void simd_intrinsics(const int* in, unsigned int* out) {
  Writer write{out};
  const unsigned int x = mixed(in[threadIdx.x], 4);
  // Now and then equal bytes.
  const unsigned int y = (mixed(in[threadIdx.x], 5) & 0x00ffffffu) | (x & 0xff000000u);
#define APPLY_TWO(name)                                                                            \
  write(name##4(x, y));                                                                            \
  write(name##2(x, y));
#define APPLY_ONE(name)                                                                            \
  write(name##4(x));                                                                               \
  write(name##2(x));
  APPLY_TWO(__vadd)
  APPLY_TWO(__vsub)
  APPLY_TWO(__vaddss)
  APPLY_TWO(__vsubss)
  APPLY_TWO(__vaddus)
  APPLY_TWO(__vsubus)
  APPLY_TWO(__vmaxs)
  APPLY_TWO(__vmins)
  APPLY_TWO(__vmaxu)
  APPLY_TWO(__vminu)
  APPLY_TWO(__vavgu)
  APPLY_TWO(__vhaddu)
  APPLY_TWO(__vabsdiffu)
  APPLY_TWO(__vabsdiffs)
  APPLY_TWO(__vsadu)
  APPLY_TWO(__vsads)
  APPLY_ONE(__vneg)
  APPLY_ONE(__vabs)
  APPLY_ONE(__vnegss)
  APPLY_ONE(__vabsss)
  APPLY_TWO(__vcmpeq)
  APPLY_TWO(__vcmpne)
  APPLY_TWO(__vcmpges)
  APPLY_TWO(__vcmpgts)
  APPLY_TWO(__vcmples)
  APPLY_TWO(__vcmplts)
  APPLY_TWO(__vcmpgeu)
  APPLY_TWO(__vcmpgtu)
  APPLY_TWO(__vcmpleu)
  APPLY_TWO(__vcmpltu)
  APPLY_TWO(__vseteq)
  APPLY_TWO(__vsetne)
  APPLY_TWO(__vsetges)
  APPLY_TWO(__vsetgts)
  APPLY_TWO(__vsetles)
  APPLY_TWO(__vsetlts)
  APPLY_TWO(__vsetgeu)
  APPLY_TWO(__vsetgtu)
  APPLY_TWO(__vsetleu)
  APPLY_TWO(__vsetltu)
#undef APPLY_ONE
#undef APPLY_TWO
}

__global__ void float_intrinsics(const int* in, unsigned int* out) {
  Writer write{out};
  const unsigned int bits = mixed(in[threadIdx.x], 6);
  // Every class of float, denormals, infinities and NaNs too.
  const unsigned int high = threadIdx.x % 8 == 0    ? bits & 0x007fffffu
                            : threadIdx.x % 8 == 1  ? bits | 0x7f800000u
                            : threadIdx.x % 16 == 2 ? (bits & 0x80000000u) | 0x7f800000u
                                                    : bits;
  const float x = __uint_as_float(high);
  const float y = __uint_as_float((mixed(in[threadIdx.x], 7) & 0x83ffffffu) + 0x3e000000u);
  const float z = __int_as_float(__float_as_int(y) ^ 0x00012345);
  const double p = static_cast<double>(x) * 1.000000123 + y;
  const double q = __hiloint2double(__double2hiint(y), static_cast<int>(bits));
  write(__fadd_rn(x, y));
  write(__fsub_rn(x, y));
  write(__fmul_rn(x, y));
  write(__fdiv_rn(x, y));
  write(__frcp_rn(y));
  write(__fsqrt_rn(x));
  write(__fmaf_rn(x, y, z));
  write(fmaf(y, z, x));
  write(__dadd_rn(p, q));
  write(__dsub_rn(p, q));
  write(__dmul_rn(p, q));
  write(__ddiv_rn(p, q));
  write(__drcp_rn(q));
  write(__dsqrt_rn(p));
  write(__fma_rn(q, q, p));
  write(__saturatef(y));
  write(min(x, y));
  write(max(x, z));
  write(fabsf(x));
  write(rintf(y));
  write(__float2int_rn(x));
  write(__float2int_rz(y * 1000.0f));
  write(__float2int_rd(y * 1000.0f));
  write(__float2int_ru(y * 1000.0f));
  write(__float2uint_rn(x));
  write(__float2ll_rn(x));
  write(__float2ull_rz(x));
  write(__double2int_rn(p));
  write(__double2uint_rd(p));
  write(__double2ll_rn(p));
  write(__double2ull_ru(p));
  write(__int2float_rn(static_cast<int>(bits)));
  write(__uint2float_rn(bits));
  write(__ll2float_rn(static_cast<long long>(bits) * 1234567));
  write(__ull2double_rn(static_cast<unsigned long long>(bits) * 12345678901u));
  write(__double2float_rn(q));
  write(__double2float_rd(q));
  write(__double2float_ru(q));
  write(__double2float_rz(q));
  write(x + y * z);
  write(p + q * q);
}

__global__ void atomic_chain(const int* in, unsigned int* out) {
  Writer write{out};
  // A device has atomics on shared and global memory alone.
  auto* shared = reinterpret_cast<unsigned long long*>(block_memory);
  auto& i = *reinterpret_cast<int*>(shared);
  auto& u = *reinterpret_cast<unsigned int*>(shared + 1);
  auto& w = shared[2];
  auto& f = *reinterpret_cast<float*>(shared + 3);
  auto& d = *reinterpret_cast<double*>(shared + 4);
  i = in[0];
  u = static_cast<unsigned int>(in[0]);
  w = u;
  f = 1.25f;
  d = 1.25;
  write(atomicAdd(&i, 0x7fffffff));
  write(atomicSub(&i, 5));
  write(atomicMax(&i, 17));
  write(atomicMin(&i, -17));
  write(atomicOr(&i, 0x100));
  write(atomicAnd(&i, 0xffff));
  write(atomicXor(&i, 0x5555));
  write(atomicExch(&i, 3));
  write(atomicCAS(&i, 3, 4));
  write(atomicCAS(&i, 3, 5));
  write(i);
  write(atomicAdd(&u, 9u));
  write(atomicInc(&u, 3u));
  write(atomicDec(&u, 100u));
  write(atomicMax(&u, 0xfffffff0u));
  write(atomicMin(&u, 12u));
  write(u);
  write(atomicAdd(&w, 1ULL << 40));
  write(atomicMax(&w, 1ULL << 41));
  write(atomicCAS(&w, 1ULL << 41, 6ULL));
  write(w);
  write(atomicAdd(&f, 0.1f));
  write(atomicExch(&f, 2.0f));
  write(atomicAdd(&d, 0.1));
  write(d);
}
