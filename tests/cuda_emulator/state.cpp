#include "state.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cuda_runtime_api.h"

namespace cuda_emulator {
namespace {

cudaError_t sticky = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;

// The setting that launches are counted for, and how many remain.
std::string failing_setting;
long launches_left = 0;

double setting(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return otherwise;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text) {
    std::fprintf(stderr, "cuda emulator: %s is '%s', expected a number\n", name, text);
    std::abort();
  }
  return value;
}

long whole_setting(const char* name, long otherwise) {
  return static_cast<long>(setting(name, static_cast<double>(otherwise)));
}

}  // namespace

std::recursive_mutex& device_lock() {
  static std::recursive_mutex lock;
  return lock;
}

long device_count() {
  return whole_setting("CORDWOOD_EMULATED_DEVICES", 1);
}

long driver_version() {
  return whole_setting("CORDWOOD_EMULATED_DRIVER", CUDART_VERSION);
}

bool has_pools() {
  return whole_setting("CORDWOOD_EMULATED_POOLS", 1) != 0;
}

std::size_t device_memory_bytes() {
  return static_cast<std::size_t>(whole_setting("CORDWOOD_EMULATED_MEMORY", 4L << 30));
}

double launch_seconds() {
  return setting("CORDWOOD_EMULATED_SECONDS", 60.0);
}

bool events_are_deaf() {
  return whole_setting("CORDWOOD_EMULATED_DEAF_EVENTS", 0) != 0;
}

bool launch_is_failed() {
  const char* text = std::getenv("CORDWOOD_EMULATED_FAIL_LAUNCH");
  const std::string now = text == nullptr ? "" : text;
  if (now != failing_setting) {
    failing_setting = now;
    launches_left = whole_setting("CORDWOOD_EMULATED_FAIL_LAUNCH", 0);
  }
  return launches_left > 0 && --launches_left == 0;
}

cudaError_t standing_error() {
  // A runtime runs on drivers of its own major version or later.
  if (driver_version() / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
  if (device_count() <= 0) return cudaErrorNoDevice;
  static const pid_t process = getpid();
  if (getpid() != process) return cudaErrorInitializationError;  // nor does CUDA survive a fork
  return sticky;
}

void set_sticky(cudaError_t error, const std::string& why) {
  std::fprintf(stderr, "cuda emulator: %s: %s\n", cudaGetErrorName(error), why.c_str());
  std::fflush(stderr);
  if (sticky == cudaSuccess) sticky = error;
}

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

void reset_state() {
  sticky = last_error = cudaSuccess;
  failing_setting.clear();
  launches_left = 0;
  forget_failing_call();
}

}  // namespace cuda_emulator

using namespace cuda_emulator;

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(device_lock());
  const cudaError_t standing = standing_error();
  return standing != cudaSuccess ? standing : last_error;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

namespace {

struct Named {
  cudaError_t error;
  const char* name;
  const char* text;
};

#define EMULATED_NAMED(name, value, text) {name, #name, text},
constexpr Named kErrors[] = {EMULATED_ERRORS(EMULATED_NAMED)};
#undef EMULATED_NAMED

const Named* named(cudaError_t error) {
  for (const Named& one : kErrors) {
    if (one.error == error) return &one;
  }
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const Named* found = named(error);
  return found == nullptr ? "unrecognized error code" : found->name;
}

const char* cudaGetErrorString(cudaError_t error) {
  const Named* found = named(error);
  return found == nullptr ? "unrecognized error code" : found->text;
}
