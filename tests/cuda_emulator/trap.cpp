#include "trap.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace cuda_emulator {
namespace {

constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
constexpr std::size_t kFaultCount = sizeof kFaults / sizeof *kFaults;

int timer_signal() {
  return SIGRTMIN + 9;
}

// One launch runs at a time. All of this is read by the handler.
volatile bool armed = false;
volatile bool inside = false;
volatile int ticks = 0;
pthread_t owner;
void* inside_stack_end = nullptr;
void (*abandon_thread)() = nullptr;
Fault raised;
struct sigaction before[kFaultCount];

// Makes the interrupted thread go on with abandon_thread, as if it had just been called.
void redirect(void* context) {
  auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto stack = reinterpret_cast<std::uintptr_t>(inside_stack_end);
  const auto target = reinterpret_cast<std::uintptr_t>(abandon_thread);
#if defined(__x86_64__)
  machine->gregs[REG_RSP] = static_cast<greg_t>(stack - 8);
  machine->gregs[REG_RIP] = static_cast<greg_t>(target);
#elif defined(__aarch64__)
  machine->sp = stack;
  machine->pc = target;
#else
#error "the emulator knows the signal frames of x86-64 and aarch64"
#endif
  inside = false;
}

bool is_of_a_thread() {
  return armed && inside && pthread_equal(pthread_self(), owner) != 0;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  if (is_of_a_thread()) {
    raised = {signal, info->si_addr};
    redirect(context);
    return;
  }
  // Not ours: the instruction is repeated under the handler that was there.
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    if (kFaults[i] == signal) sigaction(signal, &before[i], nullptr);
  }
}

// The first tick is answered by the scheduler; only a thread that never comes back meets the third.
void on_timer(int, siginfo_t*, void* context) {
  if (!armed) return;
  ticks = ticks + 1;
  if (ticks >= 3 && is_of_a_thread()) {
    raised = {SIGALRM, nullptr};
    redirect(context);
  }
}

struct sigaction action_of(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  return action;
}

timespec as_timespec(double seconds) {
  const auto whole = static_cast<time_t>(seconds);
  return {whole, static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
}

}  // namespace

struct Traps::State {
  stack_t stack_before;
  struct sigaction timer_before;
  timer_t timer;
  bool has_timer;
  unsigned char stack[64 << 10];
};

Traps::Traps(double seconds, void (*abandon)()) : state_(new State) {
  owner = pthread_self();
  abandon_thread = abandon;
  raised = {};
  ticks = 0;
  inside = false;

  // A thread that overflows its stack has none for the handler.
  stack_t stack{};
  stack.ss_sp = state_->stack;
  stack.ss_size = sizeof state_->stack;
  sigaltstack(&stack, &state_->stack_before);
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    const struct sigaction action = action_of(on_fault);
    sigaction(kFaults[i], &action, &before[i]);
  }

  const struct sigaction action = action_of(on_timer);
  sigaction(timer_signal(), &action, &state_->timer_before);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = timer_signal();
  event.sigev_notify_thread_id = static_cast<pid_t>(syscall(SYS_gettid));
  state_->has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &state_->timer) == 0;
  armed = true;
  if (state_->has_timer) {
    const itimerspec when{as_timespec(0.25), as_timespec(seconds)};
    timer_settime(state_->timer, 0, &when, nullptr);
  }
}

Traps::~Traps() {
  armed = false;
  if (state_->has_timer) timer_delete(state_->timer);
  // A tick may still be on its way: the handler stays, and does nothing, unless one was there.
  if (state_->timer_before.sa_handler != SIG_DFL) {
    sigaction(timer_signal(), &state_->timer_before, nullptr);
  }
  for (std::size_t i = 0; i < kFaultCount; ++i) sigaction(kFaults[i], &before[i], nullptr);
  sigaltstack(&state_->stack_before, nullptr);
}

void Traps::enter_thread(void* stack_end) {
  inside_stack_end = stack_end;
  inside = true;
}

void Traps::leave_thread() {
  inside = false;
}

bool Traps::time_is_up() {
  return ticks > 0;
}

Fault Traps::fault() {
  return raised;
}

}  // namespace cuda_emulator
