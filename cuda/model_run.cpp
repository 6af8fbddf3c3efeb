// How a model answers: rows go to the device in passes, and each step of the route to the target runs
// there before the answer comes back.
#include <algorithm>
#include <cstring>

#include "cuda/bin_rows.hpp"
#include "cuda/device_guard.hpp"
#include "cuda/finish_rows.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/model.hpp"
#include "cuda/stage_rows.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

/// What the leaves and bins of a pass may take.
constexpr uint64_t kPassBytes = uint64_t{512} << 20;
constexpr uint64_t kLine = 256;

constexpr uint64_t whole_lines(uint64_t bytes) noexcept {
  return (bytes + kLine - 1) / kLine * kLine;
}

template <class T>
Status link_as(const plan::Step& step, const plan::ValueInfo& source, const void* margin,
               uint64_t n_rows, void* out, cudaStream_t stream) noexcept {
  return link_rows<T>({.margin = static_cast<const T*>(margin),
                       .out = static_cast<T*>(out),
                       .n_rows = n_rows,
                       .n_columns = source.columns,
                       .scale = step.link.scale,
                       .offset = step.link.offset,
                       .kind = step.link.kind,
                       .complement = step.link.complement},
                      stream);
}

/// Refuses memory that is not the device's.
Status check_place(const void* at, int device, const char* place) noexcept {
  cudaPointerAttributes attributes{};
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaPointerGetAttributes(&attributes, at), place);
  if (attributes.type == cudaMemoryTypeManaged) return {};
  if (attributes.type != cudaMemoryTypeDevice) {
    return fail(CORDWOOD_STATUS_device_not_available, place,
                "an address of the host's memory, expected one of device {}; pass the array of the "
                "host itself, which is copied",
                device);
  }
  if (attributes.device == device) return {};
  return fail(CORDWOOD_STATUS_device_not_available, place,
              "in the memory of device {}, the model is on device {}; copy them there, or load the "
              "model where they are",
              attributes.device, device);
}

}  // namespace

Status Model::check(const cordwood_rows& rows) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(plan::check_features(rows.n_features, n_features()));
  if (binning_) {
    const uint8_t expected =
        binning_->bin_bytes() == 1 ? CORDWOOD_DTYPE_UINT8 : CORDWOOD_DTYPE_UINT16;
    if (rows.dtype != expected) {
      return fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
                  "bins have element type number {}, the model expects {}", rows.dtype, expected);
    }
  }
  if (packed_bytes(rows, 1) == 0 && rows.n_features != 0) {
    return fail(CORDWOOD_STATUS_dtype_not_supported, "rows",
                "element type number {} is not one that rows may have", rows.dtype);
  }
  return {};
}

uint64_t Model::tree_scratch_bytes(uint64_t n_rows) const noexcept {
  uint64_t bytes = 0;
  for (const auto& trees : trees_) bytes = std::max(bytes, trees->scratch_bytes(n_rows));
  for (const auto& trees : later_) bytes = std::max(bytes, trees->scratch_bytes(n_rows));
  return whole_lines(bytes);
}

uint64_t Model::work_bytes(uint64_t n_rows) const noexcept {
  uint64_t bytes = kLine + tree_scratch_bytes(n_rows);
  for (const uint64_t row_bytes : steps_.buffer_row_bytes())
    bytes += whole_lines(n_rows * row_bytes);
  return bytes;
}

uint64_t Model::pass_rows(uint64_t n_rows) const noexcept {
  uint64_t rows = std::max<uint64_t>(n_rows, 1);
  while (rows > kTileRows && work_bytes(rows) > kPassBytes) {
    rows = (rows / 2 + kTileRows - 1) / kTileRows * kTileRows;
  }
  return rows;
}

