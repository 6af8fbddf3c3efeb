// Which steps lead to a value, and where their results lie meanwhile.
//
// Operators come in an order in which each reads what is made before it, so a route is the run of those
// that the value needs. A result takes the lowest buffer that is free and gives it back after its
// last reader; all routes share the buffers.

#include <algorithm>

#include "plan/row_program.hpp"

namespace cordwood::plan {

std::vector<bool> RowProgram::steps_to(uint32_t wanted, uint32_t given) const {
  std::vector<bool> value_needed(values_.size());
  std::vector<bool> step_needed(steps_.size());
  value_needed[wanted] = true;
  if (given != kNoValue) value_needed[given] = false;
  for (std::size_t place = steps_.size(); place-- > 0;) {
    const Step& step = steps_[place];
    if (!value_needed[step.output]) continue;
    step_needed[place] = true;
    if (step.input != given) value_needed[step.input] = true;
    if (step.start != kNoValue && step.start != given) value_needed[step.start] = true;
  }
  return step_needed;
}

Route RowProgram::find_route(uint32_t wanted, uint32_t given) {
  const std::vector<bool> needed = steps_to(wanted, given);
  std::vector<std::size_t> last_reader(values_.size());
  for (std::size_t place = 0; place < steps_.size(); ++place) {
    if (!needed[place]) continue;
    last_reader[steps_[place].input] = place;
    if (steps_[place].start != kNoValue) last_reader[steps_[place].start] = place;
  }

  Route route;
  std::vector<uint32_t> where(values_.size(), Route::kNowhere);
  if (given != kNoValue) where[given] = Route::kGiven;
  std::vector<bool> taken(buffer_row_bytes_.size());
  const auto release = [&](uint32_t value, std::size_t place) {
    if (value == kNoValue || last_reader[value] != place || where[value] >= taken.size()) return;
    taken[where[value]] = false;
  };
  for (std::size_t place = 0; place < steps_.size(); ++place) {
    if (!needed[place]) continue;
    const Step& step = steps_[place];
    Route::Entry entry{.step = static_cast<uint32_t>(place), .input = where[step.input]};
    if (step.start != kNoValue) entry.start = where[step.start];
    route.reads_rows |= step.input == rows_value_;
    if (step.output != wanted) {
      const auto free = std::find(taken.begin(), taken.end(), false);
      entry.output = static_cast<uint32_t>(free - taken.begin());
      if (free == taken.end()) {
        taken.push_back(false);
        buffer_row_bytes_.push_back(0);
      }
      taken[entry.output] = true;
      uint64_t& row_bytes = buffer_row_bytes_[entry.output];
      row_bytes = std::max(row_bytes, values_[step.output].row_bytes());
    }
    where[step.output] = entry.output;
    route.entries.push_back(entry);
    release(step.input, place);
    release(step.start, place);
  }
  return route;
}

void RowProgram::find_routes() {
  for (uint32_t value = 0; value < values_.size(); ++value) {
    routes_.push_back(find_route(value, kNoValue));
    finishes_.push_back(find_route(value, margin_value_));
  }
}

}  // namespace cordwood::plan
