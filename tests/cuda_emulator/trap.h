// Signals that a running thread of a kernel raises, made into the end of that thread.
#pragma once

#include <csignal>
#include <ctime>
#include <memory>

namespace cuda_emulator {

struct Fault {
  int signal = 0;  // 0: none
  const void* address = nullptr;
};

// In force while a launch runs, for the thread of the host that runs it.
class Traps {
 public:
  // After a fault `abandon` runs on the stack of the thread that raised it. After `seconds` of
  // processor time `time_is_up` holds, and a little later a fault is made of SIGALRM's number.
  Traps(double seconds, void (*abandon)());
  ~Traps();
  Traps(const Traps&) = delete;
  Traps& operator=(const Traps&) = delete;

  // To be said around every switch to a thread. Only then is a signal taken for its fault.
  static void enter_thread(void* stack_end);
  static void leave_thread();
  static bool time_is_up();
  static Fault fault();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cuda_emulator
