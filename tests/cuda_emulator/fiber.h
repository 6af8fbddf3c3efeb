// A stack of its own for each thread of a block, and the switch between it and the scheduler.
#pragma once

#include <cstddef>

// ucontext works everywhere, but asks the kernel at each switch.
#if defined(__x86_64__) && !defined(CORDWOOD_EMULATOR_UCONTEXT)
#define CORDWOOD_EMULATOR_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace cuda_emulator {

// A suspended computation; it is switched to once for each suspension.
struct Context {
#if defined(CORDWOOD_EMULATOR_SWITCH)
  void* stack_pointer = nullptr;
#else
  ucontext_t state;
#endif
};

// Suspends the running computation in `from` and goes on with `to`.
void switch_context(Context& from, Context& to);

// Makes `context` begin at `entry`, which must not return, on the stack that ends at `stack_end`.
void begin_context(Context& context, void* stack_end, std::size_t stack_bytes, void (*entry)());

// Stacks for as many threads as a block may have; each ends in a page that no access survives.
inline constexpr std::size_t kStackBytes = 256 << 10;
inline constexpr std::size_t kStackGuardBytes = 64 << 10;
bool have_stacks();
void* stack_end(int thread);
// Whether an address is in a stack's guard, that is, a thread needs too much local memory.
bool is_stack_guard(const void* address);

}  // namespace cuda_emulator
