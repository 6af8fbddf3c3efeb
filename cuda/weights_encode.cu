// Weights to codes, a team of threads a group: its range, its scale, its codes. Memory is read once, 4
// bytes a weight in loads of 16, for the second look at a group finds it in the first cache level;
// written are bits / 8 bytes a weight, and 4 or 2 bytes and a zero point a group. Eight weights take some
// 320 instructions of sm_90a, those of both ways to load among them.
#include "cuda/ops_call.hpp"
#include "cuda/weights_encode.cuh"
#include "cuda/weights_run.hpp"

namespace cordwood::cuda {
namespace {

/// Threads of a team, for groups of at most so many weights: eight weights each at a time.
constexpr uint32_t kSmallTeam = 4;
constexpr uint64_t kSmallGroup = 64;
constexpr uint32_t kTeam = 16;
constexpr uint64_t kGroup = 1024;

template <uint32_t kBits, uint32_t kThreads>
__global__ void __launch_bounds__(kEncodeThreads)
    encode_kernel(const float* w, const WeightsForm form, const WeightCodes codes,
                  const bool scales_given, unsigned long long* first_bad) {
  const uint64_t thread = uint64_t{blockIdx.x} * kEncodeThreads + threadIdx.x;
  const uint64_t number = thread / kThreads;
  const uint32_t member = threadIdx.x % kThreads;
  const bool is_there = number < form.n_outputs * form.n_groups;
  const uint64_t output = is_there ? divide(number, form.n_groups) : 0;
  const uint64_t first = is_there ? (number - output * form.n_groups) * form.group_size : 0;
  const uint64_t left = form.n_inputs - first;
  const uint64_t place = output * form.n_inputs + first;
  const GroupWeights group{.w = w + place,
                           .count = !is_there                ? 0
                                    : left < form.group_size ? left
                                                             : form.group_size,
                           .place = place};
  GroupScale scale;
  if (scales_given) {
    scale = load_scale(form, codes, is_there ? number : 0);
  } else {
    const Range range = team_range<kThreads>(group, member, first_bad);
    scale = choose_scale(form, range.low, range.high);
    if (is_there && member == 0) store_scale(form, codes, number, scale);
  }
  uint8_t* payload = codes.payload + output * form.payload_bytes() + first / kCodes * kBits;
  encode_group<kBits, kThreads>(group, member, scale, payload);
}

template <uint32_t kBits>
Status encode_by(const float* w, const WeightsForm& form, const WeightCodes& codes,
                 bool scales_given, unsigned long long* first_bad, cudaStream_t stream) noexcept {
  const uint64_t longest = form.group_size;
  const uint32_t team = longest <= kSmallGroup ? kSmallTeam
                        : longest <= kGroup    ? kTeam
                                               : kEncodeThreads;
  const Launch how{.grid = dim3(blocks_for(form.n_outputs * form.n_groups * team, kEncodeThreads)),
                   .threads = kEncodeThreads,
                   .shared_bytes = kEncodeThreads / kWarp * sizeof(Range),
                   .stream = stream,
                   .place = "weights"};
  auto* const kernel = team == kSmallTeam ? encode_kernel<kBits, kSmallTeam>
                       : team == kTeam    ? encode_kernel<kBits, kTeam>
                                          : encode_kernel<kBits, kEncodeThreads>;
  return launch(kernel, how, w, form, codes, scales_given, first_bad);
}

}  // namespace

Status encode_weights(const float* w, const WeightsForm& form, const WeightCodes& codes,
                      bool scales_given, unsigned long long* first_bad,
                      cudaStream_t stream) noexcept {
  switch (form.bits) {
    case 8:
      return encode_by<8>(w, form, codes, scales_given, first_bad, stream);
    case 4:
      return encode_by<4>(w, form, codes, scales_given, first_bad, stream);
    case 3:
      return encode_by<3>(w, form, codes, scales_given, first_bad, stream);
    default:
      return encode_by<2>(w, form, codes, scales_given, first_bad, stream);
  }
}

Result<uint64_t> quantize_weights(const float* w, const WeightsForm& form, const WeightCodes& codes,
                                  cudaStream_t stream) noexcept {
  PlaceOnDevice bad;
  CORDWOOD_RETURN_IF_FAILED(bad.open(0, stream));
  CORDWOOD_RETURN_IF_FAILED(encode_weights(w, form, codes, false, bad.place(), stream));
  return bad.wait();
}

}  // namespace cordwood::cuda
