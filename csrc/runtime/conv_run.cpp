#include "runtime/conv_run.hpp"

#include <algorithm>
#include <atomic>

#include "runtime/coded_rows.hpp"
#include "runtime/conv_end.hpp"
#include "runtime/conv_source.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

constexpr double kProductsPerMicrosecond = 400e3;
constexpr double kFloatProductsPerMicrosecond = 110e3;
/// Pieces that a thread gets of an image that several share.
constexpr uint64_t kThreadPieces = 4;

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// A batch on its way through the pool.
struct Batch {
  const ConvPlan& plan;
  const ConvCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  const ConvEnding& ending;
  Padded padded;
  Space output;
  const uint64_t* segments;
  uint64_t image = 0;         ///< the one that is shared
  std::byte* copy = nullptr;  ///< of it
  float scale = 0.0f;         ///< of its codes
  uint64_t piece_rows = 0;
  std::atomic<uint64_t> bad_image{UINT64_MAX};

  static void run_image(void* batch, unsigned slot, uint64_t index) noexcept {
    static_cast<Batch*>(batch)->run_image(slot, index);
  }
  static void run_piece(void* batch, unsigned slot, uint64_t index) noexcept {
    auto& self = *static_cast<Batch*>(batch);
    const DefaultFloatMode mode;
    const uint64_t first = index * self.piece_rows;
    const uint64_t all = self.output[0] * self.output[1];
    self.run_rows(self.image, self.copy, self.scale,
                  {first, std::min(self.piece_rows, all - first)},
                  self.scratch.arena(slot).data() + self.padded.bytes + self.padded.row_bytes);
  }

  void run_image(unsigned slot, uint64_t index) noexcept;
  Status copy_to(std::byte* room, uint64_t index, float& to_scale) const noexcept;
  void run_rows(uint64_t index, const std::byte* from, float x_scale, RowRange rows,
                std::byte* room) const noexcept;
  template <class Task>
  void run_block(uint64_t index, const std::byte* from, float x_scale, RowRange rows,
                 std::byte* room) const noexcept;
  void call_kernel(const kernels::ConvU8& task) const noexcept {
    (plan.depthwise() ? kernels.depthwise_u8 : kernels.conv_u8)(task);
  }
  void call_kernel(const kernels::ConvF32& task) const noexcept {
    (plan.depthwise() ? kernels.depthwise_f32 : kernels.conv_f32)(task);
  }
};

Status Batch::copy_to(std::byte* room, uint64_t index, float& to_scale) const noexcept {
  to_scale = call.x.scale;
  if (padded.direct) return {};
  const ImageCopy work{.plan = plan,
                       .images = call.x,
                       .padded = padded,
                       .size = call.size,
                       .image = index,
                       .copy = room,
                       .row = room + padded.bytes};
  return copy_image(work, kernels, to_scale);
}

void Batch::run_image(unsigned slot, uint64_t index) noexcept {
  const DefaultFloatMode mode;
  std::byte* room = scratch.arena(slot).data();
  float own_scale = 0.0f;
  if (copy_to(room, index, own_scale).ok()) {
    return run_rows(index, room, own_scale, {0, output[0] * output[1]},
                    room + padded.bytes + padded.row_bytes);
  }
  uint64_t known = bad_image.load(std::memory_order_relaxed);
  while (index < known && !bad_image.compare_exchange_weak(known, index)) {
  }
}

void Batch::run_rows(uint64_t index, const std::byte* from, float x_scale, RowRange rows,
                     std::byte* room) const noexcept {
  while (rows.count != 0) {
    // A block lies in one plane, and as many rows as its room takes.
    const uint64_t in_plane = output[1] - rows.first % output[1];
    const uint64_t n_rows = std::min({rows.count, in_plane, ending.block_rows()});
    if (plan.floats()) {
      run_block<kernels::ConvF32>(index, from, x_scale, {rows.first, n_rows}, room);
    } else {
      run_block<kernels::ConvU8>(index, from, x_scale, {rows.first, n_rows}, room);
    }
    rows.first += n_rows;
    rows.count -= n_rows;
  }
}

