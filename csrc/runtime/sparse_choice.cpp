#include "runtime/sparse_choice.hpp"

#include <algorithm>
#include <array>

namespace cordwood::runtime {
namespace {

using kernels::kSparseGroup;
using kernels::kWindowInputs;
using kernels::SparseKind;

// What each kind's unit of work costs, counted in dense steps (4 inputs of 16 outputs): the worst of 1
// to 128 rows at 512 to 4096 square. docs/kernels.md, sparse_matmul, has the measurements.
constexpr double kStepInputs = 4;
constexpr double kPairsCost = 0.75;  ///< of as many inputs dense
constexpr double kEightCost = 4.2;   ///< 8 inputs that 16 outputs share
constexpr double kSlotCost = 2.35;   ///< up to 4 of 64 inputs of each of 16 outputs
/// A sparse kind is taken where it costs at most so much of the dense product.
constexpr double kWorthwhile = 0.9;

struct Counts {
  uint64_t eights = 0;
  uint64_t slots = 0;
  bool pairs = true;  ///< at most two of every four stay
};

/// Adds what up to 16 outputs, which share blocks and slots, would take.
void count_group(const int8_t* weights, uint64_t n_outputs, uint64_t n_inputs,
                 Counts& counts) noexcept {
  uint64_t shared = 0;
  for (uint64_t window = 0; window < n_inputs; window += kWindowInputs) {
    const uint64_t size = std::min<uint64_t>(kWindowInputs, n_inputs - window);
    std::array<bool, kWindowInputs> any{};
    uint64_t fullest = 0;
    for (uint64_t output = 0; output < n_outputs; ++output) {
      const int8_t* from = weights + output * n_inputs + window;
      uint64_t kept = 0;
      for (uint64_t four = 0; four < size; four += 4) {
        uint64_t of_four = 0;
        for (uint64_t i = four; i < std::min(four + 4, size); ++i) {
          const bool stays = from[i] != 0;
          any[i] = any[i] || stays;
          of_four += stays ? 1 : 0;
        }
        counts.pairs = counts.pairs && of_four <= 2;
        kept += of_four;
      }
      fullest = std::max(fullest, kept);
    }
    counts.slots += (fullest + 3) / 4;
    shared += static_cast<uint64_t>(std::count(any.begin(), any.end(), true));
  }
  counts.eights += (shared + 7) / 8;
}

}  // namespace

std::optional<SparseKind> choose_sparse_kind(std::span<const int8_t> weights, uint64_t n_outputs,
                                             uint64_t n_inputs) noexcept {
  if (n_inputs > kernels::kSparseMaxInputs) return std::nullopt;
  Counts counts;
  uint64_t groups = 0;
  for (uint64_t first = 0; first < n_outputs; first += kSparseGroup, ++groups) {
    count_group(weights.data() + first * n_inputs,
                std::min<uint64_t>(kSparseGroup, n_outputs - first), n_inputs, counts);
  }
  const double dense = static_cast<double>(groups) * static_cast<double>(n_inputs) / kStepInputs;
  double least = kWorthwhile * dense;
  std::optional<SparseKind> best;
  const auto offer = [&](SparseKind kind, double cost) {
    if (cost > least || (best && cost == least)) return;
    least = cost;
    best = kind;
  };
  offer(SparseKind::blocks, kEightCost * static_cast<double>(counts.eights));
  offer(SparseKind::slots, kSlotCost * static_cast<double>(counts.slots));
  if (counts.pairs) offer(SparseKind::pairs, kPairsCost * dense);
  return best;
}

}  // namespace cordwood::runtime
