// Patterns over actor addresses, for hub:discover. Both kinds take time linear in the address and bounded
// memory: a pattern has at most 512 bytes, a regex at most 1,000 instructions when compiled. That is enough
// for milliseconds per address all the same, if somebody tries; so the caller should look at the clock.
//
//   glob   * any characters ('/' too), ? one character; over the bare address, the whole of it
//   regex  RE2 syntax; finds a match anywhere in the canonical form, "@(browser/client-ui)", or the bare one
//
// Dialect 0.1, and the claims of tokens, know globs only. In 1.0 a pattern with characters that only a regex
// uses is a regex: any of ^ $ | ( ) [ ] { } + \ or a '.' before a repetition. Either may be written in
// canonical form, "@(browser/*)".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace dormouse::signal {

class AddressPattern {
 public:
  enum class Syntax { kGlob, kGlobOrRegex };
  // Nothing when it is no pattern: `*wrong` says why.
  static std::optional<AddressPattern> Parse(std::string_view text, Syntax syntax, std::string* wrong);

  AddressPattern(AddressPattern&&) noexcept;
  AddressPattern& operator=(AddressPattern&&) noexcept;
  ~AddressPattern();

  bool Matches(std::string_view bare_address) const;
  bool is_regex() const { return regex_ != nullptr; }
  // All matching addresses begin so.
  std::string_view literal_prefix() const;

 private:
  AddressPattern();
  std::string glob_;
  std::unique_ptr<re2::RE2> regex_;  // null: a glob
};

}  // namespace dormouse::signal
