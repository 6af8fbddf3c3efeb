// When copies are done, for selftest.cu alone. A device is free to do them earlier: only the emulator
// answers like this.
#pragma once

#include <cuda_runtime.h>

#include "selftest_calls.h"

constexpr int kOld = 1;
constexpr int kNew = 2;

// Pinned memory, memory of the device, and a stream that orders them.
struct CopyRoom {
  int* pinned = nullptr;
  int* device = nullptr;
  cudaStream_t stream = nullptr;

  CopyRoom() {
    MUST(cudaMallocHost(&pinned, 2 * sizeof *pinned));
    MUST(cudaMalloc(&device, 2 * sizeof *device));
    MUST(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  }
  ~CopyRoom() {
    MUST(cudaStreamDestroy(stream));
    MUST(cudaFree(device));
    MUST(cudaFreeHost(pinned));
  }
  CopyRoom(const CopyRoom&) = delete;
  CopyRoom& operator=(const CopyRoom&) = delete;

  void send(int place) const {
    MUST(cudaMemcpyAsync(device + place, pinned + place, sizeof *pinned, cudaMemcpyHostToDevice,
                         stream));
  }
  [[nodiscard]] int there(int place) const {
    int found = 0;
    MUST(cudaMemcpy(&found, device + place, sizeof found, cudaMemcpyDeviceToHost));
    return found;
  }
};

// `meet` is what a program does between a copy and the change of its source.
template <class Meet>
void check_source(const char* what, int expected, Meet&& meet) {
  const CopyRoom room;
  room.pinned[0] = kOld;
  room.send(0);
  meet(room);
  room.pinned[0] = kNew;
  MUST(cudaStreamSynchronize(room.stream));
  expect(room.there(0) == expected, what);
}

inline void check_late_copies(void (*kernel)(int*)) {
  check_source("a source changed too early", kNew, [](const CopyRoom&) {});
  check_source("a stream waited for", kOld,
               [](const CopyRoom& room) { MUST(cudaStreamSynchronize(room.stream)); });
  check_source("a device waited for", kOld, [](const CopyRoom&) { MUST(cudaDeviceSynchronize()); });
  check_source("a fill after it", kOld, [](const CopyRoom& room) {
    MUST(cudaMemsetAsync(room.device + 1, 0, sizeof(int), room.stream));
  });
  const auto launch_on = [kernel](cudaStream_t stream) {
    cudaLaunchConfig_t config{};
    config.gridDim = config.blockDim = dim3(1);
    config.stream = stream;
    MUST(cudaLaunchKernelEx(&config, kernel, nullptr));
  };
  check_source("a launch after it", kOld, [&](const CopyRoom& room) { launch_on(room.stream); });
  check_source("a launch elsewhere", kNew, [&](const CopyRoom&) { launch_on(nullptr); });

  const CopyRoom room;
  cudaEvent_t event = nullptr;
  MUST(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  room.pinned[0] = room.pinned[1] = kOld;
  room.send(0);
  MUST(cudaEventRecord(event, room.stream));
  room.send(1);
  MUST(cudaEventSynchronize(event));
  room.pinned[0] = room.pinned[1] = kNew;
  MUST(cudaStreamSynchronize(room.stream));
  expect(room.there(0) == kOld && room.there(1) == kNew, "an event is of what came before it");

  room.pinned[0] = 0;
  MUST(cudaMemcpyAsync(room.pinned, room.device, sizeof(int), cudaMemcpyDeviceToHost, room.stream));
  expect(room.pinned[0] == 0, "an answer read too early");
  MUST(cudaStreamSynchronize(room.stream));
  expect(room.pinned[0] == kOld, "an answer waited for");
  MUST(cudaEventDestroy(event));
}

// Ends in a sticky error.
inline void check_freed_source() {
  CopyRoom room;
  room.pinned[0] = kOld;
  room.send(0);
  expect(cudaFreeHost(room.pinned) == cudaErrorIllegalAddress, "a source freed too early");
}
