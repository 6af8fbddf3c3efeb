#include "runtime/matmul_run.hpp"

#include "runtime/activation_panels.hpp"
#include "runtime/coded_rows.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

using kernels::kPackColumns;

constexpr double kProductsPerMicrosecond = 110e3;
/// Packed panels of a task stay in the second cache level.
constexpr uint64_t kTaskPanelBytes = uint64_t{512} << 10;
/// Tasks for each thread, so that none waits long for the last one.
constexpr uint64_t kTasksPerThread = 4;

constexpr uint64_t pieces_of(uint64_t whole, uint64_t piece) noexcept {
  return (whole + piece - 1) / piece;
}

/// A call cut into tasks: some rows by some panels of one matrix of the stack. Each packs its own
/// panels; a cut through rows packs them once more, for at least kBlockRows rows.
struct Cut {
  uint64_t panel_pieces;
  uint64_t piece_panels;
  uint64_t row_pieces;
  uint64_t piece_rows;
};

Cut cut_call(const MatmulCall& call, uint64_t n_matrices, unsigned threads) noexcept {
  const uint64_t panels = pieces_of(call.n_columns, kPackColumns);
  const uint64_t panel_bytes = call.n_inner * kPackColumns * sizeof(float);
  const uint64_t wanted = threads == 1 ? 1 : threads * kTasksPerThread;
  uint64_t pieces = pieces_of(panels, std::max<uint64_t>(kTaskPanelBytes / panel_bytes, 1));
  pieces = std::clamp(pieces_of(wanted, n_matrices), pieces, panels);
  const uint64_t piece_panels = pieces_of(panels, pieces);
  pieces = pieces_of(panels, piece_panels);
  const uint64_t blocks = pieces_of(call.n_rows, kBlockRows);
  const uint64_t row_pieces = std::clamp<uint64_t>(wanted / (n_matrices * pieces), 1, blocks);
  const uint64_t piece_rows = pieces_of(blocks, row_pieces) * kBlockRows;
  return {.panel_pieces = pieces,
          .piece_panels = piece_panels,
          .row_pieces = pieces_of(call.n_rows, piece_rows),
          .piece_rows = piece_rows};
}

/// A call on its way through the pool.
struct Work {
  const MatmulCall& call;
  const ArrayKernels& kernels;
  const Context& scratch;
  Cut cut;

  static void multiply(void* work, unsigned slot, uint64_t index) noexcept {
    static_cast<const Work*>(work)->multiply(slot, index);
  }

  void multiply(unsigned slot, uint64_t index) const noexcept;
  [[nodiscard]] uint64_t block_rows() const noexcept { return std::min(call.n_rows, kBlockRows); }
  [[nodiscard]] uint64_t panel_floats() const noexcept {
    return cut.piece_panels * kPackColumns * call.n_inner;
  }
  [[nodiscard]] uint64_t turned_floats() const noexcept {
    return call.transpose_a ? block_rows() * call.n_inner : 0;
  }
  [[nodiscard]] uint64_t scratch_bytes() const noexcept {
    return whole_lines(panel_floats() * sizeof(float)) +
           whole_lines(turned_floats() * sizeof(float)) +
           kernels::qmatmul_f32_scratch_bytes(block_rows());
  }
};

void Work::multiply(unsigned slot, uint64_t index) const noexcept {
  const DefaultFloatMode mode;
  const uint64_t first_panel = index % cut.panel_pieces * cut.piece_panels;
  index /= cut.panel_pieces;
  const uint64_t first_row = index % cut.row_pieces * cut.piece_rows;
  const uint64_t matrix = index / cut.row_pieces;
  const float* a = call.a;
  const float* b = call.b;
  uint64_t left = matrix;
  for (std::size_t axis = call.batch.size(); axis-- > 0;) {
    const uint64_t place = left % call.batch[axis].size;
    a += place * call.batch[axis].a_step;
    b += place * call.batch[axis].b_step;
    left /= call.batch[axis].size;
  }
  ScratchCutter cutter{scratch.arena(slot)};
  auto* panels = cutter.take<float>(panel_floats());
  auto* turned = cutter.take<float>(turned_floats());
  auto* sums = cutter.take<std::byte>(kernels::qmatmul_f32_scratch_bytes(block_rows()));

  const uint64_t column = first_panel * kPackColumns;
  const uint64_t n_columns = std::min(cut.piece_panels * kPackColumns, call.n_columns - column);
  if (call.transpose_b) {
    pack_outputs(kernels, b + column * call.b_stride, call.b_stride, n_columns, call.n_inner,
                 panels);
  } else {
    kernels.pack_rows_f32({.from = b + column,
                           .stride = call.b_stride,
                           .n_inputs = call.n_inner,
                           .n_outputs = n_columns,
                           .panels = panels});
  }
  const uint64_t end_row = std::min(first_row + cut.piece_rows, call.n_rows);
  for (uint64_t row = first_row; row < end_row; row += kBlockRows) {
    const uint64_t n_rows = std::min(kBlockRows, end_row - row);
    const float* x = call.transpose_a ? turned : a + row * call.a_stride;
    if (call.transpose_a) {
      kernels.transpose_f32({.from = a + row,
                             .from_stride = call.a_stride,
                             .n_rows = call.n_inner,
                             .n_columns = n_rows,
                             .to = turned,
                             .to_stride = call.n_inner});
    }
    float* out = call.out + (matrix * call.n_rows + row) * call.n_columns + column;
    multiply_panels(
        kernels,
        {.numbers = panels, .n_inputs = call.n_inner, .panel_floats = kPackColumns * call.n_inner},
        {.x = x,
         .x_stride = call.transpose_a ? call.n_inner : call.a_stride,
         .n_rows = n_rows,
         .out = out,
         .out_stride = call.n_columns,
         .n_outputs = n_columns,
         .scratch = sums});
    kernels.end_rows_f32({.out = out,
                          .stride = call.n_columns,
                          .n_rows = n_rows,
                          .n_columns = n_columns,
                          .divisors = nullptr});
  }
}

}  // namespace

Status run_matmul(Context& scratch, const MatmulCall& call, const ArrayKernels& kernels) noexcept {
  uint64_t n_matrices = 1;
  for (const BatchAxis& axis : call.batch) n_matrices *= axis.size;
  const uint64_t n_out = n_matrices * call.n_rows * call.n_columns;
  if (n_out == 0) return {};
  if (call.n_inner == 0) {  // sums of nothing
    std::fill_n(call.out, n_out, 0.0f);
    return {};
  }
  const double products = static_cast<double>(n_out) * static_cast<double>(call.n_inner);
  const unsigned threads = product_threads(products / kProductsPerMicrosecond, call.threads);
  Work work{.call = call,
            .kernels = kernels,
            .scratch = scratch,
            .cut = cut_call(call, n_matrices, threads)};
  CORDWOOD_RETURN_IF_FAILED(scratch.reserve(threads, work.scratch_bytes()));
  return run_tasks(threads, n_matrices * work.cut.row_pieces * work.cut.panel_pieces, &work,
                   Work::multiply);
}

}  // namespace cordwood::runtime
