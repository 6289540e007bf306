// The header fields of an HTTP/1 message (RFC 9110, 5), and what their names and values are made of. Pure
// functions; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse {

// Views into the bytes that were parsed.
struct HttpFields {
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // in order, values trimmed

  // The first header of that name, any case.
  std::optional<std::string_view> Header(std::string_view name) const;
  // The comma-separated lists in all headers of that name, as one; empty items are left out (RFC
  // 9110, 5.6.1).
  std::vector<std::string_view> ListItems(std::string_view name) const;
  // Whether that list has `token`, any case.
  bool HasToken(std::string_view name, std::string_view token) const;
};

// Takes the text up to `end` off the front; what is left starts after it. All of it where there is no `end`.
std::string_view TakeUntil(std::string_view end, std::string_view* rest);
std::string_view TrimBlanks(std::string_view text);

// Whether it is what RFC 9110 calls a token.
bool IsHttpToken(std::string_view text);
// Whether it may stand in a header's value: it has no control character but tabs.
bool IsFieldContent(std::string_view text);
// A number that 64 bits hold, in digits and nothing else.
bool IsContentLength(std::string_view text);
bool EqualsIgnoringCase(std::string_view a, std::string_view b);
bool StartsWithIgnoringCase(std::string_view text, std::string_view prefix);

}  // namespace dormouse
