#include "runtime/weights.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "format/layout.h"
#include "runtime/float_mode.hpp"
#include "runtime/memory.hpp"
#include "runtime/split_rows.hpp"
#include "runtime/thread_pool.hpp"
#include "runtime/weights_scale.hpp"

namespace cordwood::runtime {
namespace {

/// Weights of one task, and the least that are worth a thread.
constexpr uint64_t kTaskWeights = 1u << 17;

/// Inputs between choosing scales and codes: they stay in the first cache level meanwhile.
constexpr uint64_t kPieceInputs = 2048;
constexpr uint64_t kLeastGroup = 32;
constexpr uint64_t kPieceGroups = kPieceInputs / kLeastGroup;

/// Weights that are made before they go past the caches.
constexpr uint64_t kMadeInputs = 1024;

/// What is loaded together where inputs do not lie side by side: neighbouring outputs share the page
/// that holds one input.
constexpr uint64_t kLoadedWeights = 1u << 20;
constexpr uint64_t kLoadedOutputs = 64;
constexpr uint64_t kLoadedInputs = 64;

/// Results from here on are larger than the caches and go past them.
constexpr uint64_t kStreamedBytes = 1u << 23;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

uint64_t group_inputs(const WeightsForm& form, uint64_t n_inputs) noexcept {
  return form.group_size == 0 ? n_inputs : form.group_size;
}

/// Whole groups of at most `inputs`; at least one.
constexpr uint64_t whole_groups(uint64_t inputs, uint64_t group_size) noexcept {
  return std::max<uint64_t>(inputs / group_size, 1) * group_size;
}

Status refuse(float value, uint64_t output, uint64_t input) noexcept {
  if (std::isnan(value)) {
    return fail(CORDWOOD_STATUS_nan_refused, "weights", "output {}, input {} is NaN", output,
                input);
  }
  return fail(CORDWOOD_STATUS_infinity_refused, "weights",
              "output {}, input {} is infinite or too large for float32", output, input);
}

uint64_t task_outputs(uint64_t n_inputs) noexcept {
  return std::max<uint64_t>(kTaskWeights / n_inputs, 1);
}

/// Outputs that come through scratch: any strides, float32 or float64.
class Loader {
 public:
  Loader(const KernelRow& kernels, const WeightsView& weights) noexcept
      : weights_(weights),
        value_bytes_(weights.dtype == CORDWOOD_DTYPE_FLOAT64 ? 8 : 4),
        columns_(value_bytes_ == 8 ? kernels.load_columns_f64_f32 : kernels.load_columns_f32_f32) {}

  [[nodiscard]] bool in_place() const noexcept {
    const bool side_by_side = weights_.input_stride == 4 || weights_.n_inputs == 1;
    return value_bytes_ == 4 && side_by_side;
  }

  [[nodiscard]] const float* at(uint64_t output) const noexcept {
    return reinterpret_cast<const float*>(address(output, 0));
  }

  /// Loads outputs [first, first + count), one after the other.
  void load(uint64_t first, uint64_t count, float* out) const noexcept {
    if (weights_.output_stride == static_cast<int64_t>(value_bytes_)) {
      for (uint64_t k = 0; k < weights_.n_inputs; k += kLoadedInputs) {
        columns_({.rows = address(first, k),
                  .row_stride = weights_.input_stride,
                  .n_rows = std::min(kLoadedInputs, weights_.n_inputs - k),
                  .n_features = count,
                  .out = out + k,
                  .stride = weights_.n_inputs});
      }
    } else if (value_bytes_ == 8) {
      load_as<double>(first, count, out);
    } else {
      load_as<float>(first, count, out);
    }
  }

 private:
  [[nodiscard]] const char* address(uint64_t output, uint64_t input) const noexcept {
    return static_cast<const char*>(weights_.data) +
           static_cast<int64_t>(output) * weights_.output_stride +
           static_cast<int64_t>(input) * weights_.input_stride;
  }

  template <class Source>
  void load_as(uint64_t first, uint64_t count, float* out) const noexcept {
    for (uint64_t output = first; output < first + count; ++output) {
      const char* from = address(output, 0);
      for (uint64_t k = 0; k < weights_.n_inputs; ++k) {
        Source value;
        std::memcpy(&value, from, sizeof value);
        *out++ = static_cast<float>(value);
        from += weights_.input_stride;
      }
    }
  }

  const WeightsView& weights_;
  uint64_t value_bytes_;
  kernels::LoadColumns columns_;
};

/// All that tasks share.
struct Encoding {
  const ArrayKernels& kernels;
  Loader loader;
  const WeightsView& weights;
  const WeightsForm& form;
  const CodesView& codes;
  bool scales_given;
  uint64_t outputs_per_task;
  std::vector<Arena> scratch{};

