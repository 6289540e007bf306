#include "gateway/edge/app/app_heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

namespace dormouse::edge {
namespace {

constexpr std::string_view kOurs = "dormouse-";
constexpr std::string_view kHub = "dormouse-hub";
constexpr std::string_view kReservation = "dormouse-reservation";

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view each) { return EqualsIgnoringCase(each, name); });
}

// Of one connection, or written anew.
bool IsOfHop(std::string_view name) {
  return IsOneOf(name,
                 {"connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
                  "te", "trailer", "transfer-encoding", "upgrade", "content-length"}) ||
         StartsWithIgnoringCase(name, kOurs);
}

bool SaysWhoTheClientIs(std::string_view name) {
  return StartsWithIgnoringCase(name, "x-forwarded-") ||
         IsOneOf(name, {"forwarded", "cf-connecting-ip", "true-client-ip", "x-real-ip"});
}

// How the client's request came to us, or to the proxy before us.
std::string_view SchemeOf(const HttpRequest& request, const AppClient& client) {
  const std::string_view ours = client.by_tls ? "https" : "http";
  if (!client.by_proxy) return ours;
  const std::vector<std::string_view> items = request.ListItems("x-forwarded-proto");
  if (items.empty()) return ours;
  return IsOneOf(items.back(), {"https", "wss"}) ? "https" : "http";
}

void AddField(std::string_view name, std::string_view value, std::string* head) {
  head->append(name).append(": ").append(value).append("\r\n");
}

void AddEndToEndFields(const HttpResponse& answer, std::initializer_list<std::string_view> but,
                       std::string* head) {
  const std::vector<std::string_view> named = answer.ListItems("connection");
  for (const auto& [name, value] : answer.headers) {
    const auto is_it = [&, field = name](std::string_view each) { return EqualsIgnoringCase(each, field); };
    if (!IsOfHop(name) && !IsOneOf(name, but) && std::ranges::none_of(named, is_it))
      AddField(name, value, head);
  }
}

std::string StatusLine(const HttpResponse& answer) {
  return fmt::format("HTTP/1.1 {} {}\r\n", answer.status, answer.reason);
}

}  // namespace

std::string WriteAppRequest(const HttpRequest& request, const HttpBody& body, const AppClient& client,
                            bool to_socket) {
  std::string head = fmt::format("{} {}", request.method, request.path);
  if (!request.query.empty()) head.append("?").append(request.query);
  head += fmt::format(" HTTP/1.{}\r\n", request.minor_version);
  if (!request.authority.empty()) AddField("host", request.authority, &head);
  const std::vector<std::string_view> named = request.ListItems("connection");
  for (const auto& [name, value] : request.headers) {
    const auto is_it = [&, field = name](std::string_view each) { return EqualsIgnoringCase(each, field); };
    if (IsOfHop(name) || EqualsIgnoringCase(name, "host") || std::ranges::any_of(named, is_it)) continue;
    // No continuation is told to a client that does not know of any (RFC 9110, 10.1.1).
    if (EqualsIgnoringCase(name, "expect") && request.minor_version == 0) continue;
    const bool believed = client.by_proxy && IsOneOf(name, {"x-forwarded-host", "x-forwarded-port"});
    if (believed || !SaysWhoTheClientIs(name)) AddField(name, value, &head);
  }
  AddField("x-forwarded-for", client.address, &head);
  AddField("x-forwarded-proto", SchemeOf(request, client), &head);
  AddField("cf-connecting-ip", client.address, &head);
  head += body.Header();
  // Without "connection: upgrade" it asks for nothing; the app's code looks for it.
  if (to_socket) head += "upgrade: websocket\r\ndormouse-upgrade: 1\r\n";
  return head += "connection: close\r\n\r\n";
}

std::string WriteAppAnswer(const HttpResponse& answer, const HttpBody& body) {
  std::string head = StatusLine(answer);
  AddEndToEndFields(answer, {}, &head);
  const std::string framing = body.Header();
  head += framing;
  // What is not sent may have a length all the same (RFC 9110, 8.6).
  const auto length = answer.Header("content-length");
  if (framing.empty() && length.has_value() && answer.status != 204)
    AddField("content-length", *length, &head);
  return head += "connection: close\r\n\r\n";
}

std::string WriteInterimAnswer(const HttpResponse& answer) {
  std::string head = StatusLine(answer);
  AddEndToEndFields(answer, {}, &head);
  return head += "\r\n";
}

std::optional<AppSocket> ReadAppSocket(const HttpResponse& answer) {
  const auto hub = answer.Header(kHub);
  if (!hub.has_value() || answer.status != 200) return std::nullopt;
  AppSocket socket{.hub = *hub,
                   .reservation = answer.Header(kReservation).value_or(""),
                   .subprotocol = answer.Header("sec-websocket-protocol").value_or(""),
                   .headers = {}};
  // Not of the empty body; and the handshake is the gateway's.
  AddEndToEndFields(answer,
                    {"content-type", "sec-websocket-accept", "sec-websocket-extensions",
                     "sec-websocket-protocol", "sec-websocket-key", "sec-websocket-version"},
                    &socket.headers);
  return socket;
}

}  // namespace dormouse::edge
