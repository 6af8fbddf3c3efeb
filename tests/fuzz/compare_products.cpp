// Products of every instruction-set row of a machine, where no Python runs:
//
//     compare_products folder
//
// Each file x.case is a product: a header, weights, scales, zero points, activations (floats, or codes as
// floats), bias. What every row answers must equal the scalar row's bits; they are left beside it (x.answer) for a machine of
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
  uint32_t form;       ///< kernels::RowForm
  int32_t x_zero;      ///< of a static scale, -128 to 127
  uint32_t x_flip;     ///< 128 where given codes are uint8
  float answer_scale;  ///< 0 where answers stay floats
  int32_t answer_zero;
  uint32_t answer_flip;
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
  std::vector<uint8_t> codes;  ///< x as bytes

  explicit Case(Reader reader)
      : header(reader.take<Header>(1)[0]),
        weights(reader.take<uint8_t>(header.weight_bytes)),
        scales(reader.take<float>(header.n_scales)),
        zeros(reader.take<uint8_t>(header.n_zeros)),
        x(reader.take<float>(uint64_t{header.n_rows} * header.n_inputs)),
        bias(reader.take<float>(header.n_outputs)) {
    if (header.form != static_cast<uint32_t>(kernels::RowForm::coded)) return;
    for (const float value : x) codes.push_back(static_cast<uint8_t>(static_cast<int>(value)));
  }

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

/// Bytes of floats, or codes.
std::vector<uint8_t> answer(const path& from, const Case& given, const runtime::QmatmulPlan& plan,
                            uint64_t n_rows, const runtime::KernelRow& kernels) {
  const Header& header = given.header;
  const auto form = static_cast<kernels::RowForm>(header.form);
  const bool coded = header.answer_scale > 0.0f;
  std::vector<float> floats(coded ? 0 : n_rows * header.n_outputs);
  std::vector<uint8_t> out(n_rows * header.n_outputs * (coded ? 1 : sizeof(float)));
  runtime::QmatmulContext context;
  require(runtime::run_qmatmul(context, plan,
                               {.rows = {.form = form,
                                         .x = given.x.data(),
                                         .given = given.codes.data(),
                                         .stride = header.n_inputs,
                                         .static_scale = header.static_scale,
                                         .static_zero = header.x_zero,
                                         .flip = static_cast<uint8_t>(header.x_flip)},
                                .n_rows = n_rows,
                                .end = {.out = floats.data(),
                                        .bias = given.bias.data(),
                                        .residual = nullptr,
                                        .out_stride = given.header.n_outputs,
                                        .residual_stride = 0,
                                        .n_outputs = given.header.n_outputs,
                                        .low = -3.0f,
                                        .high = 1e6f,
                                        .cut = 1},
                                .answer = {.out = coded ? out.data() : nullptr,
                                           .scale = header.answer_scale,
                                           .zero = header.answer_zero,
                                           .flip = static_cast<uint8_t>(header.answer_flip)},
                                .float_rows = given.header.float_rows != 0,
                                .bf16_rows = given.header.bf16_rows != 0,
                                .scale_group = given.header.x_group,
                                .threads = 1},
                               *kernels.arrays),
          from);
  if (!coded) std::memcpy(out.data(), floats.data(), out.size());
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
      if (std::memcmp(now.data(), wanted.data(), now.size()) != 0) {
        give_up(from.string() + ": " + kernels.name + ", " + std::to_string(some) +
                " rows differ from scalar");
      }
    }
  }
  std::ofstream file(path(from).replace_extension("answer"), std::ios::binary);
  file.write(reinterpret_cast<const char*>(wanted.data()),
             static_cast<std::streamsize>(wanted.size()));
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
