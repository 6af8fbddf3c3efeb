// The device's condition: faults asked for by the environment, sticky errors, the one lock.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

#include "calls.h"
#include "driver_types.h"

namespace cuda_emulator {

// Held for each call: the device does one thing at a time.
std::recursive_mutex& device_lock();

// Number of devices, driver version and bytes of memory that the environment asks for.
long device_count();
long driver_version();
std::size_t device_memory_bytes();
bool has_pools();
double launch_seconds();

// Whether cudaEventSynchronize is to wait for nothing, as if it had been forgotten.
bool events_are_deaf();

// Counts a launch against CORDWOOD_EMULATED_FAIL_LAUNCH; true if this one has to fail.
bool launch_is_failed();

// Why no call can succeed: no driver, no device, or an earlier launch that went wrong.
cudaError_t standing_error();
// From now on every call ends in this error; `why` goes to stderr.
void set_sticky(cudaError_t error, const std::string& why);
// Well again, with no fault counted.
void reset_state();
// What cudaGetLastError tells this thread; returns its argument.
cudaError_t note(cudaError_t error);

// Does `work` unless an error stands, and notes how it ended.
template <class Work>
cudaError_t device_call(Work&& work) {
  const std::lock_guard lock(device_lock());
  const cudaError_t standing = standing_error();
  return note(standing == cudaSuccess ? work() : standing);
}

// The same for a function that is counted, and fails where the environment asks for it.
template <class Work>
cudaError_t device_call(const char* function, Work&& work) {
  return device_call([&] {
    const cudaError_t asked_for = count_call(function);
    return asked_for == cudaSuccess ? work() : asked_for;
  });
}

// As device_call, for what gives back a resource: that is done after a failed launch too.
template <class Work>
cudaError_t release_call(Work&& work) {
  const std::lock_guard lock(device_lock());
  const cudaError_t standing = standing_error();
  const cudaError_t done = work();
  return note(standing == cudaSuccess ? done : standing);
}

}  // namespace cuda_emulator
