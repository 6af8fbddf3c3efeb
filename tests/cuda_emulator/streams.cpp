// Streams and events. Kernels run at once and copies late: what waits for a stream or an event does the
// copies that are due by then.
#include "streams.h"

#include <chrono>
#include <memory>
#include <unordered_map>

#include "cuda_runtime_api.h"
#include "device_limits.h"
#include "late_copies.h"
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
  cudaStream_t stream;
  unsigned long long last_copy;
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

// What came before the event was recorded, and no more.
void finish(const CUevent_st& event) {
  if (event.recorded) finish_copies(event.stream, event.last_copy);
}

cudaError_t done_if(bool valid) {
  return valid ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

}  // namespace

std::size_t cuda_emulator::living_handles() {
  return streams.size() + events.size();
}

bool cuda_emulator::is_stream(cudaStream_t stream) {
  return is_default(stream) || streams.contains(stream);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  return device_call(__func__, [&] {
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
  return release_call([&] {
    finish_copies(stream);
    return done_if(streams.erase(stream) == 1);
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return device_call(__func__, [&] {
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    finish_copies(stream);
    return standing_error();  // that of a copy among them
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return device_call(__func__, [&] {
    finish_copies(stream);
    return done_if(is_stream(stream));
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags) {
  return device_call(__func__, [&] {
    if (flags > 1) return cudaErrorInvalidValue;
    if (!is_stream(stream) || !is_event(event)) return cudaErrorInvalidResourceHandle;
    finish(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned int* flags) {
  return device_call(__func__, [&] {
    if (flags == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    *flags = is_default(stream) ? cudaStreamDefault : stream->flags;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return device_call(__func__, [&] {
    if (device == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    *device = is_default(stream) ? device_of_thread() : stream->device;
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return device_call(__func__, [&] {
    if (function == nullptr) return cudaErrorInvalidValue;
    if (!is_stream(stream)) return cudaErrorInvalidResourceHandle;
    finish_copies(stream);
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  return device_call(__func__, [&] {
    if (event == nullptr || flags > 3) return cudaErrorInvalidValue;
    auto made = std::make_unique<CUevent_st>(CUevent_st{flags, false, {}, nullptr, 0});
    *event = made.get();
    events.emplace(made.get(), std::move(made));
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return device_call(__func__, [&] {
    if (!is_event(event) || !is_stream(stream)) return cudaErrorInvalidResourceHandle;
    event->recorded = true;
    event->at = Clock::now();
    event->stream = stream;
    event->last_copy = last_copy();
    return cudaSuccess;
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return device_call(__func__, [&] {
    if (!is_event(event)) return cudaErrorInvalidResourceHandle;
    if (!events_are_deaf()) finish(*event);
    return standing_error();
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return device_call(__func__, [&] {
    if (!is_event(event)) return cudaErrorInvalidResourceHandle;
    finish(*event);
    return cudaSuccess;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return device_call(__func__, [&] {
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
