#include "common/http/http_fields.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <array>

namespace dormouse {
namespace {

constexpr std::array<bool, 256> kTokenCharacters = [] {
  std::array<bool, 256> known{};
  for (const char c :
       std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    known[static_cast<unsigned char>(c)] = true;
  return known;
}();

}  // namespace

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view TakeUntil(std::string_view end, std::string_view* rest) {
  const size_t at = rest->find(end);
  const std::string_view taken = rest->substr(0, at);
  *rest = at == std::string_view::npos ? std::string_view() : rest->substr(at + end.size());
  return taken;
}

bool IsHttpToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kTokenCharacters[static_cast<unsigned char>(c)]; });
}

// Every byte of every request comes by here, so it looks at all of them without asking after each.
bool IsFieldContent(std::string_view text) {
  bool any_wrong = false;
  for (const char c : text) any_wrong |= (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  return !any_wrong;
}

bool IsContentLength(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return absl::ascii_tolower(x) == absl::ascii_tolower(y); });
}

bool StartsWithIgnoringCase(std::string_view text, std::string_view prefix) {
  return EqualsIgnoringCase(text.substr(0, prefix.size()), prefix);
}

std::optional<std::string_view> HttpFields::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoringCase(key, name)) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> HttpFields::ListItems(std::string_view name) const {
  std::vector<std::string_view> items;
  for (const auto& [key, value] : headers) {
    if (!EqualsIgnoringCase(key, name)) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::string_view item = TrimBlanks(TakeUntil(",", &rest));
      if (!item.empty()) items.push_back(item);
    }
  }
  return items;
}

bool HttpFields::HasToken(std::string_view name, std::string_view token) const {
  const std::vector<std::string_view> items = ListItems(name);
  return std::any_of(items.begin(), items.end(),
                     [&](std::string_view item) { return EqualsIgnoringCase(item, token); });
}

}  // namespace dormouse
