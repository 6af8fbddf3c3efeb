// A JSON text judged without building anything: enough that any parser above may be handed it.
// Depth and the length of numbers are bounded, because parsers recurse and convert.
#include <array>
#include <cctype>
#include <string_view>

#include "format/validate_parts.hpp"

namespace cordwood::format {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNumberLength = 40;

class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) noexcept : rest_(text) {}

  [[nodiscard]] bool scan_object() noexcept {
    skip_space();
    if (!rest_.starts_with('{') || !scan_value()) return false;
    // One turn for each token; open_ remembers which brackets wait to be closed.
    while (depth_ > 0) {
      skip_space();
      const bool in_object = open_[depth_ - 1] == '{';
      if (take(in_object ? '}' : ']')) {
        --depth_;
        first_ = false;
        continue;
      }
      if (!first_ && !take(',')) return false;
      first_ = false;
      skip_space();
      if (in_object) {
        if (!scan_string()) return false;
        skip_space();
        if (!take(':')) return false;
        skip_space();
      }
      if (!scan_value()) return false;
    }
    skip_space();
    return rest_.empty();
  }

 private:
  [[nodiscard]] bool take(char wanted) noexcept {
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void skip_space() noexcept {
    const std::size_t space = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(space == std::string_view::npos ? rest_.size() : space);
  }

  /// A scalar, or the opening bracket of a container.
  [[nodiscard]] bool scan_value() noexcept {
    if (rest_.empty()) return false;
    const char lead = rest_.front();
    if (lead == '{' || lead == '[') {
      if (depth_ == kMaxDepth) return false;
      open_[depth_++] = lead;
      first_ = true;
      rest_.remove_prefix(1);
      return true;
    }
    if (lead == '"') return scan_string();
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return true;
    }
    return scan_number();
  }

  [[nodiscard]] bool scan_string() noexcept {
    if (!take('"')) return false;
    while (!rest_.empty()) {
      const auto character = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (character == '"') return true;
      if (character < 0x20 || (character == '\\' && !scan_escape())) return false;
    }
    return false;
  }

  [[nodiscard]] bool scan_escape() noexcept {
    if (rest_.empty()) return false;
    const char kind = rest_.front();
    rest_.remove_prefix(1);
    if (kind != 'u') return std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
    // Canonical JSON escapes control characters alone, so no half of a surrogate pair can be named.
    if (!rest_.starts_with("00") || rest_.size() < 4) return false;
    const bool digits = std::isxdigit(static_cast<unsigned char>(rest_[2])) != 0 &&
                        std::isxdigit(static_cast<unsigned char>(rest_[3])) != 0;
    rest_.remove_prefix(4);
    return digits;
  }

  [[nodiscard]] std::size_t take_digits() noexcept {
    const std::size_t found = rest_.find_first_not_of("0123456789");
    const std::size_t count = found == std::string_view::npos ? rest_.size() : found;
    rest_.remove_prefix(count);
    return count;
  }

  [[nodiscard]] bool scan_number() noexcept {
    const std::size_t before = rest_.size();
    static_cast<void>(take('-'));
    if (!take('0') && take_digits() == 0) return false;
    if (take('.') && take_digits() == 0) return false;
    if (take('e') || take('E')) {
      static_cast<void>(take('+') || take('-'));
      if (take_digits() == 0) return false;
    }
    return before - rest_.size() <= kMaxNumberLength;
  }

  std::string_view rest_;
  std::array<char, kMaxDepth> open_{};
  std::size_t depth_ = 0;
  bool first_ = false;  // nothing yet stands in the innermost container
};

}  // namespace

bool is_json_object(std::string_view text) noexcept {
  return JsonScanner(text).scan_object();
}

}  // namespace cordwood::format