/// Calls `work(leg)` for each pass over the batch, with room for `more` bytes a row besides the rows.
template <class Work>
Status Model::for_legs(Desk& desk, const cordwood_rows& rows, uint64_t more,
                       Work&& work) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(rows));
  const DeviceGuard guard(device_);
  CORDWOOD_RETURN_IF_FAILED(guard.status());
  CORDWOOD_RETURN_IF_FAILED(desk.open());
  const uint64_t most = pass_rows(rows.n_rows);
  const uint64_t rows_end = kLine + whole_lines(packed_bytes(rows, most));
  const uint64_t bytes = rows_end + most * more + kLine;
  CORDWOOD_RETURN_IF_FAILED(desk.packed.reserve(bytes));
  CORDWOOD_RETURN_IF_FAILED(desk.rows.reserve(bytes, desk.stream()));
  CORDWOOD_RETURN_IF_FAILED(desk.work.reserve(work_bytes(most), desk.stream()));
  std::byte* const here = desk.packed.data();
  std::byte* const there = desk.rows.data();
  for (uint64_t first = 0; first < rows.n_rows; first += most) {
    const uint64_t count = std::min(most, rows.n_rows - first);
    Leg leg{.pass = {.work = desk.work.data(), .stream = desk.stream()},
            .first = first,
            .here = here + rows_end,
            .there = there + rows_end};
    leg.pass.rows = pack_rows(rows, first, count, here + kLine, there + kLine);
    CORDWOOD_RETURN_IF_CUDA_FAILED(
        cudaMemcpyAsync(there + kLine, here + kLine, packed_bytes(rows, count),
                        cudaMemcpyHostToDevice, desk.stream()),
        "rows");
    CORDWOOD_RETURN_IF_FAILED(judge(leg.pass));
    CORDWOOD_RETURN_IF_FAILED(work(leg));
  }
  return {};
}

/// Brings `bytes` of a leg back, waits for them, and says whether a value was refused.
Status Model::finish(Desk& desk, const Leg& leg, uint64_t bytes,
                     uint64_t first_row) const noexcept {
  auto* const refused = desk.packed.as<uint64_t>();
  *refused = kNothingRefused;
  if (refuses()) {
    CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemcpyAsync(refused, leg.pass.work, sizeof *refused,
                                                   cudaMemcpyDeviceToHost, leg.pass.stream),
                                   "judging of rows");
  }
  if (bytes != 0) {
    CORDWOOD_RETURN_IF_CUDA_FAILED(
        cudaMemcpyAsync(leg.here, leg.there, bytes, cudaMemcpyDeviceToHost, leg.pass.stream),
        "answers");
  }
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamSynchronize(leg.pass.stream), "answers");
  if (*refused == kNothingRefused) return {};
  const uint64_t row = first_row + leg.first + (*refused >> 32);
  return plan::refused(row, *refused >> 1 & 0x7FFFFFFFu, (*refused & 1u) != 0);
}

Status Model::judge(const Pass& pass) const noexcept {
  if (!refuses()) return {};
  auto* const first = reinterpret_cast<uint64_t*>(pass.work);
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemsetAsync(first, 0xFF, sizeof *first, pass.stream),
                                 "judging of rows");
  for (const auto& trees : trees_) {
    if (!trees->rule().refuses()) continue;
    CORDWOOD_RETURN_IF_FAILED(
        judge_rows(pass.rows, trees->rule(), trees->wide(), first, pass.stream));
  }
  return {};
}

Status Model::run(Context& context, const cordwood_rows& rows, const plan::Target& target,
                  void* out) const noexcept {
  const uint64_t row_bytes = target_info(target).row_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  return for_legs(**desk, rows, row_bytes, [&](const Leg& leg) -> Status {
    const uint64_t bytes = leg.pass.rows.n_rows * row_bytes;
    CORDWOOD_RETURN_IF_FAILED(answer(target, leg.pass, leg.there));
    CORDWOOD_RETURN_IF_FAILED(finish(**desk, leg, bytes, rows.first_row));
    std::memcpy(static_cast<std::byte*>(out) + leg.first * row_bytes, leg.here, bytes);
    return {};
  });
}

