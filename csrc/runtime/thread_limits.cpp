#include "runtime/thread_limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace cordwood::runtime {
namespace {

#if defined(__linux__)

using Text = std::array<char, 4096>;  // /proc and /sys files of a line or two

std::string_view read_file(const char* path, Text& text) noexcept {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return {};
  const std::size_t length = std::fread(text.data(), 1, text.size(), file);
  std::fclose(file);
  return {text.data(), length};
}

/// The number that `text` starts with; -1 where it starts with none ("max", or v1's own -1).
long long leading_number(std::string_view text) noexcept {
  long long number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

unsigned whole_cores(long long quota, long long period, unsigned most) noexcept {
  if (quota <= 0 || period <= 0) return most;
  const long long cores = (quota + period - 1) / period;
  return static_cast<unsigned>(std::clamp(cores, 1LL, static_cast<long long>(most)));
}

unsigned quota_of_v2(const std::string& folder, unsigned most) {
  Text text;
  const std::string_view limits = read_file((folder + "/cpu.max").c_str(), text);
  const std::size_t space = limits.find(' ');
  if (space == std::string_view::npos) return most;
  return whole_cores(leading_number(limits), leading_number(limits.substr(space + 1)), most);
}

unsigned quota_of_v1(const std::string& folder, unsigned most) {
  Text quota_text;
  Text period_text;
  const auto quota = read_file((folder + "/cpu.cfs_quota_us").c_str(), quota_text);
  const auto period = read_file((folder + "/cpu.cfs_period_us").c_str(), period_text);
  return whole_cores(leading_number(quota), leading_number(period), most);
}

/// The tightest quota from a group up to the root: any ancestor may hold the limit.
template <class QuotaOf>
unsigned tightest(const std::string& root, std::string_view group, unsigned most,
                  QuotaOf quota_of) {
  std::string path(group == "/" ? "" : group);
  for (;;) {
    most = std::min(most, quota_of(root + path, most));
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return most;
    path.resize(slash);
  }
}

unsigned apply_quotas(unsigned most) {
  Text text;
  std::string_view lines = read_file("/proc/self/cgroup", text);
  while (!lines.empty()) {  // "0::/group" or "4:cpu,cpuacct:/group"
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string_view group = line.substr(second + 1);
    if (controllers.empty()) {
      most = tightest("/sys/fs/cgroup", group, most, quota_of_v2);
    } else if (controllers == "cpu" || controllers == "cpu,cpuacct" ||
               controllers == "cpuacct,cpu") {
      most = tightest("/sys/fs/cgroup/cpu", group, most, quota_of_v1);
    }
  }
  return most;
}

unsigned cores_by_affinity() noexcept {
  // The mask is asked for with growing room: machines may have more than CPU_SETSIZE processors.
  for (int processors = CPU_SETSIZE; processors <= 64 * CPU_SETSIZE; processors *= 4) {
    cpu_set_t* set = CPU_ALLOC(processors);
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(processors);
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return static_cast<unsigned>(count);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

#else

unsigned cores_by_affinity() noexcept {
  return std::max(1u, std::thread::hardware_concurrency());
}
unsigned apply_quotas(unsigned most) {
  return most;
}

#endif

}  // namespace

unsigned permitted_cores() noexcept {
  const unsigned cores = std::min(cores_by_affinity(), kMaxThreads);
  try {
    return apply_quotas(cores);
  } catch (const std::bad_alloc&) {
    return cores;  // a quota that cannot be read is not applied
  }
}

Result<unsigned> resolve_threads(unsigned requested) noexcept {
  unsigned threads = requested == 0 ? permitted_cores() : std::min(requested, kMaxThreads);
  if (const char* cap = std::getenv("CORDWOOD_THREADS"); cap != nullptr && *cap != '\0') {
    const std::string_view text(cap);
    unsigned limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc{} || end != text.data() + text.size() || limit == 0) {
      return fail(CORDWOOD_STATUS_threads_invalid, "CORDWOOD_THREADS",
                  "expected a whole number from 1 to {}; unset it to use all permitted cores",
                  kMaxThreads);
    }
    threads = std::min(threads, limit);
  }
  return threads;
}

}  // namespace cordwood::runtime
