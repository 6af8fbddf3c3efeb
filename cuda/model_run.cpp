// How a model answers: rows go to the device in passes, and each answer comes back before the next pass.
#include <algorithm>
#include <array>

#include "cuda/bin_rows.hpp"
#include "cuda/device_guard.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/model.hpp"
#include "cuda/stage_rows.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

/// The Status of the first value that a source refuses, as judge_rows() writes it; `first_row` is the row
/// of the caller's that the pass starts with.
Status refusal(uint64_t found, uint64_t first_row) noexcept {
  if (found == kNothingRefused) return {};
  return plan::refused(first_row + (found >> 32), found >> 1 & 0x7FFFFFFFu, (found & 1u) != 0);
}

/// Waits for a stream and the first value that was refused in its order.
Status refusal_there(const uint64_t* there, PinnedBuffer& line, uint64_t first_row,
                     cudaStream_t stream) noexcept {
  constexpr const char* kPlace = "judging of rows";
  CORDWOOD_RETURN_IF_FAILED(line.reserve(kLine));
  CORDWOOD_RETURN_IF_CUDA_FAILED(
      cudaMemcpyAsync(line.data(), there, sizeof *there, cudaMemcpyDeviceToHost, stream), kPlace);
  CORDWOOD_RETURN_IF_CUDA_FAILED(cudaStreamSynchronize(stream), kPlace);
  return refusal(*line.as<uint64_t>(), first_row);
}

