// Convolutions and pools of every instruction-set row of a machine, where no Python runs: what each row
// answers to drawn images must equal the scalar row's bits.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "runtime/conv_run.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/pool_run.hpp"

namespace {

using namespace cordwood;
using runtime::count;
using runtime::Space;

constexpr int kCases = 400;

std::mt19937 draws(7);

uint32_t draw(uint32_t low, uint32_t high) {
  return std::uniform_int_distribution<uint32_t>(low, high)(draws);
}

std::vector<float> draw_numbers(uint64_t n) {
  std::vector<float> numbers(n);
  std::normal_distribution<float> normal;
  for (float& number : numbers) number = normal(draws);
  return numbers;
}

std::vector<uint8_t> draw_codes(uint64_t n) {
  const bool ends = draw(0, 3) == 0;
  std::vector<uint8_t> codes(n);
  for (uint8_t& code : codes) {
    code = static_cast<uint8_t>(ends ? 255 * draw(0, 1) : draw(0, 255));
  }
  return codes;
}

[[noreturn]] void give_up(const char* what, const char* row, int index) {
  std::fprintf(stderr, "%s: row %s, case %d\n", what, row, index);
  std::exit(1);
}

/// Runs all rows of the machine; `run` gives the bytes of an answer.
template <class Run>
void compare(const char* what, int index, Run run) {
  const auto rows = runtime::all_rows();
  const std::vector<uint8_t> wanted = run(*rows.back().arrays);
  for (const runtime::KernelRow& row : rows) {
    if (!runtime::row_available(row)) continue;
    if (run(*row.arrays) != wanted) give_up(what, row.name, index);
  }
}

void compare_convolution(int index) {
  const uint32_t channels = draw(1, 40);
  const bool depthwise = draw(0, 2) == 0;
  const uint32_t outputs = depthwise ? channels : draw(1, 70);
  cordwood_conv_attributes attributes{};
  attributes.axes = 2;
  attributes.groups = depthwise ? channels : 1;
  Space kernel{1, draw(1, 3), draw(1, 3)};
  for (uint32_t axis = 0; axis < 2; ++axis) {
    attributes.stride[axis] = draw(1, 2);
    attributes.dilation[axis] = draw(1, 2);
    attributes.pad_before[axis] = draw(0, 2);
    attributes.pad_after[axis] = draw(0, 2);
  }
  const bool floats = draw(0, 1) == 0;
  attributes.product.rows = floats ? CORDWOOD_ROWS_FLOAT32 : CORDWOOD_ROWS_UINT8_STATIC;
  attributes.product.row_scale = floats ? 0.0f : 0.02f;
  attributes.product.row_zero = floats ? 0 : static_cast<int32_t>(draw(0, 255));
  const uint64_t n_weights = uint64_t{outputs} * (depthwise ? 1 : channels) * count(kernel);
  const std::vector<float> numbers = draw_numbers(floats ? n_weights : 0);
  const std::vector<uint8_t> codes = draw_codes(floats ? 0 : n_weights);
  const std::vector<float> scales(floats ? 0 : outputs, 0.003f);
  const auto plan =
      runtime::ConvPlan::build(attributes, {numbers, codes, scales, outputs, channels, kernel});
  if (!plan.ok()) give_up("plan", render(plan.status()).c_str(), index);
  const Space size{1, draw(5, 9), draw(5, 30)};
  const auto output = plan->output_size(size);
  if (!output.ok()) give_up("size", render(output.status()).c_str(), index);
  std::vector<float> x = draw_numbers(count(size) * channels);
  const std::vector<float> bias = draw_numbers(outputs);
  std::vector<uint8_t> residual = draw_codes(count(*output) * outputs);
  const bool to_codes = !floats && draw(0, 1) == 0;
  compare("convolution", index, [&](const runtime::ArrayKernels& kernels) {
    std::vector<uint8_t> answer(count(*output) * outputs * (to_codes ? 1 : sizeof(float)));
    runtime::ConvCall call;
    call.x.data = x.data();
    runtime::pack(call.x, size, channels);
    call.size = size;
    call.n_images = 1;
    call.bias = bias.data();
    call.residual.data = residual.data();
    call.residual.kind = runtime::ImageKind::uint8;
    call.residual.scale = 0.01f;
    call.residual.zero = 99;
    runtime::pack(call.residual, *output, outputs);
    call.out.data = answer.data();
    call.out.kind = to_codes ? runtime::ImageKind::uint8 : runtime::ImageKind::float32;
    call.out.scale = 0.05f;
    call.out.zero = 120;
    runtime::pack(call.out, *output, outputs);
    call.cut = true;
    call.low = -2.0f;
    call.high = 6.0f;
    runtime::ConvContext context;
    const Status status = runtime::run_conv(context, *plan, call, kernels);
    if (!status.ok()) give_up("convolution", render(status).c_str(), index);
    return answer;
  });
}

void compare_pool(int index) {
  runtime::PoolCall call;
  call.channels = draw(1, 70);
  call.size = {1, draw(3, 9), draw(3, 9)};
  call.n_images = 1;
  call.attributes.kind = draw(0, 1);
  call.attributes.axes = 2;
  call.attributes.ceil_mode = draw(0, 1);
  for (uint32_t axis = 0; axis < 2; ++axis) {
    call.attributes.kernel[axis] = draw(1, 3);
    call.attributes.stride[axis] = draw(1, 2);
    call.attributes.dilation[axis] = 1;
    call.attributes.pad_before[axis] = draw(0, 1);
  }
  std::vector<float> x = draw_numbers(count(call.size) * call.channels);
  if (draw(0, 1) == 0) x[x.size() / 2] = -std::strtof("nan", nullptr);
  call.x.data = x.data();
  runtime::pack(call.x, call.size, call.channels);
  const auto size = runtime::pool_size(call.attributes, call.size);
  if (!size.ok()) give_up("pool", render(size.status()).c_str(), index);
  runtime::pack(call.out, *size, call.channels);
  compare("pool", index, [&](const runtime::ArrayKernels& kernels) {
    std::vector<uint8_t> answer(count(*size) * call.channels * sizeof(float));
    call.out.data = answer.data();
    runtime::Context scratch;
    const Status status = runtime::run_pool(scratch, call, kernels);
    if (!status.ok()) give_up("pool", render(status).c_str(), index);
    return answer;
  });
}

}  // namespace

int main() {
  for (int index = 0; index < kCases; ++index) {
    compare_convolution(index);
    compare_pool(index);
  }
  std::printf("%d cases agree\n", kCases);
  return 0;
}
