// The way of an event to its hub: at once, where it is awake; where it is not, it is woken, or waits for that
// (turn_scheduler.h). While its shard is being handed over, or the lease has run out, events wait with the
// shard.
//
// Suspects. Of a shard whose owners have died in a row (max_attempts - 1 of them) what was there before this
// one is suspect: see poison_guard.h.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_request.h"
#include "statekeeper/runtime/lane/alarm_clock.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/runtime/lane/lease_watch.h"
#include "statekeeper/runtime/lane/turn_scheduler.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class HubRouter {
 public:
  // All outlive it.
  struct Parts {
    AwakeHubs* hubs;
    TurnScheduler* scheduler;
    LeaseWatch* lease;
    AlarmClock* alarms;
    Store* store;
    HubHost* host;
    LaneMetrics* metrics;
  };
  HubRouter(const LaneConfig& config, const Parts& parts) : config_(config), parts_(parts) {}

  // An event of a gateway. Dropped where the shard is not served in its epoch: its gateway sends it to the
  // owner.
  void OnEvent(GatewayId gateway, const EventView& event);
  // To be answered with AlarmClock::Done.
  void OnAlarm(const DueAlarm& alarm, ShardId shard);

  // Somebody calls a hub. Answered at once where it is not served.
  void OnRequest(const std::string& hub, std::shared_ptr<HubRequest> request);

  // Whether the hub could be called here. Else the request is answered.
  bool IsServed(const std::string& hub, HubRequest* request) const;

  // Whether its events are handled now.
  bool MayServe(const ServedShard& shard) const { return !shard.retired && parts_.lease->IsGood(); }
  // Hands an event to its hub, once the shard may be served.
  void Handle(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event);
  // The same now, or, if the hub sleeps and there is no room to wake it, in its turn. The class exists.
  void Take(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event);
  // What waits with the shard, as far as that may be served.
  void HandleWaiting(ShardId shard);
  // The lease is good again.
  void OnLeaseRenewed();
  // The end of a turn of the loop.
  void CountTurn();

 private:
  bool IsKnownClass(std::string_view hub) const;
  // No hub will hear of it. Closes its connection, if there is a reason to be told.
  void Refuse(const ShardEpoch& shard, const HubEvent& event, std::string_view close_reason);

  const LaneConfig& config_;
  const Parts parts_;
  uint64_t event_bytes_ = 0;  // of this turn
};

}  // namespace dormouse
