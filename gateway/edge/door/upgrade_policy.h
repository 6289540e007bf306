// Who may open a WebSocket: judges an upgrade request (RFC 6455, 4.2) by its path, its form, its origin and
// its token, and says what the socket is to be, or why not. It changes nothing.
//
// On the loop's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "common/auth/token_authority.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/http/ip_address.h"
#include "gateway/edge/app/app_heads.h"
#include "gateway/edge/door/offered_protocols.h"
#include "gateway/edge/door/origin_list.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/metrics/gateway_metrics.h"

namespace dormouse::edge {

// A WebSocket that is to be opened.
struct Upgrade {
  const HubClassEdge* hub_class = nullptr;
  std::string hub;                  // "CLASS/NAME"
  std::string role = {};            // by its token; empty: none
  std::string open_request = {};    // what the hub is told (open_request.h)
  std::string answer = {};          // the 101, to be sent
  uint8_t deflate_window_bits = 0;  // messages may be compressed (deflate_offer.h); 0: they may not
};

struct UpgradeRefusal {
  HttpReply reply;
  std::optional<RefusalCause> cause = {};  // where refusals of the kind are counted
};

class UpgradePolicy {
 public:
  struct Config {
    const TokenAuthority* tokens = nullptr;  // nullptr: upgrades need no token; else outlives this
    OriginList origins = {};
    bool compression = false;  // whether messages may be compressed
  };
  // `router` outlives this.
  UpgradePolicy(const Router* router, Config config);
  // Of what may change: not `tokens`.
  void Change(const Config& changed);

  bool AdmitsOrigin(const HttpRequest& request) const {
    return config_.origins.Admits(request.Header("origin"));
  }

  // How it stands with the gateway.
  struct State {
    bool is_stopping = false;
    bool is_full = false;
  };
  // `client`: where the request is from, as far as can be believed.
  std::variant<Upgrade, UpgradeRefusal> Judge(const HttpRequest& request, const IpAddress& client,
                                              State state) const;

  // Of a path that no route takes: whether the app may be asked. Then, with what it says, the rest.
  std::optional<UpgradeRefusal> JudgeForApp(const HttpRequest& request, State state) const;
  std::variant<Upgrade, UpgradeRefusal> Judge(const HttpRequest& request, const IpAddress& client,
                                              State state, const AppSocket& socket) const;

 private:
  // Who may come in, to whatever hub.
  struct Entry {
    OfferedProtocols protocols;
    std::optional<TokenClaims> claims;
  };
  std::optional<UpgradeRefusal> RefuseNow(State state) const;
  std::variant<Entry, UpgradeRefusal> JudgeEntry(const HttpRequest& request, State state) const;
  // `socket`: nullptr: a route has led there.
  std::variant<Upgrade, UpgradeRefusal> Open(const HttpRequest& request, const IpAddress& client, Entry entry,
                                             Router::Match match, const AppSocket* socket) const;

  const Router* const router_;
  Config config_;
};

}  // namespace dormouse::edge
