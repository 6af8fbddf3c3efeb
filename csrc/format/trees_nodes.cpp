// Nodes of a tree ensemble, from bits in preorder to flat arrays, in one pass.
//
//   structure  1 1 0 0 0 | 1 0 0 | ...     1 inner, 0 leaf; the left child follows its parent
//
// A leaf ends a left subtree: the node after it is the right child of the nearest ancestor that
// still lacks one. So a stack of waiting nodes gives every distance, and the depth with it, in time
// linear in the nodes. An empty stack after a leaf ends the tree.
#include <algorithm>
#include <bit>
#include <limits>

#include "format/trees_parts.hpp"

namespace cordwood::format {
namespace {

/// Where the next rank of a column lies in NODE_RANK: ranks are grouped by column.
struct RankCursor {
  uint64_t position = 0;
  uint32_t bits = 0;
  uint32_t size = 0;
};

struct Waiting {
  uint64_t node;
  uint32_t depth;
};

uint64_t count_ones(std::span<const std::byte> bytes) noexcept {
  uint64_t ones = 0;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    ones += static_cast<uint64_t>(std::popcount(load_unaligned<uint64_t>(bytes.data())));
  }
  for (const std::byte byte : bytes) {
    ones += static_cast<uint64_t>(std::popcount(std::to_integer<unsigned>(byte)));
  }
  return ones;
}

/// Counts the nodes of each column, then lays their ranks out one column after the other.
Status place_ranks(const TreeTensors& tensors, const TreeArrays& trees,
                   const std::vector<uint32_t>& node_column, std::vector<RankCursor>& cursors) {
  cursors.resize(trees.columns.size());
  for (std::size_t node = 0; node < node_column.size(); ++node) {
    if (node_column[node] >= cursors.size()) {
      return fail(CORDWOOD_STATUS_tree_column_invalid, tree_tensor_place(CORDWOOD_TREE_NODE_COLUMN),
                  "inner node {} tests column {}, expected less than {}", node, node_column[node],
                  cursors.size());
    }
    ++cursors[node_column[node]].position;  // a count, until the next loop
  }
  uint64_t next = 0;
  for (std::size_t column = 0; column < cursors.size(); ++column) {
    RankCursor& cursor = cursors[column];
    const uint64_t count = cursor.position;
    cursor = {next, index_bits(trees.columns[column].size), trees.columns[column].size};
    next += count * cursor.bits;
  }
  return tensors.expect_count(CORDWOOD_TREE_NODE_RANK, next);
}

/// The walk over all structure bits; each member function takes one node.
class Walk {
 public:
  Walk(const TreeTensors& tensors, TreeArrays& trees, const std::vector<uint32_t>& node_column,
       std::vector<RankCursor>& cursors)
      : trees_(trees),
        node_column_(node_column),
        cursors_(cursors),
        structure_(tensors.bytes(CORDWOOD_TREE_STRUCTURE)),
        rank_(tensors.bytes(CORDWOOD_TREE_NODE_RANK)),
        missing_left_(tensors.bytes(CORDWOOD_TREE_MISSING_LEFT)),
        leaf_row_(tensors.bytes(CORDWOOD_TREE_LEAF_ROW)),
        leaf_bits_(index_bits(trees.attributes.n_leaf_rows)),
        leaf_listed_(tensors.present(CORDWOOD_TREE_LEAF_ROW)),
        n_leaf_rows_(trees.attributes.n_leaf_rows),
        waiting_(CORDWOOD_MAX_DEPTH + 1) {}

  Status run() noexcept {
    const uint64_t n_nodes = trees_.right.size();
    for (uint64_t first = 0; first < n_nodes; first += 32) {
      uint32_t word = bits_at(structure_, first, 32);
      const uint64_t end = std::min<uint64_t>(first + 32, n_nodes);
      for (uint64_t node = first; node < end; ++node, word >>= 1) {
        if (at_root_) CORDWOOD_RETURN_IF_FAILED(take_root(node));
        CORDWOOD_RETURN_IF_FAILED((word & 1u) != 0 ? take_inner(node) : take_leaf(node));
      }
    }
    if (tree_ == trees_.attributes.n_trees && at_root_) return {};
    return bad_structure("{} trees end within the nodes, expected {} and nothing left over",
                         at_root_ ? tree_ : tree_ - 1);
  }

