// The door under attack: any bytes at all must give a named Status, or a model that runs and gives
// the same bits on every instruction-set row of this machine.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "format/view.hpp"
#include "fuzz_nets.hpp"
#include "mend.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/memory.hpp"
#include "runtime/program.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed);
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace cordwood;

/// Ends the process, so that the fuzzer keeps the input, where a promise of the door is broken.
void promise(bool kept, const char* what) {
  if (!kept) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

/// A failure has a code that is listed and a message that says something.
void check_failure(const Status& status) {
  promise(!status.ok(), "a failure carries a code");
  promise(std::string_view(status_name(status.code)) != "unknown", "the code is listed");
  promise(*render(status).c_str() != '\0', "the message is not empty");
}

/// Leaves are finite; the terms of linear ones, where there are any, are in range.
void check_leaves(const format::TreeArrays& trees) {
  for (const double value : trees.leaf_values) promise(std::isfinite(value), "leaves are finite");
  const bool median = trees.attributes.aggregate == CORDWOOD_AGGREGATE_WEIGHTED_MEDIAN;
  promise(trees.tree_weight.size() == (median ? trees.attributes.n_trees : 0),
          "a median alone has weights");
  for (const double weight : trees.tree_weight) promise(weight > 0, "weights are above 0");
  if (trees.linear_start.empty()) return;
  promise(trees.linear_start.size() == trees.attributes.n_leaf_rows + 1, "leaves have their terms");
  promise(std::is_sorted(trees.linear_start.begin(), trees.linear_start.end()),
          "terms are in runs");
  promise(trees.linear_start.back() == trees.linear_feature.size() &&
              trees.linear_feature.size() == trees.linear_coefficient.size(),
          "terms fill their runs");
  promise(trees.linear_constant.size() == trees.attributes.n_leaf_rows, "leaves have constants");
  for (const uint32_t feature : trees.linear_feature) {
    promise(feature < trees.attributes.n_features, "a term's feature is in range");
  }
}

/// Every index of expanded trees is in range: what the engines rely on without looking.
void check_trees(const format::TreeArrays& trees) {
  const auto& attributes = trees.attributes;
  const size_t n_nodes = trees.right.size();
  promise(trees.tree_start.size() == uint64_t{attributes.n_trees} + 1,
          "tree_start has a last entry");
  promise(trees.tree_start.back() == n_nodes, "the last tree ends at the last node");
  promise(trees.column.size() == n_nodes && trees.rank.size() == n_nodes &&
              trees.missing_left.size() == n_nodes,
          "node arrays agree");
  for (uint64_t tree = 0; tree < attributes.n_trees; ++tree) {
    const uint64_t end = trees.tree_start[tree + 1];
    promise(trees.tree_start[tree] < end, "a tree has a node");
    promise(trees.tree_output[tree] < attributes.n_outputs, "tree_output is in range");
    for (uint64_t node = trees.tree_start[tree]; node < end; ++node) {
      if (trees.right[node] == 0) {
        promise(trees.rank[node] < attributes.n_leaf_rows, "a leaf row is in range");
        continue;
      }
      promise(trees.right[node] >= 2 && node + trees.right[node] < end, "children are in the tree");
      promise(trees.column[node] < trees.columns.size(), "a column is in range");
      promise(trees.rank[node] < trees.columns[trees.column[node]].size, "a rank is in range");
    }
  }
  promise(trees.leaf_values.size() == attributes.n_leaf_rows * attributes.leaf_width,
          "leaf values fill their table");
  check_leaves(trees);
}

constexpr uint64_t kRows = 5;
constexpr uint64_t kColumns = 61;  ///< distinct columns; wider models see them again and again

using Table = std::array<double, kRows * kColumns>;

/// Values that routing could get wrong, spread so that each column meets several.
Table hard_values() {
  using limits = std::numeric_limits<double>;
  constexpr std::array kHard = {0.0,  -0.0, 1.0,   -1.0,  limits::quiet_NaN(),  limits::infinity(),
                                -7.0, 2.5,  1e300, 1e-36, limits::denorm_min(), -limits::infinity(),
                                0.5,  3.0,  1e9,   -2.5,  limits::min()};
  Table table{};
  for (size_t i = 0; i < table.size(); ++i) table[i] = kHard[i * 5 % kHard.size()];
  return table;
}

/// Refused rows leave no answer; what is refused must not depend on the kernels either.
struct Answer {
  cordwood_status code = CORDWOOD_STATUS_ok;
  std::vector<std::byte> bytes;
  bool operator==(const Answer&) const = default;
};

Answer answer(const runtime::Program& program, const plan::Target& target,
              const runtime::RowsView& rows, std::span<std::byte> scratch) {
  const plan::ValueInfo info = program.target_info(target);
  Answer result;
  if (info.row_bytes() > (uint64_t{1} << 22)) return result;
  result.bytes.resize(kRows * info.row_bytes());
  const Status status = program.run(target, rows, result.bytes.data(), scratch);
  if (!status.ok()) {
    check_failure(status);
    result.code = status.code;
    result.bytes.clear();
  }
  return result;
}

/// Answers of a program for every target, with all the hard rows and without NaN and infinity.
std::vector<Answer> answers(const runtime::Program& program) {
  static const Table table = hard_values();
  static const std::array<int16_t, kRows> whole = {-1, 0, 1, 2, 3};
  const uint32_t n_features = program.n_features();
  const bool narrow = n_features <= kColumns;
  const runtime::RowsView hard{.data = table.data(),
                               .dtype = CORDWOOD_DTYPE_FLOAT64,
                               .row_stride = kColumns * sizeof(double),
                               .column_stride = narrow ? int64_t{sizeof(double)} : 0,
                               .n_rows = kRows,
                               .n_features = n_features};
  const runtime::RowsView calm{.data = whole.data(),
                               .dtype = CORDWOOD_DTYPE_INT16,
                               .row_stride = sizeof(int16_t),
                               .column_stride = 0,
                               .n_rows = kRows,
                               .n_features = n_features};
  std::vector<Answer> all;
  runtime::Arena arena;
  if (!arena.reserve(program.scratch_bytes(kRows)).ok()) return all;
  for (const auto& rows : {hard, calm}) {
    for (uint32_t value = 0; value < program.steps().values().size(); ++value) {
      if (program.steps().values()[value].role == CORDWOOD_ROLE_ROWS) continue;
      all.push_back(answer(program, {.value = value, .leaves = false}, rows, arena.bytes()));
    }
    if (program.trees().size() == 1) {
      const plan::Target leaves{.value = program.steps().margin_value(), .leaves = true};
      all.push_back(answer(program, leaves, rows, arena.bytes()));
    }
  }
  return all;
}

/// Prepares and runs the file on each row of this machine; the last one is the scalar reference.
void run_everywhere(const format::FileView& file) {
  std::vector<Answer> reference;
  bool first = true;
  for (const runtime::KernelRow& kernels : runtime::all_rows()) {
    if (!runtime::row_available(kernels)) continue;
    const auto program = runtime::Program::build(file, kernels);
    if (!program.ok()) {
      check_failure(program.status());
      return;
    }
    std::vector<Answer> now = answers(*program);
    promise(first || now == reference, "every row gives the same bits");
    reference = std::move(now);
    first = false;
  }
}

/// The same for a net. Which of two NaNs a sum keeps is not said, so bits are not compared.
void run_net_everywhere(const format::FileView& file) {
  for (const runtime::KernelRow& kernels : runtime::all_rows()) {
    if (!runtime::row_available(kernels)) continue;
    const auto net = runtime::NetProgram::build(file, kernels);
    if (!net.ok()) {
      check_failure(net.status());
      return;
    }
    fuzz::run_net(*net, [](const Status& status) { check_failure(status); });
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = format::validate(bytes, format::CheckLevel::all);
  if (!file.ok()) {
    check_failure(file.status());
    return 0;
  }
  promise(format::validate(bytes, format::CheckLevel::structure).ok(), "fewer checks refuse less");
  for (uint32_t index = 0; index < file->operators.size(); ++index) {
    if (file->operators[index].opcode != CORDWOOD_OP_TREE_ENSEMBLE) continue;
    const auto trees = format::expand_trees(*file, index);
    if (!trees.ok()) {
      check_failure(trees.status());
      return 0;
    }
    check_trees(*trees);
  }
  if (file->is_net()) {
    run_net_everywhere(*file);
  } else {
    run_everywhere(*file);
  }
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  const size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  // One in eight keeps its false checksums: those checks are part of the door too.
  if (seed % 8 != 0) fuzz::mend(std::span(data, mutated));
  return mutated;
}