template <class Task>
void Batch::run_block(uint64_t index, const std::byte* from, float x_scale, RowRange rows,
                      std::byte* room) const noexcept {
  constexpr bool kCodes = std::is_same_v<Task, kernels::ConvU8>;
  using Number = std::conditional_t<kCodes, uint8_t, float>;
  const uint64_t z = rows.first / output[1];
  const uint64_t y = rows.first % output[1];
  const auto& axes = plan.axes();
  const Number* x = padded.direct ? static_cast<const Number*>(call.x.data) +
                                        index * call.x.image_stride - padded.offset
                                  : reinterpret_cast<const Number*>(from);
  Task task{};
  task.x = x + z * axes[0].stride * padded.plane_stride + y * axes[1].stride * padded.row_stride;
  if constexpr (kCodes) task.x_scale = x_scale;
  task.windows = {.segments = segments,
                  .n_segments = plan.n_segments(),
                  .segment_inputs = plan.segment_inputs(),
                  .position_stride = axes[2].stride * plan.channels(),
                  .row_stride = axes[1].stride * padded.row_stride,
                  .n_positions = static_cast<uint32_t>(output[2]),
                  .n_rows = static_cast<uint32_t>(rows.count)};
  task.end = ending.begin(index, rows, room);
  join_rows(task.windows, task.end);
  const uint64_t n_groups = plan.depthwise() ? 1 : plan.groups();
  task.end.n_outputs = static_cast<uint32_t>(plan.outputs() / n_groups);
  for (uint64_t group = 0; group < n_groups; ++group) {
    plan.set_weights(group, task);
    call_kernel(task);
    task.x += plan.channels() / n_groups;
    skip_outputs(task.end);
  }
  ending.finish(index, rows, room);
}

Status check(const ConvPlan& plan, const ConvCall& call) noexcept {
  const bool numbers = call.x.kind == ImageKind::float32;
  if (plan.floats() && !numbers) {
    return fail(CORDWOOD_STATUS_shape_mismatch, "x",
                "codes for float32 weights; expected float32 images");
  }
  if (!numbers) {
    const int32_t zero = call.x.zero + (call.x.kind == ImageKind::int8 ? kSignedZero : 0);
    if (zero != plan.zero()) {
      return fail(CORDWOOD_STATUS_shape_mismatch, "x",
                  "zero point {} as bytes; the weights were prepared for {}", zero, plan.zero());
    }
  }
  return check_ending(call);
}

}  // namespace

Status run_conv(ConvContext& context, const ConvPlan& plan, const ConvCall& call,
                const ArrayKernels& kernels) noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(plan, call));
  const Result<Space> output = plan.output_size(call.size);
  if (!output.ok()) return output.status();
  if (call.n_images == 0) return {};
  const Padded padded = plan_padded(plan, call.x, call.bordered, call.size, *output);
  const ConvEnding ending(call, *output, plan.outputs(), kernels);
  CORDWOOD_RETURN_IF_FAILED(context.segments.reserve(plan.n_segments() * sizeof(uint64_t)));
  auto* segments = reinterpret_cast<uint64_t*>(context.segments.bytes().data());
  plan.lay_segments(padded.row_stride, padded.plane_stride, segments);
  const double products = static_cast<double>(plan.window_inputs() * plan.outputs()) *
                          static_cast<double>(count(*output) * call.n_images);
  const double rate = plan.floats() ? kFloatProductsPerMicrosecond : kProductsPerMicrosecond;
  const unsigned threads = product_threads(products / rate, call.threads);
  const uint64_t room = padded.bytes + padded.row_bytes;
  CORDWOOD_RETURN_IF_FAILED(context.scratch.reserve(threads, room + ending.room_bytes()));
  Batch batch{.plan = plan,
              .call = call,
              .kernels = kernels,
              .scratch = context.scratch,
              .ending = ending,
              .padded = padded,
              .output = *output,
              .segments = segments};
  const bool share = threads > 1 && call.n_images < uint64_t{threads} * 2;
  if (!share) {
    CORDWOOD_RETURN_IF_FAILED(run_tasks(threads, call.n_images, &batch, Batch::run_image));
    const uint64_t bad = batch.bad_image.load(std::memory_order_relaxed);
    if (bad == UINT64_MAX) return {};
    return fail(CORDWOOD_STATUS_nan_refused, "x", "image {} holds NaN or an infinity", bad);
  }
  CORDWOOD_RETURN_IF_FAILED(context.copy.reserve(room));
  batch.copy = context.copy.bytes().data();
  const uint64_t n_rows = (*output)[0] * (*output)[1];
  batch.piece_rows = divide_up(n_rows, threads * kThreadPieces);
  for (batch.image = 0; batch.image < call.n_images; ++batch.image) {
    const DefaultFloatMode mode;
    CORDWOOD_RETURN_IF_FAILED(batch.copy_to(batch.copy, batch.image, batch.scale));
    CORDWOOD_RETURN_IF_FAILED(
        run_tasks(threads, divide_up(n_rows, batch.piece_rows), &batch, Batch::run_piece));
  }
  return {};
}

}  // namespace cordwood::runtime
