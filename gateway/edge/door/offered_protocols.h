// What a client offers in Sec-WebSocket-Protocol. The page of a browser can say nothing else of its own in an
// upgrade, so that is where it puts its token: as a subprotocol "bearer.TOKEN" beside the one it means.
//
// A token goes no further than from here to who checks it. Pure functions; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/http/http_request.h"

namespace dormouse::edge {

// Views into the request.
struct OfferedProtocols {
  // To be named in the answer: the first that carries no token. Where only one with a token is offered, that
  // one, because browsers end a connection whose answer names none that they offered. Empty: none is offered.
  std::string_view answer;
  std::string_view subprotocol;          // for the hub: the answer, or empty where that is a token
  std::vector<std::string_view> tokens;  // without "bearer."
};

// nullopt: it is not a list of tokens (RFC 9110, 5.6.2), or what had to be answered is too long for an
// answer.
std::optional<OfferedProtocols> ReadOfferedProtocols(const HttpRequest& request);
inline constexpr size_t kMaxAnsweredProtocol = 3072;

}  // namespace dormouse::edge
