// Kernels that put the emulator to the test. With nvcc the same file runs on a device.
//
//   selftest CHECK     runs one check, prints what it found and "error NAME" of the launch
#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "selftest_calls.h"
#include "selftest_copies.h"
#include "selftest_kernels.h"

namespace {

// Device memory with a copy of a vector; nothing is freed after a launch that failed.
template <class T>
T* on_device(const std::vector<T>& values) {
  T* pointer = nullptr;
  const std::size_t bytes = values.size() * sizeof(T);
  MUST(cudaMalloc(&pointer, bytes));
  MUST(cudaMemcpy(pointer, values.data(), bytes, cudaMemcpyHostToDevice));
  return pointer;
}

template <class T>
std::vector<T> on_host(const T* pointer, std::size_t count) {
  std::vector<T> values(count);
  MUST(cudaMemcpy(values.data(), pointer, count * sizeof(T), cudaMemcpyDeviceToHost));
  return values;
}

std::vector<int> numbers(int count) {
  std::vector<int> values(static_cast<std::size_t>(count));
  unsigned int state = 12345;
  for (int& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<int>(state >> 16) - 32768;
  }
  return values;
}

constexpr int kBlocks = 64;
constexpr int kThreads = 256;
constexpr int kCount = kBlocks * kThreads;

void check_reduce() {
  const std::vector<int> values = numbers(kCount - 7);
  int* device = on_device(values);
  int* sum = on_device(std::vector<int>(1));
  launch(reduce, kBlocks, kThreads, kThreads / 8, device, kCount - 7, sum);
  int expected = 0;
  for (int value : values) expected += value;
  expect(on_host(sum, 1)[0] == expected, "sum");
  MUST(cudaFree(device));
  MUST(cudaFree(sum));
}

template <class... Parameters>
void check_scan(void (*kernel)(Parameters...)) {
  const std::vector<int> values = numbers(kCount);
  int* device = on_device(values);
  launch(kernel, kBlocks, kThreads, kThreads * sizeof(int), device);
  std::vector<int> expected = values;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i % kThreads != 0) expected[i] += expected[i - 1];
  }
  expect(on_host(device, values.size()) == expected, "prefix sums");
  MUST(cudaFree(device));
}

void check_transpose() {
  constexpr int kSide = 96;
  const std::vector<int> values = numbers(kSide * kSide);
  int* from = on_device(values);
  int* to = on_device(std::vector<int>(values.size()));
  launch(transpose, dim3(3, 3), dim3(32, 8), 32 * 33 * sizeof(int), from, kSide, to);
  const std::vector<int> turned = on_host(to, values.size());
  bool right = true;
  for (std::size_t i = 0; i < values.size(); ++i) {
    right = right && turned[i % kSide * kSide + i / kSide] == values[i];
  }
  expect(right, "transpose");
  MUST(cudaFree(from));
  MUST(cudaFree(to));
}

// Prints every word, for comparison with what another machine prints.
void print_words(void (*kernel)(const int*, unsigned int*), int words_each, int threads) {
  const std::vector<int> values = numbers(threads);
  const std::size_t count = static_cast<std::size_t>(threads * words_each);
  int* from = on_device(values);
  unsigned int* to = on_device(std::vector<unsigned int>(count));
  launch(kernel, 1, threads, 64, from, to);
  const std::vector<unsigned int> words = on_host(to, count);
  for (int word = 0; word < words_each; ++word) {
    std::printf("word");
    for (int i = 0; i < threads; ++i) {
      std::printf(" %08x", words[static_cast<std::size_t>(word * threads + i)]);
    }
    std::printf("\n");
  }
}

void check_histogram() {
  const std::vector<int> values = numbers(kCount);
  int* from = on_device(values);
  unsigned int* to = on_device(std::vector<unsigned int>(16));
  launch(histogram, kBlocks, kThreads, 64, from, to);
  std::vector<unsigned int> expected(16);
  for (int value : values) ++expected[static_cast<unsigned int>(value) & 15u];
  expect(on_host(to, 16) == expected, "histogram");
}

