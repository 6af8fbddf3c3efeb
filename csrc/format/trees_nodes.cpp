// Nodes of a tree ensemble, from bits to flat arrays in preorder, in one pass.
//
//   structure  1 1 | 1 0 0 1 | 0 0 0 0      1 inner, 0 leaf: all nodes of depth 0, 1, 2, ...
//
// Each depth has two nodes for each inner node of the one above, so counting ones finds where each
// depth begins, and a walk with a cursor for each depth meets the nodes in preorder. A leaf ends a
// left subtree: the node after it is the right child of the nearest ancestor that still lacks one.
#include <algorithm>
#include <bit>
#include <limits>

#include "format/ranks.hpp"
#include "format/trees_parts.hpp"

namespace cordwood::format {
namespace {

uint64_t count_ones(std::span<const std::byte> bytes, uint64_t first, uint64_t count) noexcept {
  uint64_t ones = 0;
  for (; count >= 32; first += 32, count -= 32) {
    ones += static_cast<uint64_t>(std::popcount(bits_at(bytes, first, 32)));
  }
  const uint32_t rest = bits_at(bytes, first, static_cast<uint32_t>(count));
  return ones + static_cast<uint64_t>(std::popcount(rest));
}

Status bad_structure(const char* text, uint64_t a, uint64_t b) noexcept {
  return fail(CORDWOOD_STATUS_tree_structure_invalid, tree_tensor_place(CORDWOOD_TREE_STRUCTURE),
              text, a, b);
}

/// Finds the first structure bit of each depth. Whatever passes is the structure of whole trees:
/// a walk meets exactly the nodes that each depth has.
Status place_depths(const TreeTensors& tensors, const TreeArrays& trees,
                    std::vector<uint64_t>& depths) {
  const auto structure = tensors.bytes(CORDWOOD_TREE_STRUCTURE);
  const uint64_t n_nodes = tensors.count(CORDWOOD_TREE_STRUCTURE);
  uint64_t first = 0;
  for (uint64_t count = trees.attributes.n_trees; count != 0;) {
    if (count > n_nodes - first) {
      return bad_structure("depth {} ends after the last of {} nodes", depths.size(), n_nodes);
    }
    depths.push_back(first);
    const uint64_t inner = count_ones(structure, first, count);
    first += count;
    count = 2 * inner;
    if (count != 0 && depths.size() > CORDWOOD_MAX_DEPTH) {
      return fail(CORDWOOD_STATUS_tree_too_deep, tree_tensor_place(CORDWOOD_TREE_STRUCTURE),
                  "a tree is deeper than {} levels", CORDWOOD_MAX_DEPTH);
    }
  }
  if (first == n_nodes) return {};
  return bad_structure("{} nodes make all trees whole, expected {}", first, n_nodes);
}

OpenRanks open_ranks(const std::vector<TreeColumn>& columns) {
  std::vector<uint32_t> size(columns.size());
  std::vector<uint8_t> nests(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    size[i] = columns[i].size;
    nests[i] = columns[i].nests ? 1 : 0;
  }
  return OpenRanks(size, nests);
}

/// For each column the first rank that sends NaN to the left where its bit is 0: the first that
/// sends zero there, or 2^32 - 1, which no rank reaches.
std::vector<uint32_t> zero_ranks(const TreeArrays& trees) {
  const bool from_zero = (trees.attributes.flags & CORDWOOD_TREES_MISSING_FROM_ZERO) != 0;
  std::vector<uint32_t> ranks;
  ranks.reserve(trees.columns.size());
  for (const TreeColumn& column : trees.columns) {
    if (!from_zero || column.kind == CORDWOOD_COLUMN_CATEGORY) {
      ranks.push_back(std::numeric_limits<uint32_t>::max());
      continue;
    }
    const auto first = trees.cuts.begin() + static_cast<std::ptrdiff_t>(column.first_cut);
    const auto found = std::lower_bound(first, first + column.size, 0.0);
    ranks.push_back(static_cast<uint32_t>(found - first));
  }
  return ranks;
}

/// The walk over all nodes; each member function takes one.
class Walk {
 public:
  Walk(const TreeTensors& tensors, TreeArrays& trees, std::vector<uint64_t> depths)
      : trees_(trees),
        depths_(std::move(depths)),
        node_column_(tensors.integers(CORDWOOD_TREE_NODE_COLUMN)),
        zero_ranks_(zero_ranks(trees)),
        open_(open_ranks(trees.columns)),
        structure_(tensors.bytes(CORDWOOD_TREE_STRUCTURE)),
        rank_(tensors.bytes(CORDWOOD_TREE_NODE_RANK)),
        missing_(tensors.bytes(CORDWOOD_TREE_MISSING_LEFT)),
        leaf_row_(tensors.bytes(CORDWOOD_TREE_LEAF_ROW)),
        leaf_bits_(index_bits(trees.attributes.n_leaf_rows)),
        leaf_listed_(tensors.present(CORDWOOD_TREE_LEAF_ROW)),
        n_leaf_rows_(trees.attributes.n_leaf_rows) {
    waiting_.reserve(depths_.size());
  }

  Status run() {
    const uint64_t n_nodes = trees_.right.size();
    for (uint64_t node = 0; node < n_nodes; ++node) {
      if (at_root_) trees_.tree_start[tree_++] = node;
      at_root_ = false;
      const bool inner = bit_at(structure_, depths_[depth_]++);
      if (!(inner ? take_inner(node) : take_leaf(node))) return failure_;
    }
    return {};
  }

