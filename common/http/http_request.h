// The head of an HTTP/1 request: just what a door needs that answers GET and passes WebSocket upgrades on.
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse {

// Views into the bytes that were parsed.
struct HttpRequest {
  std::string_view method;
  std::string_view path;                                               // as written: still percent-encoded
  std::string_view query;                                              // without the '?'
  int minor_version = 1;                                               // HTTP/1.x
  std::vector<std::pair<std::string_view, std::string_view>> headers;  // in order, values trimmed

  // The first header of that name, any case.
  std::optional<std::string_view> Header(std::string_view name) const;
  // The comma-separated lists in all headers of that name, as one; empty items are left out (RFC
  // 9110, 5.6.1).
  std::vector<std::string_view> ListItems(std::string_view name) const;
  // Whether that list has `token`, any case.
  bool HasToken(std::string_view name, std::string_view token) const;
  bool WantsWebSocket() const {
    return HasToken("connection", "upgrade") && HasToken("upgrade", "websocket");
  }
};

// The size of the head, its final empty line included; 0: not all there yet. `from`: bytes looked at before.
size_t FindHeadEnd(std::string_view bytes, size_t from);

// Parses a whole head. False: it is not HTTP/1.
bool ParseHttpRequest(std::string_view head, HttpRequest* request);

// Whether it is what RFC 9110 calls a token.
bool IsHttpToken(std::string_view text);
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

// "%41" -> "A"; nullopt: broken encoding.
std::optional<std::string> PercentDecode(std::string_view text);

}  // namespace dormouse