Status Model::run_there(Context& context, const cordwood_rows& rows, const plan::Target& target,
                        void* out, cudaStream_t stream) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(rows));
  if (rows.n_rows == 0) return {};
  const DeviceGuard guard(device_);
  CORDWOOD_RETURN_IF_FAILED(guard.status());
  CORDWOOD_RETURN_IF_FAILED(check_place(rows.data, device_, "rows"));
  CORDWOOD_RETURN_IF_FAILED(check_place(out, device_, "answer"));
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  CORDWOOD_RETURN_IF_FAILED((*desk)->packed.reserve(kLine));
  const uint64_t most = pass_rows(rows.n_rows);
  DeviceBuffer work;  // in the stream's order: other calls may use other streams
  CORDWOOD_RETURN_IF_FAILED(work.reserve(work_bytes(most), stream));
  const uint64_t row_bytes = target_info(target).row_bytes();
  for (uint64_t first = 0; first < rows.n_rows; first += most) {
    Leg leg{.pass = {.work = work.data(), .stream = stream}, .first = first};
    leg.pass.rows = {
        .data = static_cast<const char*>(rows.data) + static_cast<int64_t>(first) * rows.row_stride,
        .row_stride = rows.row_stride,
        .column_stride = rows.column_stride,
        .n_rows = std::min(most, rows.n_rows - first),
        .n_features = rows.n_features,
        .dtype = rows.dtype};
    CORDWOOD_RETURN_IF_FAILED(judge(leg.pass));
    CORDWOOD_RETURN_IF_FAILED(
        answer(target, leg.pass, static_cast<std::byte*>(out) + first * row_bytes));
    if (refuses()) CORDWOOD_RETURN_IF_FAILED(finish(**desk, leg, 0, rows.first_row));
  }
  return {};
}

Status Model::run_stage(Context& context, const cordwood_rows& rows, uint64_t stage,
                        const plan::Target& target, void* margin, void* out) const noexcept {
  if (stage >= n_stages_) {
    return fail(CORDWOOD_STATUS_output_not_available, "model", "stage {} asked for, it has {}",
                stage, n_stages_);
  }
  if (!steps_.follows_margin(target)) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "the answer is not made of the trees' sums, expected one that is");
  }
  const plan::Target sums{steps_.margin_value(), false};
  const uint64_t sum_bytes = target_info(sums).row_bytes();
  const uint64_t row_bytes = target_info(target).row_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  return for_legs(**desk, rows, sum_bytes + row_bytes, [&](const Leg& leg) -> Status {
    const uint64_t n_rows = leg.pass.rows.n_rows;
    auto* const sums_here = static_cast<std::byte*>(margin) + leg.first * sum_bytes;
    std::byte* const answer_there = leg.there + n_rows * sum_bytes;
    if (stage == 0) {
      CORDWOOD_RETURN_IF_FAILED(answer(sums, leg.pass, leg.there));
    } else {
      std::memcpy(leg.here, sums_here, n_rows * sum_bytes);
      CORDWOOD_RETURN_IF_CUDA_FAILED(cudaMemcpyAsync(leg.there, leg.here, n_rows * sum_bytes,
                                                     cudaMemcpyHostToDevice, leg.pass.stream),
                                     "sums of the stages before");
      CORDWOOD_RETURN_IF_FAILED(later_[stage - 1]->margin(leg.pass.rows, leg.there, leg.there,
                                                          leg.pass.work + kLine, leg.pass.stream));
    }
    const bool same = target.value == sums.value;
    if (!same) {
      Pass rest = leg.pass;
      rest.given = leg.there;
      CORDWOOD_RETURN_IF_FAILED(
          run_route(steps_.route_from_margin(target.value), rest, answer_there));
    }
    CORDWOOD_RETURN_IF_FAILED(
        finish(**desk, leg, n_rows * (sum_bytes + (same ? 0 : row_bytes)), rows.first_row));
    std::memcpy(sums_here, leg.here, n_rows * sum_bytes);
    std::memcpy(static_cast<std::byte*>(out) + leg.first * row_bytes,
                same ? leg.here : leg.here + n_rows * sum_bytes, n_rows * row_bytes);
    return {};
  });
}

