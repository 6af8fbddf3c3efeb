// The door, inner part: labels of classes and of categories, table after table.
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr uint64_t kTableAlignment = 8;

/// Takes labels off the front of a section.
class TableReader {
 public:
  TableReader(std::span<const std::byte> section, const char* place) noexcept
      : rest_(section), place_(place) {}

  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

  [[nodiscard]] Status bad(const char* expected, uint64_t a = 0, uint64_t b = 0) const noexcept {
    return fail(CORDWOOD_STATUS_labels_invalid, place_, expected, a, b);
  }

  /// One record of eight bytes.
  template <class T>
  Status take_record(T& record) noexcept {
    static_assert(sizeof(T) == 8);
    if (rest_.size() < sizeof record) {
      return bad("{} bytes are left, expected at least {}", rest_.size(), sizeof record);
    }
    record = load_unaligned<T>(rest_.data());
    skip(sizeof record);
    return {};
  }

  /// One table: its head and its data.
  Status take_labels(LabelsView& labels) noexcept {
    cordwood_labels head{};
    CORDWOOD_RETURN_IF_FAILED(take_record(head));
    if (head.type < CORDWOOD_LABELS_INT64 || head.type > CORDWOOD_LABELS_UTF8) {
      return bad("label type {} given, expected 1 to {}", head.type, CORDWOOD_LABELS_UTF8);
    }
    labels.type = static_cast<cordwood_label_type>(head.type);
    labels.count = head.count;
    return labels.type == CORDWOOD_LABELS_UTF8 ? take_texts(labels) : take_numbers(labels);
  }

  /// The zeros that lead to the next multiple of eight bytes.
  Status take_padding() noexcept {
    const uint64_t padding = (kTableAlignment - position_ % kTableAlignment) % kTableAlignment;
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    if (padding > rest_.size() || !std::ranges::all_of(rest_.first(padding), is_zero)) {
      return bad("byte {} is the end of a table, expected {} zero bytes after it", position_,
                 padding);
    }
    skip(padding);
    return {};
  }

 private:
  void skip(uint64_t count) noexcept {
    rest_ = rest_.subspan(count);
    position_ += count;
  }

  Status take_texts(LabelsView& labels) noexcept {
    auto after = rest_;
    if (!take_strings(after, labels.strings) || labels.strings.size() != labels.count) {
      return bad("the {} bytes left do not begin with a string table of {} strings in UTF-8",
                 rest_.size(), labels.count);
    }
    skip(rest_.size() - after.size());
    return {};
  }

  Status take_numbers(LabelsView& labels) noexcept {
    const uint64_t label_bytes = labels.type == CORDWOOD_LABELS_BOOL ? 1 : 8;
    const uint64_t total = label_bytes * labels.count;
    if (total > rest_.size()) return bad("{} bytes are left, expected {}", rest_.size(), total);
    labels.numbers = rest_.first(total);
    const auto is_bool = [](std::byte byte) { return byte <= std::byte{1}; };
    if (labels.type == CORDWOOD_LABELS_BOOL && !std::ranges::all_of(labels.numbers, is_bool)) {
      return bad("{} bool labels given, expected each to be 0 or 1", labels.count);
    }
    skip(total);
    return {};
  }

  std::span<const std::byte> rest_;
  uint64_t position_ = 0;
  const char* place_;
};

/// What labels are for: `tables` times, `count` classes or those of each group.
struct Choices {
  uint64_t tables = 0;  ///< 0 where nothing has classes
  uint64_t count = 0;
  std::vector<uint32_t> groups;

  [[nodiscard]] uint64_t classes(uint64_t table) const noexcept {
    return groups.empty() ? count : groups[table];
  }
};

/// Of a net: the columns of its first output, where their number is known.
Choices columns_of_net(const FileView& file) noexcept {
  for (std::size_t id = 0; id < file.values.size(); ++id) {
    const cordwood_value value = file.values[id];
    if (value.role != CORDWOOD_ROLE_OUTPUT) continue;
    if (value.rank == 0 || value.symbol_of[value.rank - 1] != 0) return {};
    return {.tables = 1, .count = value.dimension[value.rank - 1], .groups = {}};
  }
  return {};
}

/// Of a model of rows: what the label's decide chooses among.
Status find_choices(const FileView& file, Choices& choices) {
  if (file.is_net()) {
    choices = columns_of_net(file);
    return {};
  }
  for (uint32_t i = 0; i < file.operators.size(); ++i) {
    const cordwood_operator op = file.operators[i];
    if (op.opcode != CORDWOOD_OP_DECIDE) continue;
    if (file.values[file.output(op, 0)].role != CORDWOOD_ROLE_LABEL) continue;
    const auto decide = file.attributes_of<cordwood_decide_attributes>(op);
    const uint64_t columns = file.values[file.input(op, 0)].dimension[1];
    Result<std::vector<uint32_t>> groups = decide_groups(file, op);
    if (!groups) return groups.status();
    choices.groups = std::move(groups).value();
    choices.count = decide.rule == CORDWOOD_DECIDE_ARGMAX ? columns : 2;
    choices.tables = decide.rule == CORDWOOD_DECIDE_EACH_GREATER ? columns
                     : choices.groups.empty()                    ? 1
                                                                 : choices.groups.size();
  }
  return {};
}

