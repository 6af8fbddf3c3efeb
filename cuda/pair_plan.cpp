#include "cuda/pair_plan.hpp"

#include <algorithm>

#include "plan/tree_shape.hpp"

namespace cordwood::cuda {
namespace {

constexpr uint32_t kLeafTest = 0xFFFF0000u;
constexpr uint64_t kMostNodes = 0xFFFFFFFFu;

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

/// A node that waits for its turn: where it is in the arrays, and the first leaf below it.
struct Waiting {
  uint64_t node;
  uint32_t first_leaf;
};

}  // namespace

std::optional<PairPlan> PairPlan::build(const format::TreeArrays& arrays,
                                        const plan::TreeColumns& columns, uint64_t block_bytes) {
  if (!arrays.set_bits.empty() || arrays.right.size() > kMostNodes) return std::nullopt;
  // In byte columns a missing value has its side's rank already.
  const bool raises = columns.width() == plan::BinWidth::k16;
  Columns used(columns.columns().size());
  PairPlan plan;
  plan.nodes.reserve(arrays.right.size());
  plan.leaf.reserve(arrays.right.size());
  std::vector<Waiting> queue;
  for (uint32_t tree = 0; tree < arrays.attributes.n_trees; ++tree) {
    const auto root = static_cast<uint32_t>(plan.nodes.size());
    plan.roots.push_back(root);
    plan.levels.push_back(plan::longest_path(arrays, tree));
    queue.assign(1, {arrays.tree_start[tree], 0});
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const Waiting at = queue[i];
      const uint32_t distance = arrays.right[at.node];
      plan.leaf.push_back(at.first_leaf);
      if (distance == 0) {
        plan.nodes.push_back({kLeafTest, root + static_cast<uint32_t>(i)});
        continue;
      }
      const plan::NodeTest test = columns.test(arrays, at.node);
      const uint32_t raise = raises ? arrays.missing_left[at.node] : 0u;
      const uint32_t column = used.number(test.column, raise);
      plan.nodes.push_back({(test.rank + raise) << 16 | (column & 0xFFFFu),
                            root + static_cast<uint32_t>(queue.size())});
      queue.push_back({at.node + 1, at.first_leaf});
      queue.push_back({at.node + distance, at.first_leaf + plan::leaves_left_of(distance)});
    }
  }
  plan.columns = used.listed();
  const auto n_columns = static_cast<uint32_t>(plan.columns.size());
  if (!pairs_fit(n_columns, block_bytes)) return std::nullopt;
  return plan;
}

}  // namespace cordwood::cuda
