// Texts of one length that say which request of which connection they belong to: "0000002a 00000007 xxxx".
// One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse::load {

class NumberedText {
 public:
  static constexpr size_t kShortest = 18;

  explicit NumberedText(size_t size) : text_(std::max(size, kShortest), 'x') { text_[8] = text_[17] = ' '; }

  // Lives until the next call.
  const std::string& Of(uint32_t connection, uint32_t number) {
    Put(number, text_.data());
    Put(connection, text_.data() + 9);
    return text_;
  }

  // The number in a text that is this connection's, to the last byte.
  std::optional<uint32_t> NumberIn(std::string_view text, uint32_t connection) {
    if (text.size() != text_.size()) return std::nullopt;
    uint32_t number = 0;
    for (size_t i = 0; i < 8; ++i) {
      const char digit = text[i];
      const bool decimal = digit >= '0' && digit <= '9';
      if (!decimal && (digit < 'a' || digit > 'f')) return std::nullopt;
      number = number << 4 | static_cast<uint32_t>(decimal ? digit - '0' : digit - 'a' + 10);
    }
    if (text != Of(connection, number)) return std::nullopt;
    return number;
  }

  size_t size() const { return text_.size(); }

 private:
  static void Put(uint32_t number, char* to) {
    for (size_t i = 0; i < 8; ++i) to[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 0xf];
  }

  std::string text_;
};

}  // namespace dormouse::load
