// Streams and events. Work runs at once, so that a stream is only a handle that has to be alive.
#include "streams.h"

#include <chrono>
#include <memory>
#include <unordered_map>

#include "cuda_runtime_api.h"
#include "device_limits.h"
#include "state.h"

using namespace cuda_emulator;
using Clock = std::chrono::steady_clock;

struct CUstream_st {
  unsigned int flags;
  int device;
};

struct CUevent_st {
  unsigned int flags;
  bool recorded;
  Clock::time_point at;
};

namespace {

std::unordered_map<cudaStream_t, std::unique_ptr<CUstream_st>> streams;
std::unordered_map<cudaEvent_t, std::unique_ptr<CUevent_st>> events;

bool is_event(cudaEvent_t event) {
  return events.contains(event);
}

// A handle that names a stream without having been made.
bool is_default(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

cudaError_t done_if(bool valid) {
  return valid ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

}  // namespace

bool cuda_emulator::is_stream(cudaStream_t stream) {
  return is_default(stream) || streams.contains(stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return device_call([&] {
    if (stream == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    auto made = std::make_unique<CUstream_st>(CUstream_st{flags, device_of_thread()});
    *stream = made.get();
    streams.emplace(made.get(), std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return release_call([&] { return done_if(streams.erase(stream) == 1); });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return device_call([&] { return done_if(is_stream(stream)); });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return device_call([&] {
    if (flags > 1) return cudaErrorInvalidValue;
    return done_if(is_stream(stream) && is_event(event));
  });
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  return device_call([&] {
    if (flags == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    *flags = is_default(stream) ? cudaStreamDefault : stream->flags;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return device_call([&] {
    if (device == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    *device = is_default(stream) ? device_of_thread() : stream->device;
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return device_call([&] {
    if (function == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return device_call([&] {
    if (event == nullptr || flags > 3) return cudaErrorInvalidValue;
    auto made = std::make_unique<CUevent_st>(CUevent_st{flags, false, {}});
    *event = made.get();
    events.emplace(made.get(), std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return device_call([&] {
    if (!is_event(event) || !is_stream(stream)) return cudaErrorInvalidResourceHandle;
    event->recorded = true;
    event->at = Clock::now();
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return device_call([&] { return done_if(is_event(event)); });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return device_call([&] {
    if (milliseconds == nullptr) return cudaErrorInvalidValue;
    if (!is_event(start) || !is_event(end)) return cudaErrorInvalidResourceHandle;
    const bool timed = ((start->flags | end->flags) & cudaEventDisableTiming) == 0;
    if (!timed || !start->recorded || !end->recorded) return cudaErrorInvalidResourceHandle;
    *milliseconds = std::chrono::duration<float, std::milli>(end->at - start->at).count();
    return cudaSuccess;
  });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return release_call([&] { return done_if(events.erase(event) == 1); });
}
