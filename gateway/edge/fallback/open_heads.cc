#include "gateway/edge/fallback/open_heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "common/http/http_response.h"

namespace dormouse::edge {
namespace {

constexpr std::string_view kSegment = "/@fallback";
constexpr std::string_view kProtocols = "dormouse-protocol";

bool IsAmong(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view each) { return EqualsIgnoringCase(each, name); });
}

// Of one connection, of the body, or of the handshake, which is written here.
bool IsOwnOfRequest(std::string_view name) {
  return IsAmong(name, {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
                        "upgrade", "content-length", "content-type", "expect", kProtocols}) ||
         StartsWithIgnoringCase(name, "sec-websocket-");
}

}  // namespace

std::optional<FallbackTarget> ReadFallbackTarget(std::string_view path) {
  const size_t at = path.rfind(kSegment);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view call = path.substr(at + kSegment.size());
  FallbackTarget target{FallbackCall::kOpen, at == 0 ? std::string_view("/") : path.substr(0, at)};
  if (call.empty()) return target;
  if (call == "/events") {
    target.call = FallbackCall::kEvents;
  } else if (call == "/poll") {
    target.call = FallbackCall::kPoll;
  } else if (call == "/send") {
    target.call = FallbackCall::kSend;
  } else if (call == "/close") {
    target.call = FallbackCall::kClose;
  } else {
    return std::nullopt;
  }
  return target;
}

std::string WriteUpgradeRequest(const HttpRequest& request, std::string_view path) {
  std::string head = fmt::format("GET {}", path);
  if (!request.query.empty()) head.append("?").append(request.query);
  head += " HTTP/1.1\r\n";
  const std::vector<std::string_view> named = request.ListItems("connection");
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  bool has_host = false;
  for (const auto& [name, value] : request.headers) {
    const auto is_it = [&, field = name](std::string_view each) { return EqualsIgnoringCase(each, field); };
    if (IsOwnOfRequest(name) || std::ranges::any_of(named, is_it)) continue;
    has_host |= EqualsIgnoringCase(name, "host");
    add(name, value);
  }
  if (!has_host) add("Host", request.authority.empty() ? "localhost" : request.authority);
  for (const std::string_view protocol : request.ListItems(kProtocols))
    add("Sec-WebSocket-Protocol", protocol);
  // The key's answer is nobody's to look at.
  head +=
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  return head;
}

std::optional<UpgradeHeads> ReadUpgradeAnswer(std::string_view head) {
  HttpResponse answer;
  if (!ParseHttpResponse(head, &answer)) return std::nullopt;
  UpgradeHeads heads;
  heads.protocol = answer.Header("sec-websocket-protocol").value_or("");
  for (const auto& [name, value] : answer.headers) {
    if (IsAmong(name, {"connection", "upgrade"}) || StartsWithIgnoringCase(name, "sec-websocket-") ||
        StartsWithIgnoringCase(name, "access-control-"))
      continue;
    heads.headers.append(name).append(": ").append(value).append("\r\n");
  }
  return heads;
}

std::string_view QueryField(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    std::string_view field = TakeUntil("&", &query);
    const std::string_view key = TakeUntil("=", &field);
    if (key == name) return field;
  }
  return {};
}

}  // namespace dormouse::edge
