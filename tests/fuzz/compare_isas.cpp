// Every instruction-set row of a machine against its scalar row, bit for bit, where no Python runs:
//
//     compare_isas folder
//
// `folder` holds models (x.cord), rows for each (x.rows, float64 in C order) and margins for the links
// (links.margins). What the scalar row answers is left beside them (x.margin, x.leaves,
// links.answers), for a machine of another kind to compare with its own.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "format/operators.h"
#include "format/trees.hpp"
#include "format/view.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/memory.hpp"
#include "runtime/program.hpp"

namespace {

using namespace cordwood;
using Bytes = std::vector<std::byte>;
using std::filesystem::path;

// Around the widths of vectors, words and blocks, and the numbers of rows at which ways change.
constexpr std::array<uint64_t, 22> kLengths = {1,  2,  6,  7,  8,   15,  16,  17,  31,  32,  33,
                                               48, 63, 64, 65, 320, 321, 511, 512, 513, 577, 1100};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void require(const Status& status, const std::string& what) {
  if (!status.ok()) give_up(what + ": " + render(status).c_str());
}

template <class T>
std::vector<T> read_all(const path& from) {
  std::ifstream file(from, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  if (bytes.empty()) give_up(from.string() + ": empty or missing");
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

void write_all(const path& to, const Bytes& bytes) {
  std::ofstream file(to, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

runtime::RowsView view_of(const std::vector<double>& rows, uint32_t n_features) {
  const auto row_bytes = static_cast<int64_t>(n_features * sizeof(double));
  return {.data = rows.data(),
          .dtype = CORDWOOD_DTYPE_FLOAT64,
          .row_stride = row_bytes,
          .column_stride = sizeof(double),
          .n_rows = rows.size() / n_features,
          .n_features = n_features};
}

// ---- the last trees of a model ---------------------------------------------------------------

runtime::TreeOperator prepare(const format::FileView& file, const runtime::KernelRow& kernels,
                              runtime::EngineChoice choice) {
  auto arrays = format::expand_trees(file, plan::last_trees(file));
  require(arrays.status(), "trees");
  auto trees = runtime::TreeOperator::prepare(std::move(*arrays), kernels, choice);
  require(trees.status(), "trees");
  return std::move(*trees);
}

struct Answers {
  Bytes margin;
  Bytes leaves;
};

Answers answer(const runtime::TreeOperator& trees, const runtime::RowsView& rows) {
  const cordwood_tree_attributes& shape = trees.attributes();
  const uint64_t sum_bytes = format::dtype_bits(shape.accumulate_type) / 8;
  Answers now{Bytes(rows.n_rows * shape.n_outputs * sum_bytes),
              Bytes(rows.n_rows * shape.n_trees * sizeof(int32_t))};
  runtime::Arena arena;
  require(arena.reserve(trees.scratch_bytes(rows.n_rows)), "scratch");
  require(trees.margin(rows, nullptr, now.margin.data(), arena.bytes()), "margin");
  require(trees.leaves(rows, reinterpret_cast<int32_t*>(now.leaves.data()), arena.bytes()),
          "leaves");
  return now;
}

bool starts_with(const Bytes& whole, const Bytes& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

void compare_trees(const path& model, const format::FileView& file,
                   const std::vector<double>& rows) {
  using Choice = runtime::EngineChoice;
  const auto reference_trees = prepare(file, runtime::all_rows().back(), Choice::kWalk);
  const runtime::RowsView all = view_of(rows, reference_trees.attributes().n_features);
  const Answers reference = answer(reference_trees, all);
  write_all(path(model).replace_extension("margin"), reference.margin);
  write_all(path(model).replace_extension("leaves"), reference.leaves);
  for (const runtime::KernelRow& kernels : runtime::all_rows()) {
    if (!runtime::row_available(kernels)) continue;
    for (const Choice choice : {Choice::kFastest, Choice::kSlice, Choice::kWalk}) {
      const auto trees = prepare(file, kernels, choice);
      for (const uint64_t length : kLengths) {
        const Answers now = answer(trees, all.slice(0, std::min(length, all.n_rows)));
        const bool same =
            starts_with(reference.leaves, now.leaves) && starts_with(reference.margin, now.margin);
        if (!same) {
          give_up(model.string() + ": " + kernels.name + ", engine " + std::string(trees.engine()) +
                  ", " + std::to_string(length) + " rows differ from scalar");
        }
      }
    }
  }
}

// ---- all values of a model -------------------------------------------------------------------

std::vector<Bytes> all_values(const runtime::Program& program, const runtime::RowsView& rows) {
  std::vector<Bytes> answers;
  runtime::Arena arena;
  require(arena.reserve(program.scratch_bytes(rows.n_rows)), "scratch");
  for (uint32_t value = 0; value < program.steps().values().size(); ++value) {
    if (program.steps().values()[value].role == CORDWOOD_ROLE_ROWS) continue;
    const plan::Target target{.value = value, .leaves = false};
    answers.emplace_back(rows.n_rows * program.target_info(target).row_bytes());
    require(program.run(target, rows, answers.back().data(), arena.bytes()), "program");
  }
  return answers;
}

void compare_values(const path& model, const format::FileView& file,
                    const std::vector<double>& rows) {
  const auto reference = runtime::Program::build(file, runtime::all_rows().back());
  require(reference.status(), "program");
  const runtime::RowsView all = view_of(rows, reference->n_features());
  for (const runtime::KernelRow& kernels : runtime::all_rows()) {
    if (!runtime::row_available(kernels)) continue;
    const auto program = runtime::Program::build(file, kernels);
    require(program.status(), "program");
    for (const uint64_t length : {uint64_t{1}, uint64_t{3}, std::min(all.n_rows, uint64_t{40})}) {
      const runtime::RowsView part = all.slice(all.n_rows - length, length);
      if (all_values(*program, part) != all_values(*reference, part)) {
        give_up(model.string() + ": a value of " + kernels.name + " differs from scalar");
      }
    }
  }
}

// ---- links -----------------------------------------------------------------------------------

struct LinkCase {
  uint32_t kind;
  uint32_t n_columns;
  uint32_t complement;
};

constexpr LinkCase kLinks[] = {
    {CORDWOOD_LINK_IDENTITY, 1, 1},      {CORDWOOD_LINK_IDENTITY, 5, 0},
    {CORDWOOD_LINK_SIGMOID, 1, 0},       {CORDWOOD_LINK_SIGMOID, 3, 0},
    {CORDWOOD_LINK_SIGMOID, 1, 1},       {CORDWOOD_LINK_EXP, 2, 0},
    {CORDWOOD_LINK_EXP, 1, 1},           {CORDWOOD_LINK_SOFTMAX, 1, 0},
    {CORDWOOD_LINK_SOFTMAX, 7, 0},       {CORDWOOD_LINK_SOFTPLUS, 1, 0},
    {CORDWOOD_LINK_SOFTPLUS, 3, 0},      {CORDWOOD_LINK_SIGNED_SQUARE, 2, 0},
    {CORDWOOD_LINK_NEGATIVE_EXP2, 1, 0}, {CORDWOOD_LINK_SHIFT, 3, 0},
    {CORDWOOD_LINK_STEP, 2, 0},          {CORDWOOD_LINK_SIGMOID_PAIR, 1, 0},
};

void run(const runtime::KernelRow& kernels, const kernels::LinkTask<float>& task) {
  kernels.link_f32(task);
}
void run(const runtime::KernelRow& kernels, const kernels::LinkTask<double>& task) {
  kernels.link_f64(task);
}

template <class T>
Bytes link(const runtime::KernelRow& kernels, const LinkCase& of, const std::vector<T>& margin,
           uint64_t n_rows) {
  const bool two = of.complement != 0 || of.kind == CORDWOOD_LINK_SIGMOID_PAIR;
  std::vector<T> out(n_rows * (two ? 2 : of.n_columns));
  run(kernels, kernels::LinkTask<T>{.margin = margin.data(),
                                    .out = out.data(),
                                    .n_rows = n_rows,
                                    .n_columns = of.n_columns,
                                    .scale = 0.9,
                                    .offset = 0.25,
                                    .kind = of.kind,
                                    .complement = of.complement});
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

template <class T>
void compare_links(const std::vector<double>& margins, Bytes& answers) {
  std::vector<T> margin(margins.size());
  std::transform(margins.begin(), margins.end(), margin.begin(),
                 [](double x) { return static_cast<T>(x); });
  for (const LinkCase& of : kLinks) {
    const uint64_t most = margin.size() / of.n_columns;
    const Bytes whole = link(runtime::all_rows().back(), of, margin, most);
    answers.insert(answers.end(), whole.begin(), whole.end());
    for (const runtime::KernelRow& kernels : runtime::all_rows()) {
      if (!runtime::row_available(kernels)) continue;
      for (const uint64_t n_rows : {uint64_t{0}, uint64_t{1}, uint64_t{7}, uint64_t{8}, most}) {
        if (!starts_with(whole, link(kernels, of, margin, n_rows))) {
          give_up("link " + std::to_string(of.kind) + " of " + kernels.name +
                  " differs from scalar");
        }
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) give_up("usage: compare_isas folder");
  const path folder = argv[1];
  std::size_t n_models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".cord") continue;
    const auto bytes = read_all<std::byte>(entry.path());
    const auto rows = read_all<double>(path(entry.path()).replace_extension("rows"));
    const auto file = format::validate(bytes, format::CheckLevel::all);
    require(file.status(), entry.path().string());
    compare_trees(entry.path(), *file, rows);
    compare_values(entry.path(), *file, rows);
    ++n_models;
  }
  Bytes answers;
  const auto margins = read_all<double>(folder / "links.margins");
  compare_links<float>(margins, answers);
  compare_links<double>(margins, answers);
  write_all(folder / "links.answers", answers);

  std::printf("%zu models and all links agree on:", n_models);
  for (const runtime::KernelRow& row : runtime::all_rows()) {
    if (runtime::row_available(row)) std::printf(" %s", row.name);
  }
  std::printf("\n");
  return 0;
}
