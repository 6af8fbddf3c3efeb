#include "base/result.hpp"

#include <charconv>
#include <string_view>

namespace cordwood {
namespace {

/// Appends to a StatusMessage and stops silently at its end; the last byte stays zero.
class Writer {
 public:
  explicit Writer(StatusMessage& message) noexcept : message_(message) {}

  void put(char character) noexcept {
    if (used_ + 1 < message_.characters.size()) message_.characters[used_++] = character;
  }

  void put(std::string_view text) noexcept {
    for (const char character : text) put(character);
  }

  void put_number(uint64_t number, int base) noexcept {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    put(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }

 private:
  StatusMessage& message_;
  std::size_t used_ = 0;
};

void put_text(Writer& writer, std::string_view text, const Status& status) noexcept {
  std::size_t next = 0;
  while (!text.empty()) {
    const bool decimal = text.starts_with("{}");
    const bool hexadecimal = text.starts_with("{x}");
    if ((decimal || hexadecimal) && next < status.numbers.size()) {
      if (hexadecimal) writer.put("0x");
      writer.put_number(status.numbers[next++], hexadecimal ? 16 : 10);
      text.remove_prefix(decimal ? 2 : 3);
    } else {
      writer.put(text.front());
      text.remove_prefix(1);
    }
  }
}

}  // namespace

const char* status_name(cordwood_status code) noexcept {
  switch (code) {
#define CORDWOOD_STATUS_CASE(name, number)                                                         \
  case CORDWOOD_STATUS_##name:                                                                     \
    return #name;
    CORDWOOD_STATUS_LIST(CORDWOOD_STATUS_CASE)
#undef CORDWOOD_STATUS_CASE
  }
  return "unknown";
}

StatusMessage render(const Status& status) noexcept {
  StatusMessage message;
  Writer writer(message);
  const std::string_view place(status.place);
  writer.put(place);
  if (!place.empty()) writer.put(": ");
  const std::string_view text(status.text);
  if (text.empty()) {
    writer.put(status_name(status.code));
  } else {
    put_text(writer, text, status);
  }
  return message;
}

}  // namespace cordwood
