// Products of every instruction-set row of a machine, where no Python runs:
//
//     compare_products folder
//
// Each file x.case is a product: a header, weights, scales, zero points, activations, bias. What every
// row answers must equal the scalar row's bits; they are left beside it (x.answer) for a machine of
// another kind to compare with its own.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/qmatmul_run.hpp"

namespace {

using namespace cordwood;
using std::filesystem::path;

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void require(const Status& status, const path& where) {
  if (!status.ok()) give_up(where.string() + ": " + render(status).c_str());
}

/// As tests/test_kernels_neon.py writes it.
struct Header {
  uint32_t kind;  ///< kernels::WeightKind
  uint32_t bits;
  uint32_t group_size;  ///< 0 where an output is one group
  uint32_t n_outputs;
  uint32_t n_inputs;
  uint32_t n_rows;
  uint32_t n_scales;
  uint32_t n_zeros;
  uint32_t weight_bytes;
  uint32_t float_rows;
  uint32_t bf16_rows;
  uint32_t x_group;
  float static_scale;
};

class Reader {
 public:
  explicit Reader(const path& from) {
    std::ifstream file(from, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }
  template <class T>
  std::vector<T> take(uint64_t count) {
    std::vector<T> values(count);
    if (bytes_.size() - at_ < count * sizeof(T)) give_up("a case is cut short");
    if (count != 0) std::memcpy(values.data(), bytes_.data() + at_, count * sizeof(T));
    at_ += count * sizeof(T);
    return values;
  }

 private:
  std::vector<char> bytes_;
  std::size_t at_ = 0;
};

struct Case {
  Header header;
  std::vector<uint8_t> weights;
  std::vector<float> scales;
  std::vector<uint8_t> zeros;
  std::vector<float> x;
  std::vector<float> bias;

  explicit Case(Reader reader)
      : header(reader.take<Header>(1)[0]),
        weights(reader.take<uint8_t>(header.weight_bytes)),
        scales(reader.take<float>(header.n_scales)),
        zeros(reader.take<uint8_t>(header.n_zeros)),
        x(reader.take<float>(uint64_t{header.n_rows} * header.n_inputs)),
        bias(reader.take<float>(header.n_outputs)) {}

  [[nodiscard]] Result<runtime::QmatmulPlan> plan() const {
    const auto kind = static_cast<kernels::WeightKind>(header.kind);
    if (kind != kernels::WeightKind::codes) {
      return runtime::QmatmulPlan::build(kind, std::as_bytes(std::span(weights)), header.n_outputs,
                                         header.n_inputs);
    }
    return runtime::QmatmulPlan::build({.payload = weights,
                                        .scales = scales,
                                        .zeros = zeros,
                                        .bits = header.bits,
                                        .group_size = header.group_size,
                                        .n_outputs = header.n_outputs,
                                        .n_inputs = header.n_inputs});
  }
};

std::vector<float> answer(const path& from, const Case& given, const runtime::QmatmulPlan& plan,
                          uint64_t n_rows, const runtime::KernelRow& kernels) {
  std::vector<float> out(n_rows * given.header.n_outputs);
  runtime::QmatmulContext context;
  require(runtime::run_qmatmul(context, plan,
                               {.x = given.x.data(),
                                .x_stride = given.header.n_inputs,
                                .n_rows = n_rows,
                                .end = {.out = out.data(),
                                        .bias = given.bias.data(),
                                        .residual = nullptr,
                                        .out_stride = given.header.n_outputs,
                                        .residual_stride = 0,
                                        .n_outputs = given.header.n_outputs,
                                        .low = -3.0f,
                                        .high = 1e6f,
                                        .cut = 1},
                                .float_rows = given.header.float_rows != 0,
                                .bf16_rows = given.header.bf16_rows != 0,
                                .scale_group = given.header.x_group,
                                .static_scale = given.header.static_scale,
                                .threads = 1},
                               *kernels.arrays),
          from);
  return out;
}

void compare(const path& from) {
  const Case given{Reader(from)};
  const auto plan = given.plan();
  require(plan.status(), from);
  const uint64_t n_rows = given.header.n_rows;
  const auto wanted = answer(from, given, *plan, n_rows, runtime::all_rows().back());
  for (const runtime::KernelRow& kernels : runtime::all_rows()) {
    if (!runtime::row_available(kernels)) continue;
    for (const uint64_t some : {uint64_t{1}, uint64_t{2}, uint64_t{4}, n_rows}) {
      const auto now = answer(from, given, *plan, std::min(some, n_rows), kernels);
      if (std::memcmp(now.data(), wanted.data(), now.size() * sizeof(float)) != 0) {
        give_up(from.string() + ": " + kernels.name + ", " + std::to_string(some) +
                " rows differ from scalar");
      }
    }
  }
  std::ofstream file(path(from).replace_extension("answer"), std::ios::binary);
  file.write(reinterpret_cast<const char*>(wanted.data()),
             static_cast<std::streamsize>(wanted.size() * sizeof(float)));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("usage: compare_products folder");
  std::size_t n_cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.path().extension() != ".case") continue;
    compare(entry.path());
    ++n_cases;
  }
  std::printf("%zu products agree on:", n_cases);
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (runtime::row_available(row)) std::printf(" %s", row.name);
  }
  std::printf("\n");
  return 0;
}
