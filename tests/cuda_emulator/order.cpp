#include "order.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cuda_emulator {

Orders Orders::of_environment() {
  const char* given = std::getenv("CORDWOOD_EMULATOR_ORDER");
  const std::string_view text = given == nullptr || *given == '\0' ? "shuffled" : given;
  if (text == "ascending") return {Kind::kAscending, 0};
  if (text == "descending") return {Kind::kDescending, 0};
  unsigned long long seed = 1;
  if (text.starts_with("shuffled:")) {
    seed = std::strtoull(text.data() + 9, nullptr, 10);
  } else if (text != "shuffled") {
    std::fprintf(stderr,
                 "cuda emulator: CORDWOOD_EMULATOR_ORDER is '%s', expected ascending, descending, "
                 "shuffled or shuffled:SEED\n",
                 given);
    std::abort();
  }
  // Far apart, and never the zero that a xorshift cannot leave.
  return {Kind::kShuffled, (seed + 1) * 0x9e3779b97f4a7c15u | 1u};
}

}  // namespace cuda_emulator
