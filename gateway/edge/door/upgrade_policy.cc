#include "gateway/edge/door/upgrade_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "common/shard.h"
#include "gateway/edge/door/handshake.h"
#include "gateway/edge/door/offered_protocols.h"
#include "gateway/edge/door/open_request.h"
#include "gateway/edge/door/replies.h"
#include "gateway/edge/door/upgrade_auth.h"
#include "gateway/edge/frames/deflate_offer.h"

namespace dormouse::edge {
namespace {

// More of a 101 than this might not go out in one write.
constexpr size_t kMaxAppHeaders = 8'192;

// 16 bytes in base64: 22 characters and "==".
bool IsWebSocketKey(std::string_view key) {
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.end() - 2, [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                  c == '/';
         });
}

std::string_view KeyOf(const HttpRequest& request) {
  return request.Header("sec-websocket-key").value_or("");
}

// What is wrong with the request's form.
std::optional<HttpReply> RefuseForm(const HttpRequest& request) {
  if (request.method != "GET" || request.minor_version < 1) {
    return Refusal(400, "A WebSocket is opened with GET and HTTP/1.1.\n");
  }
  // Its bytes would be taken for frames.
  if (request.has_body) return Refusal(400, "A WebSocket is opened without a body; send none.\n");
  if (request.Header("sec-websocket-version") != "13") {
    return UpgradeRequired("Only WebSocket version 13 is spoken here; send Sec-WebSocket-Version: 13.\n");
  }
  if (!IsWebSocketKey(KeyOf(request))) {
    return Refusal(400, "Sec-WebSocket-Key must be 16 bytes in base64.\n");
  }
  return std::nullopt;
}

// The app chooses among those that were offered, or none. `by_token`: the client may have brought its token
// as one of them, and then one has to be answered (offered_protocols.h).
void ChooseProtocol(const HttpRequest& request, const AppSocket& socket, bool by_token,
                    OfferedProtocols* protocols) {
  const std::vector<std::string_view> offered = request.ListItems("sec-websocket-protocol");
  protocols->subprotocol = std::ranges::find(offered, socket.subprotocol) == offered.end()
                               ? std::string_view()
                               : socket.subprotocol;
  const bool keeps_answer = by_token && protocols->subprotocol.empty() && !protocols->tokens.empty();
  if (!keeps_answer) protocols->answer = protocols->subprotocol;
}

}  // namespace

UpgradePolicy::UpgradePolicy(const Router* router, Config config)
    : router_(router), config_(std::move(config)) {}

void UpgradePolicy::Change(const Config& changed) {
  config_.origins = changed.origins;
  config_.compression = changed.compression;
}

std::optional<UpgradeRefusal> UpgradePolicy::RefuseNow(State state) const {
  if (state.is_stopping) {
    return UpgradeRefusal{Busy("This gateway is stopping; connect again to reach another.\n"),
                          RefusalCause::kStopping};
  }
  if (!router_->has_profiles()) {
    return UpgradeRefusal{Busy("This gateway has not found a statekeeper yet; try again in a second.\n"),
                          RefusalCause::kNotReady};
  }
  return std::nullopt;
}

std::variant<Upgrade, UpgradeRefusal> UpgradePolicy::Judge(const HttpRequest& request,
                                                           const IpAddress& client, State state) const {
  if (auto refusal = RefuseNow(state)) return std::move(*refusal);
  Router::Match match = router_->Find(request.path);
  if (match.result == Router::Result::kUnknownPath)
    return UpgradeRefusal{NotFound(request.path, *router_, false)};
  if (match.result == Router::Result::kBadName) return UpgradeRefusal{BadHubName()};
  auto entry = JudgeEntry(request, state);
  if (auto* refusal = std::get_if<UpgradeRefusal>(&entry)) return std::move(*refusal);
  return Open(request, client, std::get<Entry>(std::move(entry)), std::move(match), nullptr);
}

std::optional<UpgradeRefusal> UpgradePolicy::JudgeForApp(const HttpRequest& request, State state) const {
  if (auto refusal = RefuseNow(state)) return refusal;
  auto entry = JudgeEntry(request, state);
  if (auto* refusal = std::get_if<UpgradeRefusal>(&entry)) return std::move(*refusal);
  return std::nullopt;
}

