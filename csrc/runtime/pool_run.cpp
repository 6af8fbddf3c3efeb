#include "runtime/pool_run.hpp"

#include <algorithm>

#include "runtime/channel_order.hpp"
#include "runtime/coded_rows.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

constexpr double kNumbersPerMicrosecond = 4000.0;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

kernels::PoolAxis axis_of(const cordwood_pool_attributes& attributes, const Space& size,
                          uint32_t i) noexcept {
  const uint32_t lead = CORDWOOD_MAX_SPACE - attributes.axes;
  if (i < lead) return {.size = 1, .kernel = 1, .stride = 1, .dilation = 1, .before = 0};
  return {.size = static_cast<uint32_t>(size[i]),
          .kernel = attributes.kernel[i - lead],
          .stride = attributes.stride[i - lead],
          .dilation = attributes.dilation[i - lead],
          .before = attributes.pad_before[i - lead]};
}

/// A batch on its way through the pool of threads.
struct Batch {
  const PoolCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  Space output;
  uint64_t piece_rows;
  uint64_t image_pieces;

  static void run_piece(void* batch, unsigned slot, uint64_t index) noexcept {
    static_cast<Batch*>(batch)->run_piece(slot, index);
  }

  void run_piece(unsigned slot, uint64_t index) const noexcept {
    const DefaultFloatMode mode;
    const uint64_t image = index / image_pieces;
    const uint64_t first = index % image_pieces * piece_rows;
    const uint64_t end = std::min(first + piece_rows, output[0] * output[1]);
    if (call.in_planes()) return run_planes(image, scratch.arena(slot).data());
    if (call.x.kind == ImageKind::float32) return run_rows<float>(image, first, end);
    run_rows<uint8_t>(image, first, end);
  }

  [[nodiscard]] kernels::PoolWindows windows(uint64_t row, const Images& images) const noexcept {
    kernels::PoolWindows windows{.axes = {},
                                 .row_stride = images.row_stride,
                                 .plane_stride = images.plane_stride,
                                 .n_channels = static_cast<uint32_t>(call.channels),
                                 .plane = static_cast<uint32_t>(row / output[1]),
                                 .row = static_cast<uint32_t>(row % output[1]),
                                 .n_positions = static_cast<uint32_t>(output[2])};
    for (uint32_t i = 0; i < CORDWOOD_MAX_SPACE; ++i) {
      windows.axes[i] = axis_of(call.attributes, call.size, i);
    }
    return windows;
  }

  void run_row(const float* x, float* out, const kernels::PoolWindows& windows) const noexcept {
    float divisor = 0.0f;
    if (call.attributes.count_padding != 0) {
      uint64_t positions = 1;
      for (const kernels::PoolAxis& axis : windows.axes) positions *= axis.kernel;
      divisor = static_cast<float>(positions);
    }
    const bool most = call.attributes.kind == CORDWOOD_POOL_MAX;
    (most ? kernels.pool_max_f32 : kernels.pool_mean_f32)({x, out, windows, divisor});
  }
  void run_row(const uint8_t* x, uint8_t* out, const kernels::PoolWindows& windows) const noexcept {
    kernels.pool_max_u8({x, out, windows});
  }

  template <class Number>
  void run_rows(uint64_t image, uint64_t first, uint64_t end) const noexcept {
    const auto* x = static_cast<const Number*>(call.x.data) + image * call.x.image_stride;
    auto* out = static_cast<Number*>(call.out.data) + image * call.out.image_stride;
    for (uint64_t row = first; row < end; ++row) {
      run_row(x,
              out + row / output[1] * call.out.plane_stride + row % output[1] * call.out.row_stride,
              windows(row, call.x));
    }
  }

  /// An image with channels first on one side or both, by way of channels last.
  void run_planes(uint64_t image, std::byte* room) const noexcept {
    const uint64_t plane = count(call.size);
    const uint64_t out_plane = count(output);
    const auto* from = static_cast<const float*>(call.x.data);
    auto* to = static_cast<float*>(call.out.data) + image * call.channels * out_plane;
    auto* kept = reinterpret_cast<float*>(room);
    auto* answer = kept + whole_lines(plane * call.channels * sizeof(float)) / sizeof(float);
    Images images = call.x;
    if (call.x.channels_first) {
      pack(images, call.size, call.channels);
      gather_channels(from + image * call.channels * plane, plane, call.channels, plane, kept);
      from = kept;
    } else {
      from += image * call.x.image_stride;
    }
    if (!call.out.channels_first) {
      to = answer = static_cast<float*>(call.out.data) + image * call.out.image_stride;
    }
    for (uint64_t row = 0; row < output[0] * output[1]; ++row) {
      const uint64_t at = call.out.channels_first ? row * output[2] * call.channels
                                                  : row / output[1] * call.out.plane_stride +
                                                        row % output[1] * call.out.row_stride;
      run_row(from, answer + at, windows(row, images));
    }
    if (call.out.channels_first) {
      scatter_channels(answer, out_plane, call.channels, out_plane, to);
    }
  }
};

