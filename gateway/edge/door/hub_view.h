// How one hub lives, for whoever looks at it: the web client, where the operator wants that (option
// hub-view).
//
//   GET  /hub-view             the hub classes and their routes
//   GET  /hub-view/ws/kitchen  the hub that sockets opened at /ws/kitchen talk to
//   POST /hub-view/ws/kitchen  with the header "Dormouse-Sleep: now" (which no foreign page can send): lets
//   that
//                              hub sleep first, as soon as nothing is under way in it
//
// Nobody learns of hubs that he does not name, nor anything of their clients or of what they store; and to
// ask does not touch the hub. Who may open sockets may ask: pages of the allowed origins, with a token where
// upgrades need one. What all that ask may cost is bounded: questions a second, and questions under way.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/auth/token_authority.h"
#include "common/http/front_door.h"
#include "gateway/edge/door/origin_list.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/rules/rate_limiter.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse::edge {

class HubView {
 public:
  // All outlive it. `tokens`: nullptr: none are needed.
  HubView(struct ev_loop* loop, FrontDoor* door, const Router* router, StatekeeperLinks* links,
          const TokenAuthority* tokens, const OriginList& origins);
  ~HubView();
  HubView(const HubView&) = delete;
  HubView& operator=(const HubView&) = delete;

  void set_origins(const OriginList& origins) { origins_ = origins; }

  // Who waits for an answer.
  size_t size() const { return waiting_.size(); }

  static bool Concerns(const HttpRequest& request);
  // As FrontDoor::Handler::OnRequest: the reply, or nothing, when it comes later.
  std::optional<HttpReply> OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit);

 private:
  // A visitor who waits for the owner's answer.
  struct Waiting {
    ClientSocket socket;
    int64_t until_ms = 0;
    std::string hub;
  };

  std::optional<HttpReply> Refuse(const HttpRequest& request) const;
  HttpReply Classes() const;
  void OnLook(uint64_t number, const link::Look& look, uint64_t statekeeper);
  void OnTimer();

  struct ev_loop* const loop_;
  FrontDoor* const door_;
  const Router* const router_;
  StatekeeperLinks* const links_;
  const TokenAuthority* const tokens_;
  OriginList origins_;
  RateLimiter questions_;
  std::map<uint64_t, Waiting> waiting_;  // by the question's number
  ev_timer timer_;                       // runs while somebody waits
};

}  // namespace dormouse::edge
