// Codes to weights: eight a thread. Read are bits / 8 bytes a weight, written 4, in stores of 16. A thread has at
// most 375 instructions of sm_90a, those of both ways to load and store, and to divide, among them.
#include "cuda/launch.hpp"
#include "cuda/weights_codes.cuh"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kThreads = 256;

template <uint32_t kBits>
__global__ void __launch_bounds__(kThreads)
    decode_kernel(const WeightCodes codes, const WeightsForm form, float* w) {
  const uint64_t n_eights = (form.n_inputs + kCodes - 1) / kCodes;
  const uint64_t thread = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const uint64_t output = divide(thread, n_eights);
  if (output >= form.n_outputs) return;
  const uint64_t eight = thread - output * n_eights;
  const uint64_t left = form.n_inputs - eight * kCodes;
  const uint32_t count = left < kCodes ? static_cast<uint32_t>(left) : kCodes;
  const uint64_t group = output * form.n_groups + divide(eight * kCodes, form.group_size);
  const GroupScale by = load_scale(form, codes, group);
  const uint8_t* payload = codes.payload + output * form.payload_bytes() + eight * kBits;
  const uint64_t packed = load_codes<kBits>(payload, count);
  float made[kCodes];
#pragma unroll
  for (uint32_t i = 0; i < kCodes; ++i) {
    const auto code = static_cast<int32_t>(packed >> (i * kBits) & ((1u << kBits) - 1));
    made[i] = cordwood_weight_of(code, by.zero, by.scale);
  }
  store_weights(made, count, w + output * form.n_inputs + eight * kCodes);
}

}  // namespace

Status decode_weights(const WeightCodes& codes, const WeightsForm& form, float* w,
                      cudaStream_t stream) noexcept {
  const uint64_t n_threads = form.n_outputs * ((form.n_inputs + kCodes - 1) / kCodes);
  auto* const kernel = form.bits == 8   ? decode_kernel<8>
                       : form.bits == 4 ? decode_kernel<4>
                       : form.bits == 3 ? decode_kernel<3>
                                        : decode_kernel<2>;
  const Launch how{.grid = dim3(blocks_for(n_threads, kThreads)),
                   .threads = kThreads,
                   .shared_bytes = 0,
                   .stream = stream,
                   .place = "weights"};
  return launch(kernel, how, codes, form, w);
}

}  // namespace cordwood::cuda
