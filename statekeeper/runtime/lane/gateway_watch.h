// What hubs are told when gateways vanish, and when one comes back that was given up.
//
// The connections of a gateway that is gone end: in hubs that are awake at once, in others when they wake. A
// hub that a gateway owes returnable output is woken for that. Of a gateway that is back, hubs ask which
// sockets it has.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/ids.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/hub_router.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/lease_watch.h"

namespace dormouse {

class GatewayWatch {
 public:
  // All outlive it.
  GatewayWatch(struct ev_loop* loop, const LaneConfig& config, AwakeHubs* hubs, HubRouter* router,
               LeaseWatch* lease);
  ~GatewayWatch();
  GatewayWatch(const GatewayWatch&) = delete;
  GatewayWatch& operator=(const GatewayWatch&) = delete;

  // --- See GatewayLinks::Receiver.
  void OnGone(GatewayId gateway, const std::vector<std::string>& owed);
  void OnBack(GatewayId gateway);

  // See HubHost::roll_generation.
  uint32_t roll_generation() const { return roll_generation_; }
  // The lease is good again.
  void OnLeaseRenewed();
  // The lane is about to end: it looks for none that were lost before it began.
  void Stop();

 private:
  static void OnGraceEnd(struct ev_loop* loop, ev_timer* timer, int events);
  void EndConnections();

  struct ev_loop* const loop_;
  const LaneConfig& config_;
  AwakeHubs* const hubs_;
  HubRouter* const router_;
  LeaseWatch* const lease_;
  uint32_t roll_generation_ = 0;
  bool end_waits_ = false;  // for the lease
  ev_timer grace_timer_;
};

}  // namespace dormouse
