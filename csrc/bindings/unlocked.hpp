// The interpreter's lock, given up while native code works.
#pragma once

#include <Python.h>
#include <unistd.h>

namespace cordwood::bindings {

/// Releases the interpreter's lock for as long as it lives, if asked to.
class Unlocked {
 public:
  explicit Unlocked(bool release = true) noexcept
      : state_(release ? PyEval_SaveThread() : nullptr) {}
  ~Unlocked() {
    if (state_ == nullptr) return;
    // Once the interpreter ends, Pythons before 3.14 end whichever thread asks for the lock, by unwinding it:
    // no destructor lets that through, and the process would abort. As later ones do, the thread rests.
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) ::pause();
    }
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace cordwood::bindings
