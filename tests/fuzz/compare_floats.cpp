// Float kernels of every instruction-set row of a machine, where no Python runs:
//
//     compare_floats folder
//
// x.floats holds numbers. What every row makes of them, whole and in pieces of every short length, must
// equal the scalar row's bits; they are left beside it (x.answers) for a machine of another kind.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "format/net_operators.h"
#include "runtime/dispatch.hpp"

namespace {

using namespace cordwood;
using Numbers = std::vector<float>;

constexpr uint64_t kLongestPiece = 70;
constexpr uint64_t kRowLengths[] = {1, 5, 16, 33, 70, 384};
constexpr uint64_t kInners[] = {1, 7, 33};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

Numbers read(const std::filesystem::path& from) {
  std::ifstream file(from, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  Numbers numbers(bytes.size() / sizeof(float));
  if (numbers.size() < 1000) give_up("expected a thousand numbers or more");
  std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

/// Answers of one row of kernels, one after the other.
class Answers {
 public:
  Answers(const Numbers& x, const runtime::ArrayKernels& kernels) : x_(x), kernels_(kernels) {
    functions(0, x.size());
    for (uint64_t n = 0; n <= kLongestPiece; ++n) functions(n * 10, n);
    for (const uint64_t n : kRowLengths) norms(n);
    for (const uint64_t inner : kInners) softmax(inner);
  }

  Numbers all;

 private:
  /// Room for so many more.
  float* more(uint64_t n) {
    all.resize(all.size() + n);
    return all.data() + (all.size() - n);
  }

  void functions(uint64_t first, uint64_t n) {
    const float* x = x_.data() + first;
    for (uint32_t kind = 0; kind <= CORDWOOD_ACTIVATION_CLIP; ++kind) {
      kernels_.activate_f32({.x = x,
                             .out = more(n),
                             .slopes = kind == CORDWOOD_ACTIVATION_PRELU ? x : nullptr,
                             .n = n,
                             .kind = kind,
                             .alpha = 0.25f,
                             .beta = 1.5f});
    }
    for (uint32_t kind = 0; kind <= CORDWOOD_UNARY_RSQRT; ++kind) {
      if (kind >= CORDWOOD_UNARY_NOT && kind <= CORDWOOD_UNARY_IS_INFINITE) continue;
      kernels_.unary_f32({.x = x, .out = more(n), .n = n, .kind = kind});
    }
  }

  void norms(uint64_t n) {
    const uint64_t n_rows = x_.size() / n;
    kernels::NormTask task{.x = x_.data(),
                           .residual = x_.data(),
                           .sum = nullptr,
                           .out = more(n_rows * n),
                           .weight = x_.data(),
                           .bias = x_.data(),
                           .n_rows = n_rows,
                           .n = n,
                           .epsilon = 1e-5f,
                           .weight_offset = 1.0f};
    kernels_.layer_norm_f32(task);
    task.residual = nullptr;
    task.out = more(n_rows * n);
    kernels_.rms_norm_f32(task);
    kernels_.group_norm_f32({.x = x_.data(),
                             .out = more(x_.size() / (6 * n) * 6 * n),
                             .weight = x_.data(),
                             .bias = nullptr,
                             .n_images = x_.size() / (6 * n),
                             .groups = 3,
                             .channels = 2,
                             .positions = n,
                             .epsilon = 1e-5f});
  }

  void softmax(uint64_t inner) {
    for (const uint64_t n : {uint64_t{1}, uint64_t{17}, uint64_t{25}}) {
      const uint64_t outer = x_.size() / (n * inner);
      const uint64_t size = outer * n * inner;
      kernels_.softmax_f32(
          {.x = x_.data(), .out = more(size), .outer = outer, .n = n, .inner = inner});
      kernels_.log_softmax_f32(
          {.x = x_.data(), .out = more(size), .outer = outer, .n = n, .inner = inner});
    }
  }

  const Numbers& x_;
  const runtime::ArrayKernels& kernels_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("usage: compare_floats folder");
  const std::filesystem::path folder(argv[1]);
  const Numbers x = read(folder / "x.floats");
  const Numbers wanted = Answers(x, *runtime::all_rows().back().arrays).all;
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (!runtime::row_available(row)) continue;
    const Numbers now = Answers(x, *row.arrays).all;
    for (std::size_t at = 0; at < wanted.size(); ++at) {
      if (std::memcmp(&now[at], &wanted[at], sizeof(float)) == 0) continue;
      give_up(std::string(row.name) + " differs from scalar at answer " + std::to_string(at));
    }
  }
  std::ofstream file(folder / "x.answers", std::ios::binary);
  file.write(reinterpret_cast<const char*>(wanted.data()),
             static_cast<std::streamsize>(wanted.size() * sizeof(float)));
  std::printf("%zu numbers agree on:", x.size());
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (runtime::row_available(row)) std::printf(" %s", row.name);
  }
  std::printf("\n");
  return 0;
}
