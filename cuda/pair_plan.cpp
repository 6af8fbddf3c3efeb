#include "cuda/pair_plan.hpp"

#include <deque>
#include <utility>

#include "cuda/subtree.hpp"
#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint64_t kMostNodes = 0xF0000000u;  // and some between trees

/// Lays the nodes of trees out. A sector of 32 bytes, which is what a device reads of its memory, holds a
/// pair of siblings and the pair of children of the one with the more leaves: walks through large trees
/// then read a sector for one or two levels. Pairs of leaves alone come last, without gaps.
class Layout {
 public:
  Layout(const format::TreeArrays& arrays, const plan::TreeColumns& columns, PairPlan& plan)
      : arrays_(arrays), tests_(arrays, columns), plan_(plan) {}

  void add_tree(uint32_t tree) {
    while (plan_.nodes.size() % kSector != 0) add_leaf(0);
    plan_.roots.push_back(here());
    plan_.levels.push_back(plan::longest_path(arrays_, tree));
    const Subtree root = Subtree::of_tree(arrays_, tree);
    if (root.is_leaf(arrays_)) return add_leaf(0);
    add_inner(root);
    wait();
    add_leaf(0);  // beside the root, so that its children take the second half
    do {
      place_next();
    } while (!inner_.empty() || !leaves_.empty());
  }

  [[nodiscard]] std::size_t n_columns() const noexcept { return tests_.listed().size(); }
  void finish() { plan_.columns = tests_.listed(); }

 private:
  static constexpr std::size_t kSector = 32 / sizeof(PairNode);

  /// Two children that wait for a place, and their parent's.
  struct Pair {
    Subtree left;
    Subtree right;
    uint32_t parent;
    [[nodiscard]] uint64_t size() const noexcept { return right.end - left.node; }
  };

  [[nodiscard]] uint32_t here() const noexcept { return static_cast<uint32_t>(plan_.nodes.size()); }

  void add_leaf(uint32_t number) {
    plan_.nodes.push_back({kNeverRight, here()});
    plan_.leaf.push_back(number);
  }

  void add_inner(const Subtree& tree) {
    children_.push_back({tree.left(arrays_), tree.right(arrays_), here()});
    plan_.nodes.push_back({tests_.test(tree.node), 0});
    plan_.leaf.push_back(0);
  }

  void place(const Pair& pair) {
    plan_.nodes[pair.parent].left = here();
    for (const Subtree& child : {pair.left, pair.right}) {
      if (child.is_leaf(arrays_)) {
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
      (pair.left.is_leaf(arrays_) && pair.right.is_leaf(arrays_) ? leaves_ : inner_)
          .push_back(pair);
    }
    children_.clear();
  }

  const format::TreeArrays& arrays_;
  WalkTests tests_;
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
  for (uint32_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    layout.add_tree(tree);
    if (!walk_fits(layout.n_columns(), block_bytes)) return std::nullopt;
  }
  layout.finish();
  return plan;
}

}  // namespace cordwood::cuda