  /// Bits of NODE_RANK that the nodes took.
  [[nodiscard]] uint64_t rank_bits() const noexcept { return rank_bits_; }

 private:
  struct Waiting {
    uint64_t node;
    uint32_t depth;
  };

  // A Status for every node would cost as much as all the rest: false says that there is one.
  [[gnu::noinline, gnu::cold]] bool refuse(const Status& failure) {
    failure_ = failure;
    return false;
  }

  bool take_inner(uint64_t node) {
    const uint32_t column = node_column_[inner_];
    if (column >= trees_.columns.size()) {
      return refuse(fail(CORDWOOD_STATUS_tree_column_invalid,
                         tree_tensor_place(CORDWOOD_TREE_NODE_COLUMN),
                         "inner node {} tests column {}, expected less than {}", inner_, column,
                         trees_.columns.size()));
    }
    const OpenRanks::Range range = open_.range(column);
    if (range.begin == range.end) {
      return refuse(fail(
          CORDWOOD_STATUS_tree_rank_out_of_range, tree_tensor_place(CORDWOOD_TREE_NODE_RANK),
          "inner node {} tests column {}, where its ancestors leave no rank open", inner_, column));
    }
    const uint32_t rank = range.begin + read_below(rank_, rank_bits_, range.end - range.begin);
    const bool zero_left = rank >= zero_ranks_[column];
    trees_.column[node] = column;
    trees_.rank[node] = rank;
    trees_.missing_left[node] = bit_at(missing_, inner_) != zero_left ? 1 : 0;
    waiting_.push_back({node, depth_++});
    open_.enter(column, rank);
    ++inner_;
    return true;
  }

  bool take_leaf(uint64_t node) {
    const uint64_t row = leaf_listed_ ? leaf_row_.read(leaf_bits_) : leaf_;
    if (row >= n_leaf_rows_) {
      return refuse(fail(CORDWOOD_STATUS_tree_leaf_row_out_of_range,
                         tree_tensor_place(CORDWOOD_TREE_LEAF_ROW),
                         "leaf {} has row {}, expected less than {}", leaf_, row, n_leaf_rows_));
    }
    trees_.rank[node] = static_cast<uint32_t>(row);
    ++leaf_;
    open_.leave();
    if (waiting_.empty()) {
      at_root_ = true;
      depth_ = 0;
      return true;
    }
    const Waiting parent = waiting_.back();
    waiting_.pop_back();
    const uint64_t distance = node + 1 - parent.node;
    if (distance > std::numeric_limits<uint32_t>::max()) {
      return refuse(
          bad_structure("node {} has a right child {} nodes away, expected less than 2^32",
                        parent.node, distance));
    }
    trees_.right[parent.node] = static_cast<uint32_t>(distance);
    depth_ = parent.depth + 1;
    return true;
  }

  TreeArrays& trees_;
  std::vector<uint64_t> depths_;  // the next structure bit of each depth
  std::vector<uint32_t> node_column_;
  std::vector<uint32_t> zero_ranks_;
  OpenRanks open_;
  std::span<const std::byte> structure_;
  std::span<const std::byte> rank_;
  std::span<const std::byte> missing_;
  BitReader leaf_row_;
  uint32_t leaf_bits_;
  bool leaf_listed_;
  uint64_t n_leaf_rows_;
  std::vector<Waiting> waiting_;  // a node waits per level at most
  uint64_t rank_bits_ = 0;
  uint64_t inner_ = 0;
  uint64_t leaf_ = 0;
  uint32_t tree_ = 0;
  uint32_t depth_ = 0;
  bool at_root_ = true;
  Status failure_;
};

}  // namespace

Status expand_nodes(const TreeTensors& tensors, TreeArrays& trees) {
  const cordwood_tree_attributes& attributes = trees.attributes;
  // validate bounded n_inner by 2^48, so these sums cannot wrap.
  const uint64_t n_leaves = attributes.n_inner + attributes.n_trees;
  const uint64_t n_nodes = attributes.n_inner + n_leaves;
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_STRUCTURE, n_nodes));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_NODE_COLUMN, attributes.n_inner));
  CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_MISSING_LEFT, attributes.n_inner));
  if (tensors.present(CORDWOOD_TREE_LEAF_ROW)) {
    CORDWOOD_RETURN_IF_FAILED(tensors.expect_count(CORDWOOD_TREE_LEAF_ROW,
                                                   n_leaves * index_bits(attributes.n_leaf_rows)));
  } else if (attributes.n_leaf_rows != n_leaves) {
    return fail(CORDWOOD_STATUS_tree_leaf_row_out_of_range,
                tree_tensor_place(CORDWOOD_TREE_LEAF_ROW),
                "the tensor is absent with {} leaf rows, expected {}, one a leaf",
                attributes.n_leaf_rows, n_leaves);
  }
  std::vector<uint64_t> depths;
  CORDWOOD_RETURN_IF_FAILED(place_depths(tensors, trees, depths));
  trees.tree_start.resize(std::size_t{attributes.n_trees} + 1);
  trees.tree_start.back() = n_nodes;
  trees.right.resize(n_nodes);
  trees.column.resize(n_nodes);
  trees.rank.resize(n_nodes);
  trees.missing_left.resize(n_nodes);
  Walk walk(tensors, trees, std::move(depths));
  CORDWOOD_RETURN_IF_FAILED(walk.run());
  return tensors.expect_count(CORDWOOD_TREE_NODE_RANK, walk.rank_bits());
}

}  // namespace cordwood::format
