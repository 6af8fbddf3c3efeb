// The part of CUDA's runtime that is templates: launches, typed allocation, symbols.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda_runtime_api.h"
#include "driver_types.h"

namespace cuda_emulator {

// A kernel with its arguments. Each thread calls it and so has its own copy of each parameter.
struct KernelCall {
  const void* kernel;
  const void* arguments;
  void (*run)(const KernelCall& call);
};

cudaError_t launch(const cudaLaunchConfig_t* config, const KernelCall& call);

cudaError_t copy_to_symbol(char* symbol, std::size_t symbol_bytes, const void* from,
                           std::size_t bytes, std::size_t offset, cudaStream_t stream);

// What sm_90 takes.
inline constexpr std::size_t kMaxParameterBytes = 32764;

}  // namespace cuda_emulator

template <class... Expected, class... Actual>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...),
                                      Actual&&... arguments) {
  using Arguments = std::tuple<std::remove_cv_t<Expected>...>;
  static_assert((std::is_trivially_copyable_v<Expected> && ...),
                "a kernel's parameters are copied as bytes");
  static_assert(sizeof(Arguments) <= cuda_emulator::kMaxParameterBytes,
                "a kernel's parameters are too large");
  struct Typed {
    void (*kernel)(Expected...);
    Arguments arguments;
  };
  const Typed typed{kernel, Arguments(std::forward<Actual>(arguments)...)};
  const auto run = [](const cuda_emulator::KernelCall& call) {
    const Typed& of_call = *static_cast<const Typed*>(call.arguments);
    std::apply(of_call.kernel, of_call.arguments);
  };
  return cuda_emulator::launch(config, {reinterpret_cast<const void*>(kernel), &typed, run});
}

template <class T>
inline cudaError_t cudaMalloc(T** pointer, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}

template <class T>
inline cudaError_t cudaMallocFromPoolAsync(T** pointer, std::size_t bytes, cudaMemPool_t pool,
                                           cudaStream_t stream) {
  return cudaMallocFromPoolAsync(reinterpret_cast<void**>(pointer), bytes, pool, stream);
}

template <class T>
inline cudaError_t cudaMallocHost(T** pointer, std::size_t bytes, unsigned int flags = 0) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), bytes, flags);
}

template <class T>
inline cudaError_t cudaHostAlloc(T** pointer, std::size_t bytes, unsigned int flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(pointer), bytes, flags);
}

template <class T>
inline cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

template <class T>
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, T* kernel) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}

template <class T>
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T kernel,
                                                                 int block_threads,
                                                                 std::size_t dynamic_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(kernel), block_threads, dynamic_bytes);
}

template <class T>
inline cudaError_t cudaMemcpyToSymbolAsync(const T& symbol, const void* from, std::size_t bytes,
                                           std::size_t offset = 0,
                                           cudaMemcpyKind = cudaMemcpyHostToDevice,
                                           cudaStream_t stream = nullptr) {
  char* start = reinterpret_cast<char*>(const_cast<std::remove_cv_t<T>*>(&symbol));
  return cuda_emulator::copy_to_symbol(start, sizeof symbol, from, bytes, offset, stream);
}

template <class T>
inline cudaError_t cudaMemcpyToSymbol(const T& symbol, const void* from, std::size_t bytes,
                                      std::size_t offset = 0,
                                      cudaMemcpyKind kind = cudaMemcpyHostToDevice) {
  return cudaMemcpyToSymbolAsync(symbol, from, bytes, offset, kind);
}