/// Rows of a pass whose answers fit a slot of the pipe, behind what was refused; some in any case.
uint64_t slot_rows(uint64_t row_bytes) noexcept {
  const uint64_t tiles = (kSlotBytes - kLine) / std::max<uint64_t>(row_bytes, 1) / kTileRows;
  return std::max<uint64_t>(tiles, 1) * kTileRows;
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

Status Model::check(const cordwood_rows& rows, plan::RowForm form) const noexcept {
  const bool bins = form == plan::RowForm::kBins;
  CORDWOOD_RETURN_IF_FAILED(
      plan::check_features(rows.n_features, bins ? n_features() : steps_.n_features()));
  if (bins) {
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

Model::Shares Model::shares_of(const cordwood_rows& rows, uint64_t answer_bytes) const noexcept {
  return {.pass_rows = pass_rows(rows.n_rows, packed_bytes(rows, 1) + answer_bytes),
          .answer_bytes = answer_bytes};
}

/// Calls `work(leg)` for each pass over the batch.
template <class Work>
Status Model::for_legs(Desk& desk, const cordwood_rows& rows, const Judged& judged,
                       const Shares& shares, Work&& work) const noexcept {
  const DeviceGuard guard(device_);
  CORDWOOD_RETURN_IF_FAILED(guard.status());
  CORDWOOD_RETURN_IF_FAILED(desk.open());
  const uint64_t most = std::min(shares.pass_rows, rows.n_rows);
  const uint64_t rows_end = whole_lines(packed_bytes(rows, most));
  const uint64_t bytes = rows_end + kLine + most * shares.answer_bytes + kLine;
  CORDWOOD_RETURN_IF_FAILED(desk.rows.reserve(bytes, desk.stream()));
  CORDWOOD_RETURN_IF_FAILED(desk.work.reserve(work_bytes(most), desk.stream()));
  for (uint64_t first = 0; first < rows.n_rows; first += most) {
    const uint64_t count = std::min(most, rows.n_rows - first);
    const StagedRows staged = stage_rows(rows, first, count, desk.rows.data());
    Leg leg{.pass = {.rows = staged.there,
                     .refused = reinterpret_cast<uint64_t*>(desk.rows.data() + rows_end),
                     .work = desk.work.data(),
                     .stream = desk.stream()},
            .first = first,
            .there = desk.rows.data() + rows_end + kLine};
    CORDWOOD_RETURN_IF_FAILED(desk.pipe.send(staged.form, staged.here, desk.rows.data(), "rows"));
    CORDWOOD_RETURN_IF_FAILED(judge(judged, leg.pass));
    CORDWOOD_RETURN_IF_FAILED(work(leg));
  }
  return {};
}

Status Model::finish(Desk& desk, const Leg& leg, std::span<const Delivery> answers,
                     uint64_t first_row) noexcept {
  const auto* const from =
      leg.pass.judged ? reinterpret_cast<const std::byte*>(leg.pass.refused) : leg.there;
  const std::byte* const end = answers.back().there + answers.back().form.bytes();
  const Result<const std::byte*> found = desk.pipe.fetch(from, static_cast<uint64_t>(end - from));
  if (!found) return found.status();
  if (leg.pass.judged) {
    CORDWOOD_RETURN_IF_FAILED(
        refusal(*reinterpret_cast<const uint64_t*>(*found), first_row + leg.first));
  }
  return desk.pipe.deliver(answers);
}

bool Model::reads(const Judged& judged, uint32_t tree) const noexcept {
  if (judged.nothing || judged.target.leaves) return !judged.nothing && tree + 1 == trees_.size();
  return std::ranges::any_of(steps_.route_to(judged.target.value).entries, [&](const auto& entry) {
    const plan::Step& step = steps_.steps()[entry.step];
    return step.opcode == CORDWOOD_OP_TREE_ENSEMBLE && step.tree == tree;
  });
}

Status Model::judge(const Judged& judged, Pass& pass) const noexcept {
  for (uint32_t tree = 0; tree < trees_.size(); ++tree) {
    const DeviceTrees& trees = *trees_[tree];
    if (!trees.rule().refuses() || !reads(judged, tree)) continue;
    if (!pass.judged) {
      CORDWOOD_RETURN_IF_CUDA_FAILED(
          cudaMemsetAsync(pass.refused, 0xFF, sizeof *pass.refused, pass.stream),
          "judging of rows");
    }
    pass.judged = true;
    CORDWOOD_RETURN_IF_FAILED(
        judge_rows(pass.rows, trees.rule(), trees.wide(), pass.refused, pass.stream));
  }
  return {};
}

Status Model::run(Context& context, const cordwood_rows& rows, const plan::Target& target,
                  void* out) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(rows, form()));
  const uint64_t row_bytes = target_info(target).row_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  const Judged judged{.target = target, .nothing = binning_.has_value()};
  const Shares shares = shares_of(rows, row_bytes);
  return for_legs(**desk, rows, judged, shares, [&](const Leg& leg) -> Status {
    CORDWOOD_RETURN_IF_FAILED(answer(target, leg.pass, leg.there));
    const Delivery answers{.there = leg.there,
                           .here = static_cast<std::byte*>(out) + leg.first * row_bytes,
                           .form = one_line(leg.pass.rows.n_rows * row_bytes)};
    return finish(**desk, leg, {&answers, 1}, rows.first_row);
  });
}

Status Model::run_there(Context& context, const cordwood_rows& rows, const plan::Target& target,
                        void* out, cudaStream_t stream) const noexcept {
  CORDWOOD_RETURN_IF_FAILED(check(rows, form()));
  if (rows.n_rows == 0) return {};
  const DeviceGuard guard(device_);
  CORDWOOD_RETURN_IF_FAILED(guard.status());
  CORDWOOD_RETURN_IF_FAILED(check_place(rows.data, device_, "rows"));
  CORDWOOD_RETURN_IF_FAILED(check_place(out, device_, "answer"));
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  const uint64_t most = pass_rows(rows.n_rows, 0);
  DeviceBuffer work;  // in the stream's order: other calls may use other streams
  CORDWOOD_RETURN_IF_FAILED(work.reserve(kLine + work_bytes(most), stream));
  const uint64_t row_bytes = target_info(target).row_bytes();
  const Judged judged{.target = target, .nothing = binning_.has_value()};
  for (uint64_t first = 0; first < rows.n_rows; first += most) {
    Pass pass{.refused = work.as<uint64_t>(), .work = work.data() + kLine, .stream = stream};
    pass.rows = {
        .data = static_cast<const char*>(rows.data) + static_cast<int64_t>(first) * rows.row_stride,
        .row_stride = rows.row_stride,
        .column_stride = rows.column_stride,
        .n_rows = std::min(most, rows.n_rows - first),
        .n_features = rows.n_features,
        .dtype = rows.dtype};
    CORDWOOD_RETURN_IF_FAILED(judge(judged, pass));
    CORDWOOD_RETURN_IF_FAILED(
        answer(target, pass, static_cast<std::byte*>(out) + first * row_bytes));
    if (!pass.judged) continue;
    CORDWOOD_RETURN_IF_FAILED(
        refusal_there(pass.refused, (*desk)->line, rows.first_row + first, stream));
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
  CORDWOOD_RETURN_IF_FAILED(check(rows, form()));
  const plan::Target sums{steps_.margin_value(), false};
  const uint64_t sum_bytes = target_info(sums).row_bytes();
  const uint64_t row_bytes = target_info(target).row_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  const bool same = target.value == sums.value;
  const Judged judged{.target = {sums.value, stage != 0}, .nothing = binning_.has_value()};
  const Shares shares = shares_of(rows, sum_bytes + row_bytes);
  return for_legs(**desk, rows, judged, shares, [&](const Leg& leg) -> Status {
    const uint64_t n_rows = leg.pass.rows.n_rows;
    const Delivery summed{.there = leg.there,
                          .here = static_cast<std::byte*>(margin) + leg.first * sum_bytes,
                          .form = one_line(n_rows * sum_bytes)};
    // On a line of its own: elements of an answer may be wider than those of sums.
    std::byte* const answer_there = leg.there + (same ? 0 : whole_lines(n_rows * sum_bytes));
    if (stage == 0) {
      CORDWOOD_RETURN_IF_FAILED(answer(sums, leg.pass, leg.there));
    } else {
      CORDWOOD_RETURN_IF_FAILED(
          (*desk)->pipe.send(summed.form, summed.here, leg.there, "sums of the stages before"));
      CORDWOOD_RETURN_IF_FAILED(later_[stage - 1]->margin(leg.pass.rows, leg.there, leg.there,
                                                          leg.pass.work, leg.pass.stream));
    }
    if (!same) {
      Pass rest = leg.pass;
      rest.given = leg.there;
      CORDWOOD_RETURN_IF_FAILED(
          run_route(steps_.route_from_margin(target.value), rest, answer_there));
    }
    const std::array<Delivery, 2> answers{
        {summed,
         {.there = answer_there,
          .here = static_cast<std::byte*>(out) + leg.first * row_bytes,
          .form = one_line(n_rows * row_bytes)}}};
    return finish(**desk, leg, answers, rows.first_row);
  });
}

Status Model::bin(Context& context, const cordwood_rows& rows, void* out,
                  uint64_t step) const noexcept {
  if (!binning_) {
    return fail(CORDWOOD_STATUS_output_not_available, "model",
                "it was loaded for rows of values and bins none");
  }
  CORDWOOD_RETURN_IF_FAILED(check(rows, plan::RowForm::kValues));
  const uint64_t n_columns = binning_->n_columns();
  const uint32_t bin_bytes = binning_->bin_bytes();
  const Result<Desk*> desk = context.desk(device_);
  if (!desk) return desk.status();
  const Judged last{.target = {0, true}};
  Shares shares = shares_of(rows, n_columns * bin_bytes);
  // Bins of 16 bits are turned, which is quick in cache: where a slot holds all columns of a pass.
  if (bin_bytes != 1) shares.pass_rows = std::min(shares.pass_rows, slot_rows(shares.answer_bytes));
  return for_legs(**desk, rows, last, shares, [&](const Leg& leg) -> Status {
    const uint64_t n_rows = leg.pass.rows.n_rows;
    CORDWOOD_RETURN_IF_FAILED(trees().bin(leg.pass.rows, leg.there, n_rows, leg.pass.stream));
    Delivery bins{
        .there = leg.there,
        .here = static_cast<std::byte*>(out) + leg.first,
        .form = {
            .line_stride = static_cast<int64_t>(step), .n_lines = n_columns, .n_items = n_rows}};
    if (bin_bytes != 1) {
      bins.here = static_cast<std::byte*>(out) + leg.first * step;
      bins.form.line_stride = bin_bytes;
      bins.form.item_stride = static_cast<int64_t>(step);
      bins.form.item_bytes = bin_bytes;
    }
    return finish(**desk, leg, {&bins, 1}, rows.first_row);
  });
}

}  // namespace cordwood::cuda
