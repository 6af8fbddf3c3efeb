#include "block.h"

#include <cfenv>
#include <cstdio>
#include <cstring>

#include "allocations.h"
#include "device_limits.h"
#include "device_threads.h"
#include "fiber.h"
#include "meeting.h"
#include "order.h"
#include "state.h"
#include "trap.h"

uint3 threadIdx;
uint3 blockIdx;
dim3 blockDim;
dim3 gridDim;

// All kernels' `extern __shared__ unsigned char block_memory[]`.
alignas(1024) unsigned char block_memory[cuda_emulator::kSharedOptinBytes];

namespace cuda_emulator {
namespace {

constexpr std::size_t kSharedGuardBytes = 1024;

struct Thread : Meeter {
  Context context;
  uint3 index;
};

// The one launch that runs.
struct Running {
  const KernelCall* call = nullptr;
  Context scheduler;
  Thread threads[kMaxBlockThreads];
  int count = 0;
  int current = 0;
  Failure failure;
};
Running running;

Thread& current() {
  return running.threads[running.current];
}

void leave() {
  Traps::leave_thread();
  switch_context(current().context, running.scheduler);
}

std::string words(const uint3& index) {
  char text[48];
  std::snprintf(text, sizeof text, "(%u, %u, %u)", index.x, index.y, index.z);
  return text;
}

void fail(cudaError_t error, const std::string& why) {
  if (running.failure.error == cudaSuccess) {
    running.failure = {error, "block " + words(blockIdx) + ": " + why};
  }
}

std::string describe(const Thread& thread) {
  return "thread " + words(thread.index) + " " + describe_wait(thread);
}

void run_kernel() {
  running.call->run(*running.call);
  current().state = Meeter::State::kExited;
  leave();
}

// A thread that raised a signal goes on here.
void abandon_thread() {
  const Fault fault = Traps::fault();
  const std::string who = "thread " + words(current().index) + ": ";
  if (fault.signal == SIGALRM) {
    fail(cudaErrorLaunchTimeout, who + "runs and does not end (CORDWOOD_EMULATED_SECONDS)");
  } else if (fault.signal == SIGFPE) {
    fail(cudaErrorLaunchFailure, who + "an integer division by zero");
  } else if (fault.signal == SIGILL) {
    fail(cudaErrorLaunchFailure, who + "an unreachable place was reached");
  } else if (is_stack_guard(fault.address)) {
    fail(cudaErrorLaunchFailure, who + "more than 256 KiB of local memory");
  } else {
    fail(cudaErrorIllegalAddress, who + "address " + describe_address(fault.address));
  }
  current().state = Meeter::State::kExited;
  leave();
}

void run_thread(int thread) {
  running.current = thread;
  threadIdx = running.threads[thread].index;
  Traps::enter_thread(stack_end(thread));
  switch_context(running.scheduler, running.threads[thread].context);
  Traps::leave_thread();
}

bool failed() {
  if (running.failure.error == cudaSuccess && Traps::time_is_up()) {
    fail(cudaErrorLaunchTimeout,
         describe(current()) + "; the launch does not end (CORDWOOD_EMULATED_SECONDS)");
  }
  return running.failure.error != cudaSuccess;
}

// Runs the warp's threads until each has exited or waits for others.
void run_warp(int first, Orders& orders) {
  for (bool any = true; any && !failed();) {
    any = false;
    Orders::Order order = orders.next(kWarpThreads);
    for (int place = 0; place < kWarpThreads && !failed(); ++place) {
      const int thread = first + static_cast<int>(order.take());
      if (thread >= running.count) continue;
      if (running.threads[thread].state != Meeter::State::kReady) continue;
      run_thread(thread);
      any = true;
    }
  }
}

// Says which threads can never meet.
void report_stuck() {
  const Thread* one = nullptr;
  int exited = 0;
  for (int i = 0; i < running.count; ++i) {
    const Thread& thread = running.threads[i];
    if (thread.state == Meeter::State::kExited) {
      ++exited;
    } else if (one == nullptr) {
      one = &thread;
    }
  }
  std::string why = describe(*one);
  for (int i = 0; i < running.count; ++i) {
    const Thread& other = running.threads[i];
    if (other.state == Meeter::State::kExited || meets(other, *one)) continue;
    why += ", " + describe(other);
    break;
  }
  if (exited > 0) why += ", " + std::to_string(exited) + " threads have exited";
  fail(cudaErrorLaunchFailure, why);
}

// Lets the threads go on that all wait at one barrier. True when the block is done or stuck.
bool end_phase() {
  int exited = 0;
  bool together = true;
  for (int i = 0; i < running.count; ++i) {
    const Thread& thread = running.threads[i];
    exited += thread.state == Meeter::State::kExited;
    together =
        together && thread.state == Meeter::State::kAtBlock && meets(thread, running.threads[0]);
  }
  if (exited == running.count) return true;
  if (!together) {
    report_stuck();
    return true;
  }
  unsigned int true_count = 0;
  for (int i = 0; i < running.count; ++i) true_count += running.threads[i].value != 0;
  for (int i = 0; i < running.count; ++i) {
    Thread& thread = running.threads[i];
    thread.result = block_result(thread.meeting, true_count, running.count);
    thread.state = Meeter::State::kReady;
  }
  return false;
}

void run_block(std::size_t shared_bytes, Orders& orders) {
  const std::size_t guard_bytes = std::min(kSharedGuardBytes, sizeof block_memory - shared_bytes);
  poison(block_memory, shared_bytes + guard_bytes);
  for (int i = 0; i < running.count; ++i) {
    static_cast<Meeter&>(running.threads[i]) = {};
    begin_context(running.threads[i].context, stack_end(i), kStackBytes, run_kernel);
  }
  const int warps = (running.count + kWarpThreads - 1) / kWarpThreads;
  do {
    Orders::Order order = orders.next(static_cast<unsigned int>(warps));
    for (int place = 0; place < warps && !failed(); ++place) {
      run_warp(kWarpThreads * static_cast<int>(order.take()), orders);
    }
  } while (!failed() && !end_phase());
  if (failed()) return;
  // Poison starts anew at each multiple of four.
  const std::size_t guard = (shared_bytes + 3) / 4 * 4;
  if (guard >= sizeof block_memory) return;
  const std::size_t whole = shared_bytes + guard_bytes - guard;
  const std::size_t clean = first_unpoisoned(block_memory + guard, whole);
  if (clean < whole) {
    fail(cudaErrorIllegalAddress, "shared memory was written at byte " +
                                      std::to_string(guard + clean) + " of " +
                                      std::to_string(shared_bytes));
  }
}

void place_threads(const dim3& block) {
  running.count = static_cast<int>(block.x * block.y * block.z);
  for (int i = 0; i < running.count; ++i) {
    const auto number = static_cast<unsigned int>(i);
    running.threads[i].index = {number % block.x, number / block.x % block.y,
                                number / block.x / block.y};
  }
}

}  // namespace

Failure run_grid(const cudaLaunchConfig_t& config, const KernelCall& call) {
  if (!have_stacks()) return {cudaErrorLaunchOutOfResources, "no memory for the threads' stacks"};
  // A device rounds to nearest and keeps denormals, whatever the host's thread does.
  std::fenv_t host_arithmetic;
  std::fegetenv(&host_arithmetic);
  std::fesetenv(FE_DFL_ENV);

  running.call = &call;
  running.failure = {};
  gridDim = config.gridDim;
  blockDim = config.blockDim;
  place_threads(config.blockDim);
  Orders orders = Orders::of_environment();
  {
    const Traps traps(launch_seconds(), abandon_thread);
    const unsigned long long plane = 1ull * gridDim.x * gridDim.y;
    const unsigned long long blocks = plane * gridDim.z;
    Orders::Order order = orders.next(blocks);
    for (unsigned long long place = 0; place < blocks && !failed(); ++place) {
      const unsigned long long block = order.take();
      blockIdx = {static_cast<unsigned int>(block % gridDim.x),
                  static_cast<unsigned int>(block / gridDim.x % gridDim.y),
                  static_cast<unsigned int>(block / plane)};
      run_block(config.dynamicSmemBytes, orders);
    }
  }
  std::fesetenv(&host_arithmetic);
  return running.failure;
}

unsigned int lane_of_thread() {
  return static_cast<unsigned int>(running.current % kWarpThreads);
}

unsigned int meet_block(Meeting meeting, bool value, const Place& place) {
  Thread& self = current();
  self.wait(Meeter::State::kAtBlock, meeting, 0, value, 0, place);
  leave();
  return static_cast<unsigned int>(self.result);
}

unsigned long long meet_warp(Meeting meeting, unsigned int mask, unsigned long long value,
                             unsigned int source, const Place& place) {
  const int first = running.current / kWarpThreads * kWarpThreads;
  Thread& self = current();
  if ((mask >> lane_of_thread() & 1u) == 0) fail_thread("its own lane is not in the mask", place);
  self.wait(Meeter::State::kInWarp, meeting, mask, value, source, place);
  Meeter* lanes[kWarpThreads];
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    lanes[lane] = first + lane < running.count ? &running.threads[first + lane] : nullptr;
  }
  meet_lanes(lanes, self);
  leave();
  return self.result;
}

void fail_thread(const char* why, const Place& place) {
  fail(cudaErrorLaunchFailure,
       "thread " + words(current().index) + ": " + why + ", " + describe_place(place));
  current().state = Meeter::State::kExited;
  leave();
}

}  // namespace cuda_emulator