std::variant<Upgrade, UpgradeRefusal> UpgradePolicy::Judge(const HttpRequest& request,
                                                           const IpAddress& client, State state,
                                                           const AppSocket& socket) const {
  if (auto refusal = RefuseNow(state)) return std::move(*refusal);
  auto entry = JudgeEntry(request, state);
  if (auto* refusal = std::get_if<UpgradeRefusal>(&entry)) return std::move(*refusal);
  std::string_view name = socket.hub;
  const std::string_view hub_class = TakeUntil("/", &name);
  Router::Match match = router_->FindHub(hub_class, name);
  if (match.result != Router::Result::kFound) {
    return UpgradeRefusal{Refusal(502,
                                  "The app wants this WebSocket at a hub that cannot be: the statekeepers "
                                  "have no such class, or it is no hub's name.\n")};
  }
  if (socket.headers.size() > kMaxAppHeaders) {
    return UpgradeRefusal{
        Refusal(502, fmt::format("The app's answer has more than {} bytes of headers.\n", kMaxAppHeaders))};
  }
  return Open(request, client, std::get<Entry>(std::move(entry)), std::move(match), &socket);
}

std::variant<UpgradePolicy::Entry, UpgradeRefusal> UpgradePolicy::JudgeEntry(const HttpRequest& request,
                                                                             State state) const {
  if (auto refusal = RefuseForm(request)) return UpgradeRefusal{std::move(*refusal)};
  const auto protocols = ReadOfferedProtocols(request);
  if (!protocols.has_value()) {
    return UpgradeRefusal{
        Refusal(400, fmt::format("Sec-WebSocket-Protocol must be a list of tokens, the one to be chosen at "
                                 "most {} characters long.\n",
                                 kMaxAnsweredProtocol))};
  }
  if (!config_.origins.Admits(request.Header("origin"))) {
    return UpgradeRefusal{
        Refusal(403,
                "Pages of this origin may not open sockets here; --allowed-origins lists those that may.\n"),
        RefusalCause::kOrigin};
  }
  if (state.is_full) {
    return UpgradeRefusal{Busy("This gateway is full; connect again to reach another.\n"),
                          RefusalCause::kFull};
  }
  if (config_.tokens == nullptr) return Entry{*protocols, std::nullopt};
  auto checked = UpgradeAuth(*config_.tokens).Check(request, *protocols, WallMs());
  if (auto* refusal = std::get_if<HttpReply>(&checked)) {
    return UpgradeRefusal{std::move(*refusal), RefusalCause::kToken};
  }
  return Entry{*protocols, std::get<TokenClaims>(std::move(checked))};
}

std::variant<Upgrade, UpgradeRefusal> UpgradePolicy::Open(const HttpRequest& request, const IpAddress& client,
                                                          Entry entry, Router::Match match,
                                                          const AppSocket* socket) const {
  const std::optional<TokenClaims>& claims = entry.claims;
  if (claims.has_value() && !MayEnter(*claims, HubNameOf(match.hub))) {
    return UpgradeRefusal{Refusal(403, "The token is not for this hub (claim hubs).\n"),
                          RefusalCause::kToken};
  }
  if (socket != nullptr) ChooseProtocol(request, *socket, claims.has_value(), &entry.protocols);
  Upgrade upgrade{.hub_class = match.hub_class, .hub = std::move(match.hub)};
  if (claims.has_value()) upgrade.role = claims->role;
  upgrade.open_request =
      MakeOpenRequest(request, client, entry.protocols.subprotocol, claims.has_value() ? &*claims : nullptr,
                      socket == nullptr ? std::string_view() : socket->reservation);
  std::string extensions;
  if (const auto deflate = config_.compression ? AcceptDeflate(request) : std::nullopt) {
    upgrade.deflate_window_bits = deflate->parameters.server_window_bits;
    extensions = deflate->answer;
  }
  upgrade.answer = WriteUpgradeAnswer({.key = KeyOf(request),
                                       .subprotocol = entry.protocols.answer,
                                       .extensions = extensions,
                                       .more = socket == nullptr ? std::string_view() : socket->headers});
  return upgrade;
}

}  // namespace dormouse::edge