 private:
  [[nodiscard]] Status bad_structure(const char* text, uint64_t given) const noexcept {
    return fail(CORDWOOD_STATUS_tree_structure_invalid, tree_tensor_place(CORDWOOD_TREE_STRUCTURE),
                text, given, trees_.attributes.n_trees);
  }

  Status take_root(uint64_t node) noexcept {
    if (tree_ == trees_.attributes.n_trees) {
      return bad_structure("node {} begins one tree more than the {} expected", node);
    }
    trees_.tree_start[tree_++] = node;
    at_root_ = false;
    depth_ = 0;
    return {};
  }

  Status take_inner(uint64_t node) noexcept {
    if (depth_ == CORDWOOD_MAX_DEPTH) {
      return fail(CORDWOOD_STATUS_tree_too_deep, tree_tensor_place(CORDWOOD_TREE_STRUCTURE),
                  "tree {} is deeper than {} levels", tree_ - 1, CORDWOOD_MAX_DEPTH);
    }
    waiting_[waiting_count_++] = {node, depth_++};
    const uint32_t column = node_column_[inner_];
    RankCursor& cursor = cursors_[column];
    const uint32_t rank = bits_at(rank_, cursor.position, cursor.bits);
    cursor.position += cursor.bits;
    if (rank >= cursor.size) {
      return fail(CORDWOOD_STATUS_tree_rank_out_of_range,
                  tree_tensor_place(CORDWOOD_TREE_NODE_RANK),
                  "inner node {} has rank {} in column {}, expected less than {}", inner_, rank,
                  column, cursor.size);
    }
    trees_.column[node] = column;
    trees_.rank[node] = rank;
    trees_.missing_left[node] = bit_at(missing_left_, inner_) ? 1 : 0;
    ++inner_;
    return {};
  }

  Status take_leaf(uint64_t node) noexcept {
    const uint64_t row = leaf_listed_ ? leaf_row_.read(leaf_bits_) : leaf_;
    if (row >= n_leaf_rows_) {
      return fail(CORDWOOD_STATUS_tree_leaf_row_out_of_range,
                  tree_tensor_place(CORDWOOD_TREE_LEAF_ROW),
                  "leaf {} has row {}, expected less than {}", leaf_, row, n_leaf_rows_);
    }
    trees_.rank[node] = static_cast<uint32_t>(row);
    ++leaf_;
    if (waiting_count_ == 0) {
      at_root_ = true;
      return {};
    }
    const Waiting& parent = waiting_[--waiting_count_];
    const uint64_t distance = node + 1 - parent.node;
    if (distance > std::numeric_limits<uint32_t>::max()) {
      return bad_structure("node {} has a right child 2^32 nodes away, expected a nearer one",
                           parent.node);
    }
    trees_.right[parent.node] = static_cast<uint32_t>(distance);
    depth_ = parent.depth + 1;
    return {};
  }

  TreeArrays& trees_;
  const std::vector<uint32_t>& node_column_;
  std::vector<RankCursor>& cursors_;
  std::span<const std::byte> structure_;
  std::span<const std::byte> rank_;
  std::span<const std::byte> missing_left_;
  BitReader leaf_row_;
  uint32_t leaf_bits_;
  bool leaf_listed_;
  uint64_t n_leaf_rows_;
  std::vector<Waiting> waiting_;  // a node waits per level at most
  std::size_t waiting_count_ = 0;
  uint64_t inner_ = 0;
  uint64_t leaf_ = 0;
  uint32_t tree_ = 0;
  uint32_t depth_ = 0;
  bool at_root_ = true;
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
  if (const uint64_t ones = count_ones(tensors.bytes(CORDWOOD_TREE_STRUCTURE));
      ones != attributes.n_inner) {
    return fail(CORDWOOD_STATUS_tree_structure_invalid, tree_tensor_place(CORDWOOD_TREE_STRUCTURE),
                "{} inner nodes are marked, expected {}", ones, attributes.n_inner);
  }
  const std::vector<uint32_t> node_column = tensors.integers(CORDWOOD_TREE_NODE_COLUMN);
  std::vector<RankCursor> cursors;
  CORDWOOD_RETURN_IF_FAILED(place_ranks(tensors, trees, node_column, cursors));
  trees.tree_start.resize(std::size_t{attributes.n_trees} + 1);
  trees.tree_start.back() = n_nodes;
  trees.right.resize(n_nodes);
  trees.column.resize(n_nodes);
  trees.rank.resize(n_nodes);
  trees.missing_left.resize(n_nodes);
  return Walk(tensors, trees, node_column, cursors).run();
}

}  // namespace cordwood::format