  std::atomic<uint64_t> failed_task{UINT64_MAX};
  std::mutex mutex{};
  Status status{};

  static void run_task(void* work, unsigned slot, uint64_t index) noexcept {
    auto& self = *static_cast<Encoding*>(work);
    // Tasks before a failed one still run, so that the first bad weight of all is the one named.
    if (index > self.failed_task.load(std::memory_order_relaxed)) return;
    const DefaultFloatMode mode;
    const Status result = self.encode_outputs(slot, index * self.outputs_per_task);
    if (result.ok()) return;
    const std::lock_guard<std::mutex> lock(self.mutex);
    if (index < self.failed_task.load(std::memory_order_relaxed)) {
      self.failed_task.store(index, std::memory_order_relaxed);
      self.status = result;
    }
  }

  Status encode_outputs(unsigned slot, uint64_t first) noexcept {
    const uint64_t count = std::min(outputs_per_task, weights.n_outputs - first);
    float* loaded = nullptr;
    if (!loader.in_place()) {
      CORDWOOD_RETURN_IF_FAILED(
          scratch[slot].reserve(outputs_per_task * weights.n_inputs * sizeof(float)));
      loaded = reinterpret_cast<float*>(scratch[slot].bytes().data());
      loader.load(first, count, loaded);
    }
    for (uint64_t i = 0; i < count; ++i) {
      const float* w = loaded != nullptr ? loaded + i * weights.n_inputs : loader.at(first + i);
      CORDWOOD_RETURN_IF_FAILED(encode_output(w, first + i));
    }
    return {};
  }

  Status encode_output(const float* w, uint64_t output) const noexcept {
    const uint64_t group_size = group_inputs(form, weights.n_inputs);
    const uint64_t step = whole_groups(kPieceInputs, group_size);
    const uint64_t n_groups = count_groups(form, weights.n_inputs);
    uint8_t* payload = codes.payload + output * payload_bytes(form, weights.n_inputs);
    for (uint64_t first = 0; first < weights.n_inputs; first += step) {
      const uint64_t count = std::min(step, weights.n_inputs - first);
      const uint64_t group = output * n_groups + first / group_size;
      std::array<float, kPieceGroups> reciprocals;
      std::array<uint8_t, kPieceGroups> zeros;
      if (!prepare_groups(w + first, count, group, reciprocals, zeros)) {
        const auto is_bad = [](float value) { return !std::isfinite(value); };
        const float* bad = std::find_if(w + first, w + first + count, is_bad);
        return refuse(*bad, output, static_cast<uint64_t>(bad - w));
      }
      kernels.encode_weights_f32({.w = w + first,
                                  .reciprocals = reciprocals.data(),
                                  .zeros = zeros.data(),
                                  .payload = payload + first / 8 * form.bits,
                                  .n_inputs = count,
                                  .group_size = group_size,
                                  .bits = form.bits});
    }
    return {};
  }

  /// Reads scales from `codes`, or chooses and writes them, from group number `group` on.
  bool prepare_groups(const float* w, uint64_t count, uint64_t group,
                      std::array<float, kPieceGroups>& reciprocals,
                      std::array<uint8_t, kPieceGroups>& zeros) const noexcept {
    const uint64_t group_size = group_inputs(form, weights.n_inputs);
    const uint64_t n_groups = divide_up(count, group_size);
    std::array<float, kPieceGroups> low;
    std::array<float, kPieceGroups> high;
    const bool finite = kernels.weight_ranges_f32({.w = w,
                                                   .low = low.data(),
                                                   .high = high.data(),
                                                   .n_inputs = count,
                                                   .group_size = group_size});
    if (!finite) return false;
    const GroupScales chosen{codes.scales + group, reciprocals.data(), zeros.data()};
    if (scales_given) {
      invert_scales(n_groups, chosen);
    } else {
      choose_scales(low.data(), high.data(), n_groups, form, chosen);
    }
    if (codes.zeros == nullptr) {
      zeros.fill(static_cast<uint8_t>(1u << (form.bits - 1)));
    } else if (scales_given) {
      std::copy_n(codes.zeros + group, n_groups, zeros.begin());
    } else {
      std::copy_n(zeros.begin(), n_groups, codes.zeros + group);
    }
    return true;
  }
};

Status run_encoding(const KernelRow& kernels, const WeightsView& weights, const WeightsForm& form,
                    const CodesView& codes, bool scales_given, unsigned threads) noexcept {
  const Loader loader(kernels, weights);
  const uint64_t loaded =
      std::clamp<uint64_t>(kLoadedWeights / weights.n_inputs, 1, kLoadedOutputs);
  Encoding work{
      .kernels = *kernels.arrays,
      .loader = loader,
      .weights = weights,
      .form = form,
      .codes = codes,
      .scales_given = scales_given,
      .outputs_per_task = loader.in_place() ? task_outputs(weights.n_inputs) : loaded,
  };
  const unsigned worth =
      worthwhile_threads(weights.n_outputs * weights.n_inputs, 1, kTaskWeights, threads);
  if (!loader.in_place()) {
    CORDWOOD_RETURN_IF_FAILED(guard_memory("weights", [&]() -> Status {
      work.scratch.resize(worth);
      return {};
    }));
  }
  const uint64_t n_tasks = divide_up(weights.n_outputs, work.outputs_per_task);
  CORDWOOD_RETURN_IF_FAILED(run_tasks(worth, n_tasks, &work, Encoding::run_task));
  return work.status;
}

struct Decoding {
  const ArrayKernels& kernels;
  const CodesView& codes;
  const WeightsForm& form;
  uint64_t n_outputs;
  uint64_t n_inputs;
  float* w;
  uint64_t outputs_per_task;
  bool streamed;