// 64 KB of shared memory, refused until it is allowed.
void check_large_shared() {
  const std::vector<int> values = numbers(16384);
  int* device = on_device(values);
  launch(reverse, 1, 1024, 65536, device);
  MUST(cudaGetLastError() == cudaErrorInvalidValue ? cudaSuccess : cudaErrorUnknown);
  MUST(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 65536));
  launch(reverse, 1, 1024, 65536, device);
  expect(on_host(device, values.size()) == std::vector<int>(values.rbegin(), values.rend()),
         "reversed");
}

void check_one(void (*kernel)(int*), int threads) {
  int* device = on_device(numbers(threads));
  launch(kernel, 1, threads, static_cast<std::size_t>(threads) * sizeof(int), device);
}

void check_freed() {
  int* device = on_device(numbers(64));
  MUST(cudaFree(device));
  launch(read_far, 1, 64, 0, device);
}

// A kernel's error does not keep the rest of a program from running, but from succeeding.
void check_sticky() {
  check_one(trap, 32);
  int* device = nullptr;
  expect(cudaMalloc(&device, 64) == cudaErrorLaunchFailure, "allocation refused");
  expect(cudaPeekAtLastError() == cudaErrorLaunchFailure, "error stays");
  expect(cudaGetLastError() == cudaErrorLaunchFailure, "error is not forgotten");
  expect(cudaGetLastError() == cudaErrorLaunchFailure, "error is never forgotten");
}

// Only for the emulator: a device's memory may or may not be mapped for the host.
void check_host_touch() {
  const int* device = on_device(numbers(64));
  std::printf("read %d\n", *static_cast<const volatile int*>(device));
}

// Threads of the host take turns at the device.
void check_threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(check_reduce);
  for (std::thread& thread : threads) thread.join();
}

struct Check {
  const char* name;
  void (*run)();
};

constexpr Check kChecks[] = {
    {"reduce", check_reduce},
    {"scan", [] { check_scan(scan); }},
    {"transpose", check_transpose},
    {"histogram", check_histogram},
    {"large_shared", check_large_shared},
    {"threads", check_threads},
    {"warp", [] { print_words(warp_primitives, kWarpWords, 128); }},
    {"bits", [] { print_words(bit_intrinsics, kBitWords, 1024); }},
    {"simd", [] { print_words(simd_intrinsics, kSimdWords, 1024); }},
    {"floats", [] { print_words(float_intrinsics, kFloatWords, 1024); }},
    {"atomics", [] { print_words(atomic_chain, kAtomicWords, 1); }},
    {"missing_barrier", [] { check_scan(scan_without_barrier); }},
    {"divergent_barrier", [] { check_one(divergent_barrier, 64); }},
    {"two_barriers", [] { check_one(two_barriers, 64); }},
    {"partial_mask", [] { check_one(partial_mask, 64); }},
    {"foreign_mask", [] { check_one(foreign_mask, 32); }},
    {"write_past_end", [] { check_one(write_past_end, 33); }},
    {"write_before_start", [] { check_one(write_before_start, 33); }},
    {"read_far", [] { check_one(read_far, 64); }},
    {"write_shared", [] { check_one(write_past_shared, 32); }},
    {"deep_stack", [] { check_one(deep_stack, 32); }},
    {"endless", [] { check_one(endless, 32); }},
    {"endless_meetings", [] { check_one(endless_meetings, 32); }},
    {"api", check_api},
    {"machine", check_machine},
    {"faults", [] { check_faults(nothing); }},
    {"late_copies", [] { check_late_copies(nothing); }},
    {"freed_source", check_freed_source},
    {"failing_calls", check_failing_calls},
    {"freed", check_freed},
    {"sticky", check_sticky},
    {"host_touch", check_host_touch},
    {"trap", [] { check_one(trap, 32); }},
};

}  // namespace

int main(int count, char** arguments) {
  for (const Check& check : kChecks) {
    if (count != 2 || std::strcmp(check.name, arguments[1]) != 0) continue;
    check.run();
    std::printf("end %s\n", cudaGetErrorName(cudaGetLastError()));
    return failures == 0 ? 0 : 1;
  }
  for (const Check& check : kChecks) std::printf("%s\n", check.name);
  return 2;
}
