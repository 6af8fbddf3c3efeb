// Chains: consecutive operators that answer entry by entry of the first axis (a batch), or row by row, run
// through blocks of them, so that what they pass on stays in the second cache level. A chain of rows may
// stand inside one of entries. No sum changes: entries and rows are independent.
#include <algorithm>

#include "runtime/float_mode.hpp"
#include "runtime/nets/net_program.hpp"
#include "runtime/thread_pool.hpp"

namespace cordwood::runtime {
namespace {

/// What the widest value of a block may take: most of an L2 where weights stream by and want many rows;
/// less where they stay.
constexpr uint64_t kStreamBlockBytes = uint64_t{768} << 10;
constexpr uint64_t kStayBlockBytes = uint64_t{64} << 10;
/// Blocks of rows are whole tiles of the products' kernels.
constexpr uint64_t kTileRows = 12;

/// Parts of an array, and the bytes of one.
uint64_t parts_of(const Shape& shape, bool entries) noexcept {
  if (shape.rank == 0) return 0;
  return entries ? shape.size[0] : shape.elements(0, shape.rank - 1);
}
uint64_t part_bytes(const ArrayForm& form, bool entries) noexcept {
  const Shape& shape = form.shape;
  return (entries ? shape.elements(1, shape.rank) : shape.last()) * element_bytes(form.dtype);
}

/// Parts `first` to `first + count` - 1 of an array, rows as a matrix; of an array that holds a block
/// alone, its first ones.
Array part_of(const Array& whole, uint64_t first, uint64_t count, bool entries,
              bool block_alone) noexcept {
  Array part = whole;
  const uint64_t bytes =
      entries ? entry_bytes(whole.form, whole.border) : part_bytes(whole.form, false);
  part.data = whole.data + (block_alone ? 0 : first * bytes);
  Shape& shape = part.form.shape;
  if (!entries) {
    shape.size[1] = whole.form.shape.last();
    shape.rank = 2;
  }
  shape.size[0] = count;
  return part;
}

/// A failure that names a row or an image of a block, naming it by its place in the batch: `whole` is what
/// the step reads of that, `first_row` where a block of rows inside the block of entries begins.
Status counted_from_batch(Status status, const NetStep& step, const Array& whole,
                          const NetDesk::Origin& origin, uint64_t first_row) noexcept {
  if (status.code != CORDWOOD_STATUS_nan_refused) return status;
  const uint64_t parts = parts_of(whole.form.shape, !step.node->row_wise());
  status.numbers[0] += first_row + parts / origin.entries * origin.entry;
  return status;
}

constexpr uint64_t divide_up(uint64_t a, uint64_t b) noexcept {
  return a / b + (a % b != 0);
}

/// Parts of a block: as many as threads may share, and blocks as even as they come.
uint64_t even_block(const NetChain& chain, uint64_t parts, unsigned threads) noexcept {
  const uint64_t most = chain.block_parts * std::min(threads, NetChain::kMostThreads);
  const uint64_t even = divide_up(parts, divide_up(parts, most));
  return chain.entries ? even : std::min(most, divide_up(even, kTileRows) * kTileRows);
}

}  // namespace

bool NetProgram::joins(const NetStep& step, const NetChain& chain, const NetPlan& plan) const {
  const auto inputs = inputs_of(step);
  if (chain.entries) {
    std::vector<ArrayForm> forms;
    for (const uint32_t value : inputs) forms.push_back(plan.forms[value]);
    if (!step.node->shares_input() && !step.node->entry_wise(forms)) return false;
  } else if (!step.node->row_wise()) {
    return false;
  }
  const auto is_whole = [&](uint32_t value) {
    return parts_of(plan.forms[value].shape, chain.entries) == chain.parts;
  };
  for (uint32_t i = 0; i < inputs.size(); ++i) {
    if (!step.node->reads_shape_only(i) && !is_whole(inputs[i])) return false;
  }
  return std::ranges::all_of(outputs_of(step), is_whole);
}

NetChain NetProgram::longest_chain(uint32_t first, uint32_t end, bool entries,
                                   const NetPlan& plan) const {
  NetChain chain{.first = first, .last = first, .entries = entries};
  chain.parts = parts_of(plan.forms[outputs_of(steps_[first])[0]].shape, entries);
  uint64_t widest = 1;
  bool streams = !entries;
  while (chain.last < end && chain.parts != 0 && joins(steps_[chain.last], chain, plan)) {
    const NetStep& step = steps_[chain.last++];
    widest = std::max(widest, part_bytes(plan.forms[outputs_of(step)[0]], entries));
    streams = streams || step.opcode == CORDWOOD_OP_LINEAR;
  }
  const uint64_t parts = (streams ? kStreamBlockBytes : kStayBlockBytes) / widest;
  chain.block_parts =
      entries ? std::max<uint64_t>(1, parts) : std::max(kTileRows, parts / kTileRows * kTileRows);
  return chain;
}

void NetProgram::add_chain(const NetChain& chain, std::span<const uint32_t> root,
                           std::span<uint64_t> last, NetPlan& plan) const {
  const NetBlock level = chain.entries ? NetBlock::entries : NetBlock::rows;
  (chain.entries ? plan.entry_chains : plan.row_chains).push_back(chain);
  std::vector<uint32_t> made;
  for (uint32_t index = chain.first; index < chain.last; ++index) {
    for (const uint32_t value : outputs_of(steps_[index])) made.push_back(value);
  }
  for (const uint32_t value : made) {
    const uint32_t owner = root[value];
    const auto shares = [&](uint32_t other) { return root[other] == owner; };
    // Views have rows of other lengths; entries of the first axis are the same ones in all of them.
    const auto sharers = std::ranges::count(root, owner);
    const bool inside = std::ranges::count_if(made, shares) == sharers;
    if (inside && (chain.entries || sharers == 1) && last[owner] < chain.last &&
        plan.places[owner] == NetPlace::kArena) {
      plan.in_block[value] = level;
    }
  }
  // What holds more than a block lives through all blocks: a later one reads it, or adds to it.
  const auto keep = [&](uint32_t value) {
    const uint32_t owner = root[value];
    if (plan.in_block[owner] != level)
      last[owner] = std::max<uint64_t>(last[owner], chain.last - 1);
  };
  std::ranges::for_each(made, keep);
  for (uint32_t index = chain.first; index < chain.last; ++index) {
    std::ranges::for_each(inputs_of(steps_[index]), keep);
  }
}

void NetProgram::find_row_chains(uint32_t first, uint32_t end, const NetChain* outer,
                                 std::span<const uint32_t> root, std::span<uint64_t> last,
                                 NetPlan& plan) const {
  while (first < end) {
    const NetChain chain = longest_chain(first, end, false, plan);
    // Rows of one block of entries pay where they make several blocks of their own.
    const uint64_t rows =
        outer == nullptr ? chain.parts : chain.parts / outer->parts * outer->block_parts / 2;
    if (chain.last >= first + 2 && rows > chain.block_parts) add_chain(chain, root, last, plan);
    first = std::max(chain.last, first + 1);
  }
}

void NetProgram::find_chains(std::span<const uint32_t> root, std::span<uint64_t> last,
                             NetPlan& plan) const {
  const auto end = static_cast<uint32_t>(steps_.size());
  for (uint32_t first = 0; first < end;) {
    const NetChain rows = longest_chain(first, end, false, plan);
    const NetChain entries = longest_chain(first, end, true, plan);
    const bool wins = entries.last > rows.last && entries.last >= first + 2 &&
                      entries.parts > entries.block_parts;
    const uint32_t next = std::max(wins ? entries.last : rows.last, first + 1);
    if (wins) add_chain(entries, root, last, plan);
    find_row_chains(first, next, wins ? &entries : nullptr, root, last, plan);
    first = next;
  }
}

Status NetProgram::run_row_chain(const NetChain& chain, std::span<const Array> operands,
                                 NetDesk& desk, const NetPlan& plan,
                                 unsigned threads) const noexcept {
  const uint64_t rows = parts_of(operands[steps_[chain.first].first_operand].shape(), false);
  const uint64_t block = even_block(chain, rows, threads);
  for (uint64_t first = 0; first < rows; first += block) {
    const uint64_t count = std::min(block, rows - first);
    for (uint32_t index = chain.first; index < chain.last; ++index) {
      const NetStep& step = steps_[index];
      std::array<Array, kMostRowOperands> parts;
      const uint32_t n_operands = step.inputs + step.outputs;
      for (uint32_t i = 0; i < n_operands; ++i) {
        const uint32_t at = step.first_operand + i;
        const bool alone = plan.in_block[operands_[at]] == NetBlock::rows;
        parts[i] = part_of(operands[at], first, count, false, alone);
      }
      const Status status = run_step(step, {parts.data(), n_operands}, desk, threads);
      if (!status.ok()) {
        return counted_from_batch(status, step, plan.operands[step.first_operand], desk.origin,
                                  first);
      }
    }
  }
  return {};
}

Status NetProgram::run_steps(uint32_t first, uint32_t end, std::span<const Array> operands,
                             NetDesk& desk, const NetPlan& plan, unsigned threads) const noexcept {
  auto chain = std::ranges::lower_bound(plan.row_chains, first, {}, &NetChain::first);
  for (uint32_t index = first; index < end; ++index) {
    if (chain != plan.row_chains.end() && chain->first == index) {
      CORDWOOD_RETURN_IF_FAILED(run_row_chain(*chain, operands, desk, plan, threads));
      index = chain->last - 1;
      ++chain;
      continue;
    }
    const NetStep& step = steps_[index];
    if (step.node->shares_input() || step.node->constant() != nullptr) continue;
    const Status status = run_step(
        step, operands.subspan(step.first_operand, step.inputs + step.outputs), desk, threads);
    if (!status.ok()) {
      return counted_from_batch(status, step, plan.operands[step.first_operand], desk.origin, 0);
    }
  }
  return {};
}

Status NetProgram::run_block(const NetChain& chain, uint64_t first, uint64_t count, NetDesk& desk,
                             const NetPlan& plan, unsigned threads) const noexcept {
  const NetStep& final_step = steps_[chain.last - 1];
  const uint32_t to = final_step.first_operand + final_step.inputs + final_step.outputs;
  for (uint32_t at = steps_[chain.first].first_operand; at < to; ++at) {
    const uint32_t value = operands_[at];
    const bool alone = plan.in_block[value] != NetBlock::none;
    desk.parts[at] = part_of(plan.operands[at], first, count, true, alone);
    if (alone) desk.parts[at].data = desk.blocks.bytes().data() + plan.offsets[value];
  }
  desk.origin = {.entry = first, .entries = chain.parts};
  const Status status = run_steps(chain.first, chain.last, desk.parts, desk, plan, threads);
  desk.origin = {};
  return status;
}

Status NetProgram::run_entry_chain(const NetChain& chain, NetContext& context, const NetPlan& plan,
                                   unsigned threads) const noexcept {
  const unsigned desks = std::min(threads, NetChain::kMostThreads);
  const uint64_t blocks = divide_up(chain.parts, chain.block_parts);
  if (desks == 1 || blocks < desks || context.desk.seconds != nullptr) {
    const uint64_t block = even_block(chain, chain.parts, threads);
    for (uint64_t first = 0; first < chain.parts; first += block) {
      CORDWOOD_RETURN_IF_FAILED(run_block(chain, first, std::min(block, chain.parts - first),
                                          context.desk, plan, threads));
    }
    return {};
  }
  // Threads run blocks of their own, and meet at the end: what a block passes on stays with its core.
  struct Work {
    const NetProgram& program;
    const NetChain& chain;
    NetContext& context;
    const NetPlan& plan;
    uint64_t block;
    struct Failure {
      uint64_t block = UINT64_MAX;
      Status status{};
    };
    std::array<Failure, NetChain::kMostThreads> failures{};

    static void run(void* given, unsigned slot, uint64_t index) noexcept {
      auto& self = *static_cast<Work*>(given);
      const DefaultFloatMode mode;
      NetDesk& desk = slot == 0 ? self.context.desk : *self.context.more_desks[slot - 1];
      const uint64_t first = index * self.block;
      const uint64_t count = std::min(self.block, self.chain.parts - first);
      const Status status = self.program.run_block(self.chain, first, count, desk, self.plan, 1);
      Failure& failure = self.failures[slot];
      if (!status.ok() && index < failure.block) failure = {index, status};
    }
  } work{*this, chain, context, plan, divide_up(chain.parts, divide_up(blocks, desks) * desks)};
  CORDWOOD_RETURN_IF_FAILED(run_tasks(desks, divide_up(chain.parts, work.block), &work, Work::run));
  return std::ranges::min(work.failures, {}, &Work::Failure::block).status;
}

Status NetProgram::lay_desks(NetContext& context, const NetPlan& plan,
                             unsigned threads) const noexcept {
  return guard_memory("desks of a net", [&]() -> Status {
    const bool many = !plan.entry_chains.empty() && context.desk.seconds == nullptr;
    const std::size_t more = many ? std::min(threads, NetChain::kMostThreads) - 1 : 0;
    while (context.more_desks.size() < more) {
      context.more_desks.push_back(std::make_unique<NetDesk>());
    }
    const auto lay = [&](NetDesk& desk) -> Status {
      if (desk.parts.size() < operands_.size()) desk.parts.resize(operands_.size());
      CORDWOOD_RETURN_IF_FAILED(desk.blocks.reserve(plan.block_bytes));
      return desk.scratch.reserve(plan.scratch_bytes);
    };
    CORDWOOD_RETURN_IF_FAILED(lay(context.desk));
    for (std::size_t i = 0; i < more; ++i) CORDWOOD_RETURN_IF_FAILED(lay(*context.more_desks[i]));
    return {};
  });
}

Status NetProgram::run_all(NetContext& context, const NetPlan& plan,
                           unsigned threads) const noexcept {
  uint32_t next = 0;
  for (const NetChain& chain : plan.entry_chains) {
    CORDWOOD_RETURN_IF_FAILED(
        run_steps(next, chain.first, plan.operands, context.desk, plan, threads));
    CORDWOOD_RETURN_IF_FAILED(run_entry_chain(chain, context, plan, threads));
    next = chain.last;
  }
  const auto end = static_cast<uint32_t>(steps_.size());
  return run_steps(next, end, plan.operands, context.desk, plan, threads);
}

}  // namespace cordwood::runtime