/// Whether two elements are equal once sorted; reorders them.
template <class T>
bool repeats(std::vector<T>& elements) {
  std::ranges::sort(elements);
  return std::ranges::adjacent_find(elements) != elements.end();
}

template <class T>
std::vector<T> read_numbers(const LabelsView& labels) {
  std::vector<T> numbers(labels.count);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = load_unaligned<T>(labels.numbers.data() + i * sizeof(T));
  }
  return numbers;
}

/// Whether each label is there once and is not NaN, which would equal no value of a column.
bool labels_differ(const LabelsView& labels) {
  if (labels.type == CORDWOOD_LABELS_UTF8) {
    std::vector<std::string_view> texts(labels.count);
    for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = labels.strings[i];
    return !repeats(texts);
  }
  if (labels.type == CORDWOOD_LABELS_INT64) {
    auto numbers = read_numbers<int64_t>(labels);
    return !repeats(numbers);
  }
  if (labels.type == CORDWOOD_LABELS_BOOL) {
    auto truths = read_numbers<uint8_t>(labels);
    return !repeats(truths);
  }
  auto numbers = read_numbers<double>(labels);
  if (std::ranges::any_of(numbers, [](double number) { return std::isnan(number); })) return false;
  return !repeats(numbers);
}

/// One feature's labels; `previous` is null for the first.
Status take_feature(TableReader& reader, uint64_t columns, const CategoryLabelsView* previous,
                    CategoryLabelsView& entry) {
  cordwood_category_labels head{};
  CORDWOOD_RETURN_IF_FAILED(reader.take_record(head));
  if (head.reserved != 0 || head.feature >= columns ||
      (previous != nullptr && previous->feature >= head.feature)) {
    return reader.bad(
        "feature {} of {} given, expected each at most once, in ascending order, and "
        "zero in what is reserved",
        head.feature, columns);
  }
  entry.feature = head.feature;
  CORDWOOD_RETURN_IF_FAILED(reader.take_labels(entry.labels));
  if (!labels_differ(entry.labels)) {
    return reader.bad("feature {} has {} labels, expected no NaN and none twice", head.feature,
                      entry.labels.count);
  }
  return reader.take_padding();
}

}  // namespace

Status parse_classes(std::span<const std::byte> bytes, FileView& file) noexcept {
  return guard_memory("section classes", [&]() -> Status {
    Choices choices;
    CORDWOOD_RETURN_IF_FAILED(find_choices(file, choices));
    TableReader reader(bytes, "section classes");
    if (choices.tables == 0) {
      return reader.bad(
          "nothing has classes, expected a decide that makes a value of role {}, or a "
          "net whose first output has a fixed number of columns",
          CORDWOOD_ROLE_LABEL);
    }
    for (uint64_t table = 0; table < choices.tables; ++table) {
      if (table > 0) CORDWOOD_RETURN_IF_FAILED(reader.take_padding());
      LabelsView labels;
      CORDWOOD_RETURN_IF_FAILED(reader.take_labels(labels));
      if (labels.count != choices.classes(table)) {
        return reader.bad("{} labels given, expected {}, the classes to choose among", labels.count,
                          choices.classes(table));
      }
      file.classes.push_back(labels);
    }
    if (reader.at_end()) return {};
    return reader.bad("bytes follow the last of {} tables, expected none", choices.tables);
  });
}

Status parse_categories(std::span<const std::byte> bytes, FileView& file) noexcept {
  return guard_memory("section categories", [&]() -> Status {
    TableReader reader(bytes, "section categories");
    cordwood_categories head{};
    CORDWOOD_RETURN_IF_FAILED(reader.take_record(head));
    const uint64_t columns = rows_of(file).dimension[1];
    if (head.count == 0 || head.count > columns || head.unseen > CORDWOOD_UNSEEN_OTHER) {
      return reader.bad(
          "{} features given and rule {} for labels that are not listed, expected at "
          "least one feature, no more than columns, and rule 0 to 2",
          head.count, head.unseen);
    }
    file.unseen = static_cast<cordwood_unseen>(head.unseen);
    for (uint32_t i = 0; i < head.count; ++i) {
      const CategoryLabelsView* previous = i == 0 ? nullptr : &file.categories.back();
      CategoryLabelsView entry;
      CORDWOOD_RETURN_IF_FAILED(take_feature(reader, columns, previous, entry));
      file.categories.push_back(entry);
    }
    if (reader.at_end()) return {};
    return reader.bad("bytes follow the labels of {} features, expected none", head.count);
  });
}

}  // namespace cordwood::format
