// How the request that opens a fallback connection becomes the upgrade that a WebSocket client would have
// sent, and what is answered to that becomes the answer. Pure functions; any thread.
//
//   POST /ws/kitchen/@fallback?a=b   ->   GET /ws/kitchen?a=b with Upgrade: websocket
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_request.h"

namespace dormouse::edge {

// What a request at an address of fallback connections wants.
enum class FallbackCall : uint8_t { kOpen, kEvents, kPoll, kSend, kClose };
struct FallbackTarget {
  FallbackCall call;
  std::string_view path;  // of the WebSocket
};
// By its path, "PATH/@fallback" and "PATH/@fallback/events" and so on; nullopt: it is no such address.
std::optional<FallbackTarget> ReadFallbackTarget(std::string_view path);

// The upgrade, to its empty line. What pages cannot say in Sec-WebSocket-Protocol they say in
// Dormouse-Protocol.
std::string WriteUpgradeRequest(const HttpRequest& request, std::string_view path);

// What of a 101 is for the client, too (an app may have set cookies): header lines, with their ends; and the
// subprotocol that was chosen.
struct UpgradeHeads {
  std::string headers;
  std::string protocol;
};
std::optional<UpgradeHeads> ReadUpgradeAnswer(std::string_view head);

// The value of a field of a query; empty: it has none. Not decoded: ours are numbers and hex.
std::string_view QueryField(std::string_view query, std::string_view name);

}  // namespace dormouse::edge
