// Calls of the runtime that no kernel takes part in, for selftest.cu alone.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstdio>
#include <cstring>

inline std::atomic<int> failures = 0;

inline void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::printf("call %s: %s\n", what, cudaGetErrorName(error));
  ++failures;
}
#define MUST(call) must(call, #call)

inline void expect(bool right, const char* what) {
  std::printf("%s %s\n", right ? "right" : "wrong", what);
  failures += !right;
}

// Launches, waits, and prints what both came to.
template <class... Expected, class... Actual>
void launch(void (*kernel)(Expected...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Actual... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  const cudaError_t launched = cudaLaunchKernelEx(&config, kernel, arguments...);
  const cudaError_t ended = cudaDeviceSynchronize();
  std::printf("launch %s\nerror %s\n", cudaGetErrorName(launched), cudaGetErrorName(ended));
}

inline void check_streams() {
  cudaStream_t stream = nullptr;
  cudaEvent_t start = nullptr;
  cudaEvent_t end = nullptr;
  int device = -1;
  float milliseconds = -1;
  MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  MUST(cudaEventCreate(&start));
  MUST(cudaEventCreateWithFlags(&end, cudaEventDefault));
  MUST(cudaEventRecord(start, stream));
  MUST(cudaStreamWaitEvent(stream, start));
  MUST(cudaEventRecord(end, stream));
  MUST(cudaStreamSynchronize(stream));
  MUST(cudaStreamQuery(stream));
  MUST(cudaEventSynchronize(end));
  MUST(cudaEventElapsedTime(&milliseconds, start, end));
  MUST(cudaStreamGetDevice(stream, &device));
  expect(milliseconds >= 0 && device == 0, "stream and events");
  MUST(cudaEventDestroy(start));
  MUST(cudaEventDestroy(end));
  MUST(cudaStreamDestroy(stream));
}

inline void check_api() {
  int* device = nullptr;
  int* pinned = nullptr;
  int values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  MUST(cudaMalloc(&device, sizeof values));
  MUST(cudaMallocHost(&pinned, sizeof values));
  cudaPointerAttributes of_device{};
  cudaPointerAttributes of_pinned{};
  cudaPointerAttributes of_host{};
  MUST(cudaPointerGetAttributes(&of_device, device + 3));
  MUST(cudaPointerGetAttributes(&of_pinned, pinned));
  MUST(cudaPointerGetAttributes(&of_host, values));
  expect(of_device.type == cudaMemoryTypeDevice && of_device.device == 0, "device pointer");
  expect(of_pinned.type == cudaMemoryTypeHost, "pinned pointer");
  expect(of_host.type == cudaMemoryTypeUnregistered, "host pointer");

  MUST(cudaMemcpy(device, values, sizeof values, cudaMemcpyHostToDevice));
  MUST(cudaMemset(device + 6, 0, 4));
  MUST(cudaMemcpyAsync(pinned, device, sizeof values, cudaMemcpyDefault, nullptr));
  MUST(cudaDeviceSynchronize());
  expect(pinned[5] == 6 && pinned[6] == 0 && pinned[7] == 8, "copies");
  expect(cudaMemcpy(device, values, sizeof values + 1, cudaMemcpyHostToDevice) ==
             cudaErrorInvalidValue,
         "a copy past the end is refused");
  expect(cudaMemcpy(values, device, 4, cudaMemcpyHostToDevice) == cudaErrorInvalidValue,
         "a copy the other way is refused");
  expect(cudaGetLastError() == cudaErrorInvalidValue && cudaGetLastError() == cudaSuccess,
         "the last error is told once");
  check_streams();
  MUST(cudaFreeHost(pinned));
  MUST(cudaFree(device));
  MUST(cudaFree(nullptr));
}

// What the environment makes of the machine; fails nowhere.
inline void check_machine() {
  int count = -1;
  int driver = -1;
  int shared_bytes = -1;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  std::printf("devices %d %s\n", count, cudaGetErrorName(counted));
  MUST(cudaDriverGetVersion(&driver));
  std::printf("driver %d\n", driver);
  const cudaError_t asked =
      cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0);
  std::printf("shared %d %s\n", shared_bytes, cudaGetErrorName(asked));
  char* device = nullptr;
  std::printf("allocate %s\n", cudaGetErrorName(cudaMalloc(&device, 1 << 20)));
  std::printf("set %s\n", cudaGetErrorName(cudaSetDevice(1)));
  cudaGetLastError();
}

// Three copies: which of them fails is the environment's affair.
inline void check_failing_calls() {
  int* device = nullptr;
  MUST(cudaMalloc(&device, sizeof *device));
  for (int i = 0; i < 3; ++i) {
    const cudaError_t done = cudaMemcpyAsync(device, &i, sizeof i, cudaMemcpyHostToDevice, nullptr);
    std::printf("copy %s\n", cudaGetErrorName(done));
  }
  expect(cudaDeviceSynchronize() == cudaSuccess, "the device goes on");
  cudaGetLastError();
}

// Three launches: which of them fails is the environment's affair.
inline void check_faults(void (*kernel)(int*)) {
  for (int i = 0; i < 3; ++i) launch(kernel, 1, 32, 0, nullptr);
}
