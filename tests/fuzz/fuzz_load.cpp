// The door under attack: any bytes at all must give a named Status or a model that runs.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <utility>

#include "base/result.hpp"
#include "format/trees.hpp"
#include "format/view.hpp"
#include "mend.hpp"

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
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  const size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  // One in eight keeps its false checksums: those checks are part of the door too.
  if (seed % 8 != 0) fuzz::mend(std::span(data, mutated));
  return mutated;
}
