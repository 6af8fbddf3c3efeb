#include "cuda/sector_plan.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>

#include "cuda/subtree.hpp"
#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kInner = 7;
constexpr uint32_t kSlots = kInner + kSectorExits;
static_assert(sizeof(SectorNodes) == 32);

/// Lays trees out level by level; the records behind one record's exits lie side by side.
class Layout {
 public:
  Layout(const format::TreeArrays& arrays, const plan::TreeColumns& columns, SectorPlan& plan)
      : arrays_(arrays), tests_(arrays, columns), plan_(plan) {}

  void add_tree(uint32_t tree) {
    plan_.roots.push_back(static_cast<uint32_t>(plan_.records.size()));
    first_leaf_ = plan_.leaf_order.size();
    waiting_.assign(1, Subtree::of_tree(arrays_, tree));
    placed_ = 1;
    for (; !waiting_.empty(); waiting_.pop_front()) add_record(waiting_.front());
  }

  [[nodiscard]] std::size_t n_columns() const noexcept { return tests_.listed().size(); }
  void finish() { plan_.columns = tests_.listed(); }

 private:
  void add_record(const Subtree& root) {
    SectorNodes record;
    std::ranges::fill(record.tests, kNeverRight);
    record.below = static_cast<uint32_t>((placed_ - 1) << kSectorExits);
    const auto leaf = static_cast<uint32_t>(plan_.leaf_order.size() - first_leaf_);
    uint32_t leaves = leaf << kSectorExits;
    std::array<std::optional<Subtree>, kSlots> slots;
    slots[0] = root;
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      if (!slots[slot]) continue;
      const Subtree& part = *slots[slot];
      const bool is_leaf = part.is_leaf(arrays_);
      if (slot < kInner) {
        if (!is_leaf) {
          record.tests[slot] = tests_.test(part.node);
          slots[2 * slot + 2] = part.right(arrays_);
        }
        slots[2 * slot + 1] = is_leaf ? part : part.left(arrays_);
        continue;
      }
      const uint32_t exit = 1u << (kSlots - 1 - slot);
      if (is_leaf) {
        leaves |= exit;
        plan_.leaf_order.push_back(part.first_leaf);
      } else {
        record.below |= exit;
        waiting_.push_back(part);
        ++placed_;
      }
    }
    plan_.records.push_back(record);
    plan_.leaves.push_back(leaves);
  }

  const format::TreeArrays& arrays_;
  WalkTests tests_;
  SectorPlan& plan_;
  std::deque<Subtree> waiting_;  ///< the roots of records to come
  std::size_t first_leaf_ = 0;   ///< of the tree, in leaf_order
  uint64_t placed_ = 0;          ///< records of the tree that have their place
};

}  // namespace

std::optional<SectorPlan> SectorPlan::build(const format::TreeArrays& arrays,
                                            const plan::TreeColumns& columns,
                                            uint64_t block_bytes) {
  // A record has at least one inner node, but for a tree that is a leaf: no more records than leaves.
  if (!arrays.set_bits.empty() || plan::most_leaves(arrays) > kSectorMost ||
      arrays.right.size() > std::numeric_limits<uint32_t>::max()) {
    return std::nullopt;
  }
  SectorPlan plan;
  plan.leaf_order.reserve(arrays.right.size() / 2 + 1);
  Layout layout(arrays, columns, plan);
  for (uint32_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    layout.add_tree(tree);
    if (!walk_fits(layout.n_columns(), block_bytes)) return std::nullopt;
  }
  layout.finish();
  return plan;
}

}  // namespace cordwood::cuda
