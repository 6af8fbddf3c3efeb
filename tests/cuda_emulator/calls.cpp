#include "calls.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace cuda_emulator {
namespace {

std::map<std::string, unsigned long long> counts;

// FUNCTION:COUNT or FUNCTION:COUNT:ERROR, and how many calls are left before it is due.
std::string failing_setting;
std::string failing_function;
long calls_left = 0;
int failing_error = 0;

void read_setting() {
  const char* text = std::getenv("CORDWOOD_EMULATED_FAIL_CALL");
  const std::string now = text == nullptr ? "" : text;
  if (now == failing_setting) return;
  forget_failing_call();
  failing_setting = now;
  if (now.empty()) return;
  const std::size_t colon = now.find(':');
  failing_function = now.substr(0, colon);
  failing_error = cudaErrorUnknown;
  if (colon == std::string::npos ||
      std::sscanf(now.c_str() + colon, ":%ld:%d", &calls_left, &failing_error) < 1) {
    std::fprintf(stderr,
                 "cuda emulator: CORDWOOD_EMULATED_FAIL_CALL is '%s', expected FUNCTION:COUNT\n",
                 now.c_str());
    std::abort();
  }
}

}  // namespace

cudaError_t count_call(const char* function) {
  ++counts[function];
  read_setting();
  if (calls_left <= 0 || failing_function != function || --calls_left != 0) return cudaSuccess;
  return static_cast<cudaError_t>(failing_error);
}

unsigned long long calls_of(const char* function) {
  const auto found = counts.find(function);
  return found == counts.end() ? 0 : found->second;
}

void forget_failing_call() {
  failing_setting.clear();
  failing_function.clear();
  calls_left = 0;
}

}  // namespace cuda_emulator
