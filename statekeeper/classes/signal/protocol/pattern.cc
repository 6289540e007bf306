#include "statekeeper/classes/signal/protocol/pattern.h"

#include <re2/re2.h>

#include <utility>

#include "common/glob.h"
#include "statekeeper/classes/signal/protocol/address.h"

namespace dormouse::signal {
namespace {

constexpr size_t kMaxPattern = 512;
constexpr int64_t kMaxRegexMemory = 256 << 10;
// Instructions of a compiled regex; matching takes at most so many steps per character.
constexpr int kMaxRegexSize = 1000;

bool HasRegexCharacters(std::string_view text) {
  if (text.find_first_of("^$|()[]{}+\\") != text.npos) return true;
  return text.find(".*") != text.npos || text.find(".?") != text.npos;
}

}  // namespace

AddressPattern::AddressPattern() = default;
AddressPattern::AddressPattern(AddressPattern&&) noexcept = default;
AddressPattern& AddressPattern::operator=(AddressPattern&&) noexcept = default;
AddressPattern::~AddressPattern() = default;

std::optional<AddressPattern> AddressPattern::Parse(std::string_view text, Syntax syntax,
                                                    std::string* wrong) {
  if (text.empty() || text.size() > kMaxPattern) {
    *wrong = "a pattern has 1-" + std::to_string(kMaxPattern) + " bytes";
    return std::nullopt;
  }
  std::string_view glob = text;
  if (glob.starts_with("@(") && glob.ends_with(")")) glob = glob.substr(2, glob.size() - 3);

  AddressPattern pattern;
  if (syntax == Syntax::kGlob || !HasRegexCharacters(glob)) {
    pattern.glob_ = glob;
    return pattern;
  }
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(kMaxRegexMemory);
  pattern.regex_ = std::make_unique<RE2>(text, options);
  if (!pattern.regex_->ok()) {
    *wrong = pattern.regex_->error();
    return std::nullopt;
  }
  if (pattern.regex_->ProgramSize() > kMaxRegexSize) {
    *wrong = "it repeats or enumerates too much";
    return std::nullopt;
  }
  return pattern;
}

bool AddressPattern::Matches(std::string_view bare_address) const {
  if (regex_ == nullptr) return GlobMatches(glob_, bare_address);
  const std::string canonical = Address{std::string(bare_address), true}.ToString();
  return RE2::PartialMatch(canonical, *regex_) ||
         RE2::PartialMatch(re2::StringPiece(bare_address.data(), bare_address.size()), *regex_);
}

std::string_view AddressPattern::literal_prefix() const {
  return std::string_view{glob_}.substr(0, glob_.find_first_of("*?"));
}

}  // namespace dormouse::signal