Status check(const PoolCall& call) noexcept {
  const bool floats = call.x.kind == ImageKind::float32;
  const bool mean = call.attributes.kind == CORDWOOD_POOL_AVERAGE;
  if (call.x.kind != call.out.kind || call.x.kind == ImageKind::int8 ||
      (!floats && (mean || call.in_planes())) || call.attributes.kind > CORDWOOD_POOL_AVERAGE ||
      call.channels == 0 || call.channels > INT32_MAX) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "pool",
                "images in and out are of one kind: float32, or with channels last for a maximum "
                "codes as unsigned bytes");
  }
  return {};
}

}  // namespace

Result<Space> pool_size(const cordwood_pool_attributes& attributes, const Space& size) noexcept {
  if (attributes.axes == 0 || attributes.axes > CORDWOOD_MAX_SPACE) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "pool", "{} space axes; expected 1 to 3",
                attributes.axes);
  }
  Space answer{1, 1, 1};
  const uint32_t lead = CORDWOOD_MAX_SPACE - attributes.axes;
  for (uint32_t axis = 0; axis < attributes.axes; ++axis) {
    const uint64_t n = size[lead + axis];
    const uint64_t kernel = attributes.kernel[axis];
    const uint64_t stride = attributes.stride[axis];
    const uint64_t before = attributes.pad_before[axis];
    const uint64_t room = n + before + attributes.pad_after[axis];
    const uint64_t reach = uint64_t{attributes.dilation[axis]} * (kernel - 1);
    if (n == 0 || n > INT32_MAX || kernel == 0 || stride == 0 || attributes.dilation[axis] == 0 ||
        room <= reach) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "pool",
                  "axis {}: size {}, kernel {}, stride {}; the window is larger than the image",
                  axis, n, kernel, stride);
    }
    const uint64_t steps = room - reach - 1;
    uint64_t windows = (attributes.ceil_mode != 0 ? divide_up(steps, stride) : steps / stride) + 1;
    if (attributes.ceil_mode != 0 && (windows - 1) * stride >= n + before) --windows;
    answer[lead + axis] = windows;
  }
  return answer;
}

Status run_pool(Context& scratch, const PoolCall& call, const ArrayKernels& kernels) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(call));
  const Result<Space> output = pool_size(call.attributes, call.size);
  if (!output.ok()) return output.status();
  const double numbers =
      static_cast<double>(call.n_images * call.channels) * static_cast<double>(count(call.size));
  const unsigned threads = product_threads(numbers / kNumbersPerMicrosecond, call.threads);
  const uint64_t rows = (*output)[0] * (*output)[1];
  const bool whole = call.in_planes() || threads == 1 || call.n_images >= threads;
  const uint64_t piece_rows = whole ? rows : divide_up(rows, threads);
  if (call.in_planes()) {
    CORDWOOD_RETURN_IF_FAILED(
        scratch.reserve(threads, whole_lines(count(call.size) * call.channels * sizeof(float)) +
                                     count(*output) * call.channels * sizeof(float)));
  }
  Batch batch{.call = call,
              .kernels = kernels,
              .scratch = scratch,
              .output = *output,
              .piece_rows = piece_rows,
              .image_pieces = divide_up(rows, piece_rows)};
  return run_tasks(threads, call.n_images * batch.image_pieces, &batch, Batch::run_piece);
}

Status run_batch_norm(const BatchNormCall& call, const ArrayKernels& kernels) noexcept {
  struct Work {
    const BatchNormCall& call;
    const ArrayKernels& kernels;
  } work{call, kernels};
  const double numbers =
      static_cast<double>(call.n_images * call.channels) * static_cast<double>(call.positions);
  const auto run_image = [](void* given, unsigned, uint64_t image) noexcept {
    const DefaultFloatMode mode;
    const Work& own = *static_cast<Work*>(given);
    const uint64_t at = image * own.call.positions * own.call.channels;
    const bool first = own.call.channels_first;
    own.kernels.batch_norm_f32({.x = own.call.x + at,
                                .out = own.call.out + at,
                                .factor = own.call.factor,
                                .offset = own.call.offset,
                                .n_rows = first ? own.call.channels : own.call.positions,
                                .n = first ? own.call.positions : own.call.channels,
                                .planes = first ? 1u : 0u});
  };
  return run_tasks(product_threads(numbers / kNumbersPerMicrosecond, call.threads), call.n_images,
                   &work, run_image);
}

}  // namespace cordwood::runtime
