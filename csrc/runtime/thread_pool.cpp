#include "runtime/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#define CORDWOOD_HAS_PTHREADS
#endif

#include "runtime/float_mode.hpp"

namespace cordwood::runtime {
namespace {

/// Keeps signals away from the threads started in its lifetime: handlers belong to the host.
class BlockedSignals {
 public:
#if defined(CORDWOOD_HAS_PTHREADS)
  BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
#endif
};

class ThreadPool {
 public:
  /// False where another caller has the workers.
  bool try_run(unsigned threads, uint64_t n_tasks, void* work, Task task, Status& status) noexcept {
    const std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    status = start_workers(threads - 1);
    if (!status.ok()) return true;

    {
      const std::lock_guard<std::mutex> lock(mutex_);
      work_ = work;
      task_ = task;
      n_tasks_ = n_tasks;
      next_.store(0, std::memory_order_relaxed);
      places_ = threads - 1;
      joined_ = 0;
      finished_ = 0;
    }
    if (threads == 2) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    take_tasks(0);
    // A worker that has not woken by now finds no place left and parks again.
    std::unique_lock<std::mutex> lock(mutex_);
    places_ = 0;
    done_.wait(lock, [this] { return finished_ == joined_; });
    return true;
  }

  [[nodiscard]] unsigned size() noexcept {
    const std::lock_guard<std::mutex> turn(turn_);
    return static_cast<unsigned>(workers_.size());
  }

 private:
  Status start_workers(unsigned count) noexcept {
    const BlockedSignals blocked;
    try {
      workers_.reserve(count);
      while (workers_.size() < count) workers_.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
      return fail(CORDWOOD_STATUS_thread_not_started, "threads",
                  "{} worker threads asked for, {} could be started; load with fewer threads",
                  count, workers_.size());
    } catch (const std::bad_alloc&) {
      return out_of_memory("threads");
    }
    return {};
  }

  void serve() noexcept {
    const DefaultFloatMode mode;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return places_ > 0; });
      --places_;
      const unsigned slot = ++joined_;
      lock.unlock();
      take_tasks(slot);
      lock.lock();
      if (++finished_ == joined_) done_.notify_one();
    }
  }

  void take_tasks(unsigned slot) noexcept {
    for (;;) {
      const uint64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= n_tasks_) return;
      task_(work_, slot, index);
    }
  }

  std::mutex turn_;  ///< held by the caller whose work the workers do
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  unsigned places_ = 0;    ///< workers that may still join
  unsigned joined_ = 0;    ///< workers that did
  unsigned finished_ = 0;  ///< and are through
  void* work_ = nullptr;
  Task task_ = nullptr;
  uint64_t n_tasks_ = 0;
  std::atomic<uint64_t> next_{0};
};

/// Never destroyed: workers may be parked in it when the process ends.
std::atomic<ThreadPool*> the_pool{nullptr};

#if defined(CORDWOOD_HAS_PTHREADS)
/// Only the forking thread lives on in a child: the pool's workers and locks are lost to it.
void forget_pool() noexcept {
  the_pool.store(nullptr, std::memory_order_relaxed);
}
#endif

ThreadPool* pool() noexcept {
  if (ThreadPool* existing = the_pool.load(std::memory_order_acquire)) return existing;
#if defined(CORDWOOD_HAS_PTHREADS)
  [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
#endif
  std::unique_ptr<ThreadPool> fresh(new (std::nothrow) ThreadPool);
  ThreadPool* expected = nullptr;
  if (the_pool.compare_exchange_strong(expected, fresh.get(), std::memory_order_acq_rel)) {
    return fresh.release();
  }
  return expected;  // another thread was faster
}

}  // namespace

Status run_tasks(unsigned threads, uint64_t n_tasks, void* work, Task task) noexcept {
  threads = static_cast<unsigned>(std::min<uint64_t>(threads, n_tasks));
  if (threads > 1) {
    ThreadPool* workers = pool();
    if (workers == nullptr) return out_of_memory("threads");
    Status status;
    if (workers->try_run(threads, n_tasks, work, task, status)) return status;
  }
  for (uint64_t index = 0; index < n_tasks; ++index) task(work, 0, index);
  return {};
}

unsigned live_workers() noexcept {
  ThreadPool* workers = the_pool.load(std::memory_order_acquire);
  return workers == nullptr ? 0 : workers->size();
}

}  // namespace cordwood::runtime
