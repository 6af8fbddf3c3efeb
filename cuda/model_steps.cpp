// How a pass over rows is answered on the device: each step of the route to the target, and the scratch
// that the steps need.
#include <algorithm>

#include "cuda/finish_rows.hpp"
#include "cuda/leaf_grid.hpp"
#include "cuda/model.hpp"
#include "cuda/status.hpp"

namespace cordwood::cuda {
namespace {

#ifndef CORDWOOD_CUDA_PASS_BYTES
#define CORDWOOD_CUDA_PASS_BYTES (uint64_t{512} << 20)
#endif
/// What a pass may take of the device: its leaves and bins, and rows and answers of the host. Tests build with less, so that batches have several.
constexpr uint64_t kPassBytes = CORDWOOD_CUDA_PASS_BYTES;

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

}  // namespace

uint64_t Model::tree_scratch_bytes(uint64_t n_rows) const noexcept {
  uint64_t bytes = 0;
  for (const auto& trees : trees_) bytes = std::max(bytes, trees->scratch_bytes(n_rows));
  for (const auto& trees : later_) bytes = std::max(bytes, trees->scratch_bytes(n_rows));
  return whole_lines(bytes);
}

uint64_t Model::work_bytes(uint64_t n_rows) const noexcept {
  uint64_t bytes = tree_scratch_bytes(n_rows);
  for (const uint64_t row_bytes : steps_.buffer_row_bytes())
    bytes += whole_lines(n_rows * row_bytes);
  return bytes;
}

uint64_t Model::pass_rows(uint64_t n_rows, uint64_t row_bytes) const noexcept {
  uint64_t rows = std::max<uint64_t>(n_rows, 1);
  while (rows > kTileRows && work_bytes(rows) + rows * row_bytes > kPassBytes) {
    rows = (rows / 2 + kTileRows - 1) / kTileRows * kTileRows;
  }
  return rows;
}

Status Model::answer(const plan::Target& target, const Pass& pass, void* out) const noexcept {
  if (!target.leaves) return run_route(steps_.route_to(target.value), pass, out);
  return trees_.back()->leaves(pass.rows, static_cast<int32_t*>(out), pass.work, pass.stream);
}

Status Model::run_route(const plan::Route& route, const Pass& pass, void* out) const noexcept {
  const auto buffer = [&](uint32_t number) {
    std::byte* at = pass.work + tree_scratch_bytes(pass.rows.n_rows);
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
        run_step(entry.step, pass, input(entry.input), input(entry.start), to));
  }
  return {};
}

Status Model::run_step(uint32_t number, const Pass& pass, const void* input, const void* start,
                       void* out) const noexcept {
  const plan::Step& step = steps_.steps()[number];
  if (step.opcode == CORDWOOD_OP_TREE_ENSEMBLE) {
    return trees_[step.tree]->margin(pass.rows, start, out, pass.work, pass.stream);
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