  static void run_task(void* work, unsigned, uint64_t index) noexcept {
    const auto& self = *static_cast<const Decoding*>(work);
    const DefaultFloatMode mode;
    const uint64_t first = index * self.outputs_per_task;
    const uint64_t end = std::min(first + self.outputs_per_task, self.n_outputs);
    for (uint64_t output = first; output < end; ++output) self.decode_output(output);
    self.kernels.end_stream();
  }

  void decode_output(uint64_t output) const noexcept {
    const uint64_t group_size = group_inputs(form, n_inputs);
    const uint64_t n_groups = count_groups(form, n_inputs);
    const uint8_t* payload = codes.payload + output * payload_bytes(form, n_inputs);
    std::array<uint8_t, kMadeInputs / kLeastGroup> middles;
    middles.fill(static_cast<uint8_t>(1u << (form.bits - 1)));
    alignas(64) std::array<float, kMadeInputs> piece;
    uint64_t count;
    for (uint64_t first = 0; first < n_inputs; first += count) {
      // A group that is longer than a piece goes in parts, which its scale serves alike.
      const uint64_t group_left = group_size - first % group_size;
      count =
          std::min({n_inputs - first, kMadeInputs,
                    group_size > kMadeInputs ? group_left : whole_groups(kMadeInputs, group_size)});
      const uint64_t group = output * n_groups + first / group_size;
      float* out = w + output * n_inputs + first;
      kernels.decode_weights_f32({
          .payload = payload + first / 8 * form.bits,
          .scales = codes.scales + group,
          .zeros = codes.zeros != nullptr ? codes.zeros + group : middles.data(),
          .w = streamed ? piece.data() : out,
          .n_inputs = count,
          .group_size = group_size,
          .bits = form.bits,
      });
      if (streamed) kernels.stream_floats(piece.data(), out, count);
    }
  }
};

}  // namespace

uint64_t count_groups(const WeightsForm& form, uint64_t n_inputs) noexcept {
  return divide_up(n_inputs, group_inputs(form, n_inputs));
}

uint64_t payload_bytes(const WeightsForm& form, uint64_t n_inputs) noexcept {
  return divide_up(n_inputs * form.bits, 8);
}

Status quantize_weights(const KernelRow& kernels, const WeightsView& weights,
                        const WeightsForm& form, const CodesView& codes,
                        unsigned threads) noexcept {
  return run_encoding(kernels, weights, form, codes, false, threads);
}

Status encode_weights(const KernelRow& kernels, const WeightsView& weights, const WeightsForm& form,
                      const CodesView& codes, unsigned threads) noexcept {
  return run_encoding(kernels, weights, form, codes, true, threads);
}

Status decode_weights(const KernelRow& kernels, const CodesView& codes, const WeightsForm& form,
                      uint64_t n_outputs, uint64_t n_inputs, float* w, unsigned threads) noexcept {
  Decoding work{
      .kernels = *kernels.arrays,
      .codes = codes,
      .form = form,
      .n_outputs = n_outputs,
      .n_inputs = n_inputs,
      .w = w,
      .outputs_per_task = task_outputs(n_inputs),
      .streamed = n_outputs * n_inputs * sizeof(float) >= kStreamedBytes,
  };
  const unsigned worth = worthwhile_threads(n_outputs * n_inputs, 1, kTaskWeights, threads);
  return run_tasks(worth, divide_up(n_outputs, work.outputs_per_task), &work, Decoding::run_task);
}

}  // namespace cordwood::runtime
