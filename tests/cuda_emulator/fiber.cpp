#include "fiber.h"

#include <sys/mman.h>

#include <cstdint>

#include "device_limits.h"

#if defined(CORDWOOD_EMULATOR_SWITCH)
// The registers that a call keeps are pushed, the stacks exchanged. The rounding modes are the
// launch's for all threads.
asm(R"(
.text
.p2align 4
.type cuda_emulator_switch, @function
cuda_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cuda_emulator_switch, . - cuda_emulator_switch
)");
extern "C" void cuda_emulator_switch(cuda_emulator::Context* from,
                                     cuda_emulator::Context* to) asm("cuda_emulator_switch");
#endif

namespace cuda_emulator {
namespace {

constexpr std::size_t kStride = kStackBytes + kStackGuardBytes;

unsigned char* stacks() {
  static unsigned char* const all = [] {
    const std::size_t bytes = kStride * kMaxBlockThreads;
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return static_cast<unsigned char*>(nullptr);
    auto* start = static_cast<unsigned char*>(mapped);
    for (std::size_t at = 0; at < bytes; at += kStride) {
      mprotect(start + at, kStackGuardBytes, PROT_NONE);
    }
    return start;
  }();
  return all;
}

}  // namespace

bool have_stacks() {
  return stacks() != nullptr;
}

void* stack_end(int thread) {
  return stacks() + kStride * (static_cast<std::size_t>(thread) + 1);
}

bool is_stack_guard(const void* address) {
  const std::uintptr_t offset =
      reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(stacks());
  return offset < kStride * kMaxBlockThreads && offset % kStride < kStackGuardBytes;
}

#if defined(CORDWOOD_EMULATOR_SWITCH)

void switch_context(Context& from, Context& to) {
  cuda_emulator_switch(&from, &to);
}

void begin_context(Context& context, void* stack_end, std::size_t, void (*entry)()) {
  // As the switch finds it: six registers, then where to go on. `entry` gets the stack as after a
  // call, 8 bytes past a multiple of 16.
  auto* top = static_cast<std::uintptr_t*>(stack_end);
  *--top = 0;
  *--top = reinterpret_cast<std::uintptr_t>(entry);
  for (int pushed = 0; pushed < 6; ++pushed) *--top = 0;
  context.stack_pointer = top;
}

#else

void switch_context(Context& from, Context& to) {
  swapcontext(&from.state, &to.state);
}

void begin_context(Context& context, void* stack_end, std::size_t stack_bytes, void (*entry)()) {
  getcontext(&context.state);
  context.state.uc_stack.ss_sp = static_cast<unsigned char*>(stack_end) - stack_bytes;
  context.state.uc_stack.ss_size = stack_bytes;
  context.state.uc_link = nullptr;
  makecontext(&context.state, entry, 0);
}

#endif

}  // namespace cuda_emulator