Status Model::bin(Context& context, const cordwood_rows& rows, void* out,
                  uint64_t step) const noexcept {
  if (!binning_) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it was loaded for rows of values and bins none");
  }
  const uint64_t n_columns = binning_->n_columns();
  const uint32_t bin_bytes = binning_->bin_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  return for_legs(**desk, rows, n_columns * bin_bytes, [&](const Leg& leg) -> Status {
    const uint64_t n_rows = leg.pass.rows.n_rows;
    CORDWOOD_RETURN_IF_FAILED(trees().bin(leg.pass.rows, leg.there, n_rows, leg.pass.stream));
    CORDWOOD_RETURN_IF_FAILED(finish(**desk, leg, n_rows * n_columns * bin_bytes, rows.first_row));
    if (bin_bytes == 1) {
      for (uint64_t c = 0; c < n_columns; ++c) {
        std::memcpy(static_cast<std::byte*>(out) + c * step + leg.first, leg.here + c * n_rows,
                    n_rows);
      }
      return {};
    }
    const auto* const bins = reinterpret_cast<const uint16_t*>(leg.here);
    for (uint64_t row = 0; row < n_rows; ++row) {
      auto* const to =
          reinterpret_cast<uint16_t*>(static_cast<std::byte*>(out) + (leg.first + row) * step);
      for (uint64_t c = 0; c < n_columns; ++c) to[c] = bins[c * n_rows + row];
    }
    return {};
  });
}

Status Model::answer(const plan::Target& target, const Pass& pass, void* out) const noexcept {
  if (!target.leaves) return run_route(steps_.route_to(target.value), pass, out);
  return trees_.back()->leaves(pass.rows, static_cast<int32_t*>(out), pass.work + kLine,
                               pass.stream);
}

Status Model::run_route(const plan::Route& route, const Pass& pass, void* out) const noexcept {
  std::byte* const scratch = pass.work + kLine;
  const auto buffer = [&](uint32_t number) {
    std::byte* at = scratch + tree_scratch_bytes(pass.rows.n_rows);
    for (uint32_t before = 0; before < number; ++before) {
      at += whole_lines(pass.rows.n_rows * steps_.buffer_row_bytes()[before]);
    }
    return at;
  };
  const auto input = [&](uint32_t place) -> const void* {
    if (place == plan::Route::kNowhere) return nullptr;
    return place == plan::Route::kGiven ? pass.given : buffer(place);
  };
  for (const plan::Route::Entry& entry : route.entries) {
    void* const to = entry.output == plan::Route::kAnswer ? out : buffer(entry.output);
    CORDWOOD_RETURN_IF_FAILED(
        run_step(entry.step, pass, input(entry.input), input(entry.start), to, scratch));
  }
  return {};
}

Status Model::run_step(uint32_t number, const Pass& pass, const void* input, const void* start,
                       void* out, std::byte* scratch) const noexcept {
  const plan::Step& step = steps_.steps()[number];
  if (step.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    return trees_[step.tree]->margin(pass.rows, start, out, scratch, pass.stream);
  }
  const plan::ValueInfo& source = steps_.values()[step.input];
  const bool narrow = source.dtype == CORDWOOD_DTYPE_FLOAT32;
  const uint64_t n_rows = pass.rows.n_rows;
  if (step.opcode == CORDWOOD_OP_LINK) {
    return narrow ? link_as<float>(step, source, input, n_rows, out, pass.stream)
                  : link_as<double>(step, source, input, n_rows, out, pass.stream);
  }
  const auto decide = [&]<class T>(const T* values) {
    return decide_rows(step.decide, groups_.at<uint32_t>(group_place_[number]), step.groups.size(),
                       values, n_rows, source.columns, static_cast<int64_t*>(out), pass.stream);
  };
  return narrow ? decide(static_cast<const float*>(input))
                : decide(static_cast<const double*>(input));
}

}  // namespace cordwood::cuda
