// Attention and products of activations on every instruction-set row of a machine, where no Python runs.
//
// Calls are drawn from a fixed seed: sizes around the edges of vectors and panels, masks, windows, caps,
// numbers that are not finite. What every row answers must equal the scalar row's bits.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/attention_run.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/matmul_run.hpp"

namespace {

using namespace cordwood;

constexpr unsigned kCalls = 480;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

/// What calls are made of. Its own arithmetic: distributions differ from library to library.
class Draw {
 public:
  explicit Draw(unsigned seed) : engine_(seed) {}

  uint64_t below(uint64_t end) { return engine_() % end; }

  std::vector<float> floats(uint64_t count, bool odd) {
    static constexpr float kOdd[] = {std::numeric_limits<float>::infinity(),
                                     -std::numeric_limits<float>::infinity(),
                                     std::numeric_limits<float>::quiet_NaN(),
                                     -0.0f,
                                     1e30f,
                                     -1e-40f};
    std::vector<float> numbers(count);
    for (float& number : numbers) {
      number = static_cast<float>(static_cast<int64_t>(below(4001)) - 2000) / 1000.0f;
      if (odd && below(60) == 0) number = kOdd[below(6)];
    }
    return numbers;
  }

 private:
  std::mt19937 engine_;
};

/// Runs `call` on every row; `out` is where each of them writes.
template <class Run>
void compare(const std::string& name, std::vector<float>& out, Run&& run) {
  std::vector<float> wanted;
  const auto answer = [&](const runtime::KernelRow& row) {
    out.assign(out.size(), 7.0f);
    if (!run(*row.arrays).ok()) give_up(name + ": failed");
  };
  answer(runtime::all_rows().back());
  wanted = out;
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (!runtime::row_available(row)) continue;
    answer(row);
    if (std::memcmp(out.data(), wanted.data(), out.size() * sizeof(float)) != 0) {
      give_up(name + ": " + row.name + " differs from scalar");
    }
  }
}

void compare_attention(unsigned seed) {
  Draw draw(seed);
  const uint64_t n = 1 + draw.below(70);
  const uint64_t m = 1 + draw.below(seed % 40 == 0 ? 1200 : 80);
  const uint64_t d = 1 + draw.below(20);
  const uint64_t e = 1 + draw.below(70);
  const bool odd = seed % 3 == 0;
  const auto q = draw.floats(2 * n * d, odd);
  const auto k = draw.floats(m * d, odd);
  const auto v = draw.floats(m * e, odd);
  const auto numbers = draw.floats(n * m, odd);
  std::vector<uint8_t> flags(n * m);
  for (uint8_t& flag : flags) flag = draw.below(4) != 0 ? 1 : 0;
  std::vector<float> out(2 * n * e);
  const auto kind = static_cast<kernels::AttentionMask>(draw.below(3));
  const runtime::AttentionCall call{.queries = q.data(),
                                    .keys = k.data(),
                                    .values = v.data(),
                                    .mask = kind == kernels::AttentionMask::flags
                                                ? static_cast<const void*>(flags.data())
                                                : numbers.data(),
                                    .out = out.data(),
                                    .query_steps = {0, n * d, d},
                                    .key_steps = {0, 0, d},
                                    .value_steps = {0, 0, e},
                                    .mask_steps = {0, 0, m},
                                    .out_steps = {0, n * e, e},
                                    .n_batch = 1,
                                    .n_heads = 2,
                                    .n_kv_heads = 1,
                                    .n_queries = n,
                                    .n_keys = m,
                                    .n_inputs = d,
                                    .n_columns = e,
                                    .mask_kind = kind,
                                    .scale = draw.below(5) == 0 ? -0.5f : 0.75f,
                                    .soft_cap = draw.below(4) == 0 ? 1.5f : 0.0f,
                                    .window = draw.below(3) == 0 ? 1 + draw.below(20) : 0,
                                    .causal = draw.below(2) == 0,
                                    .coded = draw.below(2) == 0,
                                    .threads = 1};
  runtime::Context scratch;
  compare("attention " + std::to_string(seed), out, [&](const runtime::ArrayKernels& kernels) {
    return runtime::run_attention(scratch, call, kernels);
  });
}

void compare_matmul(unsigned seed) {
  Draw draw(seed);
  const uint64_t n = 1 + draw.below(40);
  const uint64_t k = 1 + draw.below(40);
  const uint64_t m = 1 + draw.below(70);
  const auto a = draw.floats(n * k, true);
  const auto b = draw.floats(k * m, true);
  std::vector<float> out(n * m);
  const bool transpose_a = draw.below(2) == 0;
  const bool transpose_b = draw.below(2) == 0;
  const runtime::MatmulCall call{.a = a.data(),
                                 .b = b.data(),
                                 .out = out.data(),
                                 .n_rows = n,
                                 .n_inner = k,
                                 .n_columns = m,
                                 .a_stride = transpose_a ? n : k,
                                 .b_stride = transpose_b ? k : m,
                                 .transpose_a = transpose_a,
                                 .transpose_b = transpose_b,
                                 .batch = {},
                                 .threads = 1};
  runtime::Context scratch;
  compare("matmul " + std::to_string(seed), out, [&](const runtime::ArrayKernels& kernels) {
    return runtime::run_matmul(scratch, call, kernels);
  });
}

}  // namespace

int main() {
  for (unsigned seed = 0; seed < kCalls / 2; ++seed) {
    compare_attention(seed);
    compare_matmul(seed);
  }
  std::printf("%u calls agree on", kCalls);
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (runtime::row_available(row)) std::printf(" %s", row.name);
  }
  std::printf("\n");
  return 0;
}
