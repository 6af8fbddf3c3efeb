// CUDA's runtime for a machine without a device: the same names, run by the processor.
//
// Found on the include path in place of CUDA's own header, so that host code and kernels compile
// with a C++ compiler. README.md lists what is here; a name that is missing does not compile.
#pragma once

// libstdc++ writes __attribute__((__noinline__)) here; it has to be read before the macro below.
#include <memory>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// A section is refused for a variable of a function: only `extern __shared__` is emulated, and a
// fixed array would otherwise turn, silently, into one for each thread.
#define __shared__ __attribute__((section(".cuda_shared")))
#define __builtin_assume(condition) static_cast<void>(0)

// A process may hold the real runtime too (PyTorch brings it): nothing here may be taken for its
// functions, nor theirs for these.
#pragma GCC visibility push(hidden)
#include "cuda_launch.h"
#include "cuda_runtime_api.h"
#include "device_atomics.h"
#include "device_bits.h"
#include "device_math.h"
#include "device_simd.h"
#include "device_threads.h"
#include "driver_types.h"
#include "vector_types.h"
#pragma GCC visibility pop
