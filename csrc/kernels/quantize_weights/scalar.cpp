// quantize_weights, plainly: the definition that every other row equals.
#include "kernels/quantize_weights/quantize_weights.hpp"
#include "kernels/quantize_weights/step.h"

namespace cordwood::kernels::scalar {
namespace {

uint64_t end_of_group(uint64_t first, uint64_t group_size, uint64_t n_inputs) noexcept {
  return n_inputs - first > group_size ? first + group_size : n_inputs;
}

/// Bits that wait until they make a byte.
struct BitWriter {
  uint8_t* next;
  uint32_t waiting = 0;
  uint32_t n_waiting = 0;

  void put(uint32_t code, uint32_t bits) noexcept {
    waiting |= code << n_waiting;
    n_waiting += bits;
    if (n_waiting < 8) return;
    *next++ = static_cast<uint8_t>(waiting);
    waiting >>= 8;
    n_waiting -= 8;
  }
  void finish() noexcept {
    if (n_waiting > 0) *next = static_cast<uint8_t>(waiting);
  }
};

struct BitReader {
  const uint8_t* next;
  uint32_t waiting = 0;
  uint32_t n_waiting = 0;

  uint32_t take(uint32_t bits) noexcept {
    if (n_waiting < bits) {
      waiting |= uint32_t{*next++} << n_waiting;
      n_waiting += 8;
    }
    const uint32_t code = waiting & ((1u << bits) - 1);
    waiting >>= bits;
    n_waiting -= bits;
    return code;
  }
};

}  // namespace

bool weight_ranges_f32(const WeightRanges& task) noexcept {
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    float low = 0.0f;
    float high = 0.0f;
    for (uint64_t k = first; k < end; ++k) {
      if (cordwood_weight_is_finite(task.w[k]) == 0) return false;
      if (task.w[k] < low) low = task.w[k];
      if (task.w[k] > high) high = task.w[k];
    }
    task.low[group] = low;
    task.high[group] = high;
    first = end;
  }
  return true;
}

void encode_weights_f32(const EncodeWeights& task) noexcept {
  const auto top = static_cast<float>((1u << task.bits) - 1);
  BitWriter codes{task.payload};
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    const float zero = task.zeros[group];
    for (uint64_t k = first; k < end; ++k) {
      codes.put(cordwood_weight_code(task.w[k], task.reciprocals[group], zero, top), task.bits);
    }
    first = end;
  }
  codes.finish();
}

void decode_weights_f32(const DecodeWeights& task) noexcept {
  BitReader codes{task.payload};
  uint64_t group = 0;
  for (uint64_t first = 0; first < task.n_inputs; ++group) {
    const uint64_t end = end_of_group(first, task.group_size, task.n_inputs);
    const int32_t zero = task.zeros[group];
    for (uint64_t k = first; k < end; ++k) {
      const int32_t code = static_cast<int32_t>(codes.take(task.bits));
      task.w[k] = cordwood_weight_of(code, zero, task.scales[group]);
    }
    first = end;
  }
}

void stream_floats(const float* source, float* target, uint64_t count) noexcept {
  for (uint64_t k = 0; k < count; ++k) target[k] = source[k];
}

void end_stream() noexcept {}

}  // namespace cordwood::kernels::scalar
