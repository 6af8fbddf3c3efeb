#include "cuda/pair_plan.hpp"

#include <deque>
#include <utility>

#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kLeafTest = 0xFFFF0000u;
constexpr uint64_t kMostNodes = 0xF0000000u;  // and some between trees

/// Numbers what nodes compare: a column, and whether its bins are raised.
class Columns {
 public:
  explicit Columns(std::size_t n_columns) : number_(2 * n_columns, kNone) {}

  uint32_t number(uint32_t column, uint32_t raise) {
    uint32_t& number = number_[2 * std::size_t{column} + raise];
    if (number == kNone) {
      number = static_cast<uint32_t>(listed_.size());
      listed_.push_back({column, raise});
    }
    return number;
  }
  [[nodiscard]] const std::vector<PairColumn>& listed() const noexcept { return listed_; }

 private:
  static constexpr uint32_t kNone = 0xFFFFFFFFu;
  std::vector<uint32_t> number_;
  std::vector<PairColumn> listed_;
};

/// Lays the nodes of trees out. A sector of 32 bytes, which is what a device reads of its memory, holds a
/// pair of siblings and the pair of children of the one with the more leaves: walks through large trees
/// then read a sector for one or two levels. Pairs of leaves alone come last, without gaps.
class Layout {
 public:
  Layout(const format::TreeArrays& arrays, const plan::TreeColumns& columns, PairPlan& plan)
      : arrays_(arrays),
        columns_(columns),
        // In byte columns a missing value has its side's rank already.
        raises_(columns.width() == plan::BinWidth::k16),
        numbers_(columns.columns().size()),
        plan_(plan) {}

  void add_tree(uint32_t tree) {
    while (plan_.nodes.size() % kSector != 0) add_leaf(0);
    plan_.roots.push_back(here());
    plan_.levels.push_back(plan::longest_path(arrays_, tree));
    const Subtree root{arrays_.tree_start[tree], arrays_.tree_start[tree + 1], 0};
    if (arrays_.right[root.node] == 0) return add_leaf(0);
    add_inner(root);
    wait();
    add_leaf(0);  // beside the root, so that its children take the second half
    do {
      place_next();
    } while (!inner_.empty() || !leaves_.empty());
  }

  void finish() { plan_.columns = numbers_.listed(); }

 private:
  static constexpr std::size_t kSector = 32 / sizeof(PairNode);

  struct Subtree {
    uint64_t node;
    uint64_t end;  ///< of its nodes
    uint32_t first_leaf;
  };
  /// Two children that wait for a place, and their parent's.
  struct Pair {
    Subtree left;
    Subtree right;
    uint32_t parent;
    [[nodiscard]] uint64_t size() const noexcept { return right.end - left.node; }
  };

  [[nodiscard]] uint32_t here() const noexcept { return static_cast<uint32_t>(plan_.nodes.size()); }
  [[nodiscard]] bool is_leaf(const Subtree& tree) const { return arrays_.right[tree.node] == 0; }

  void add_leaf(uint32_t number) {
    plan_.nodes.push_back({kLeafTest, here()});
    plan_.leaf.push_back(number);
  }

  void add_inner(const Subtree& tree) {
    const plan::NodeTest test = columns_.test(arrays_, tree.node);
    const uint32_t raise = raises_ ? arrays_.missing_left[tree.node] : 0u;
    const uint32_t column = numbers_.number(test.column, raise);
    const uint32_t distance = arrays_.right[tree.node];
    const uint64_t middle = tree.node + distance;
    const Pair children{{tree.node + 1, middle, tree.first_leaf},
                        {middle, tree.end, tree.first_leaf + plan::leaves_left_of(distance)},
                        here()};
    children_.push_back(children);
    plan_.nodes.push_back({(test.rank + raise) << 16 | (column & 0xFFFFu), 0});
    plan_.leaf.push_back(0);
  }

  void place(const Pair& pair) {
    plan_.nodes[pair.parent].left = here();
    for (const Subtree& child : {pair.left, pair.right}) {
      if (is_leaf(child)) {
        add_leaf(child.first_leaf);
      } else {
        add_inner(child);
      }
    }
  }

  /// Places a waiting pair and, where it begins a sector, the larger pair of its children.
  void place_next() {
    for (std::deque<Pair>* queue : {&inner_, &leaves_}) {
      if (queue->empty()) continue;
      const Pair pair = queue->front();
      queue->pop_front();
      place(pair);
      break;
    }
    if (here() % kSector == 0 || children_.empty()) return wait();
    if (children_.size() == 2 && children_[0].size() < children_[1].size()) {
      std::swap(children_[0], children_[1]);
    }
    const Pair pair = children_[0];
    children_.erase(children_.begin());
    place(pair);
    wait();
  }

  /// Children of what was placed wait for their turn.
  void wait() {
    for (const Pair& pair : children_) {
      (is_leaf(pair.left) && is_leaf(pair.right) ? leaves_ : inner_).push_back(pair);
    }
    children_.clear();
  }

  const format::TreeArrays& arrays_;
  const plan::TreeColumns& columns_;
  bool raises_;
  Columns numbers_;
  PairPlan& plan_;
  std::vector<Pair> children_;  ///< of the pairs placed last
  std::deque<Pair> inner_;      ///< pairs with an inner node that wait
  std::deque<Pair> leaves_;     ///< pairs of leaves that wait
};

}  // namespace

std::optional<PairPlan> PairPlan::build(const format::TreeArrays& arrays,
                                        const plan::TreeColumns& columns, uint64_t block_bytes) {
  if (!arrays.set_bits.empty() || arrays.right.size() > kMostNodes) return std::nullopt;
  PairPlan plan;
  plan.nodes.reserve(arrays.right.size());
  plan.leaf.reserve(arrays.right.size());
  Layout layout(arrays, columns, plan);
  for (uint32_t tree = 0; tree < arrays.attributes.n_trees; ++tree) layout.add_tree(tree);
  layout.finish();
  const auto n_columns = static_cast<uint32_t>(plan.columns.size());
  if (!pairs_fit(n_columns, block_bytes)) return std::nullopt;
  return plan;
}

}  // namespace cordwood::cuda
