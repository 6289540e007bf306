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

}  // namespace

UpgradePolicy::UpgradePolicy(const Router* router, Config config)
    : router_(router), config_(std::move(config)) {}

void UpgradePolicy::Change(const Config& changed) {
  config_.origins = changed.origins;
  config_.compression = changed.compression;
}

std::variant<Upgrade, UpgradeRefusal> UpgradePolicy::Judge(const HttpRequest& request,
                                                           const IpAddress& client, State state) const {
  if (state.is_stopping) {
    return UpgradeRefusal{Busy("This gateway is stopping; connect again to reach another.\n"),
                          RefusalCause::kStopping};
  }
  if (!router_->has_profiles()) {
    return UpgradeRefusal{Busy("This gateway has not found a statekeeper yet; try again in a second.\n"),
                          RefusalCause::kNotReady};
  }
  Router::Match match = router_->Find(request.path);
  if (match.result == Router::Result::kUnknownPath) return UpgradeRefusal{NotFound(request.path, *router_)};
  if (match.result == Router::Result::kBadName) return UpgradeRefusal{BadHubName()};
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
  std::optional<TokenClaims> claims;
  if (config_.tokens != nullptr) {
    auto checked = UpgradeAuth(*config_.tokens).Check(request, *protocols, WallMs());
    if (auto* refusal = std::get_if<HttpReply>(&checked)) {
      return UpgradeRefusal{std::move(*refusal), RefusalCause::kToken};
    }
    claims = std::get<TokenClaims>(std::move(checked));
    if (!MayEnter(*claims, HubNameOf(match.hub))) {
      return UpgradeRefusal{Refusal(403, "The token is not for this hub (claim hubs).\n"),
                            RefusalCause::kToken};
    }
  }
  Upgrade upgrade{.hub_class = match.hub_class, .hub = std::move(match.hub)};
  if (claims.has_value()) upgrade.role = claims->role;
  upgrade.open_request =
      MakeOpenRequest(request, client, protocols->subprotocol, claims.has_value() ? &*claims : nullptr);
  std::string extensions;
  if (const auto deflate = config_.compression ? AcceptDeflate(request) : std::nullopt) {
    upgrade.deflate_window_bits = deflate->parameters.server_window_bits;
    extensions = deflate->answer;
  }
  upgrade.answer =
      WriteUpgradeAnswer({.key = KeyOf(request), .subprotocol = protocols->answer, .extensions = extensions});
  return upgrade;
}

}  // namespace dormouse::edge
