// What operators ask of the hubs that fall to a lane: its part of LaneOperator (lane_operator.h), but for
// copies (hub_reader.h, hub_restorer.h).
//
// One lane's thread; `done` runs on it, once, now or later.
#pragma once

#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/lane/awaited.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/hub_router.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/waiting_room.h"
#include "statekeeper/runtime/lane_operator.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class OperatorCalls {
 public:
  // All outlive it.
  struct Parts {
    AwakeHubs* hubs;
    WaitingRoom* room;
    HubRouter* router;
    Awaited* awaited;
    HubHost* host;
  };
  OperatorCalls(const LaneConfig& config, const Parts& parts) : config_(config), parts_(parts) {}

  // --- See LaneOperator.
  void ListHubs(ShardId shard, const std::string& after, size_t limit,
                LaneOperator::Answer<std::vector<HubSummary>> done);
  void DescribeHub(const std::string& hub, LaneOperator::Answer<HubReport> done);
  void ListConnections(const std::string& hub, std::string after, size_t limit,
                       LaneOperator::Answer<std::vector<ConnectionReport>> done);
  void HibernateHub(const std::string& hub, LaneOperator::Done done);
  void CloseHub(const std::string& hub, LaneOperator::Done done);

  // See GatewayLinks::Receiver::OnLookAt.
  void LookAt(const std::string& hub, bool sleep, GatewayLinks::Receiver::Answer answer);

 private:
  // A served shard of the hub, else what is wrong with the question.
  OperatorStatus Find(const std::string& hub, ShardEpoch* shard);
  void AwaitSleep(const std::string& hub, const ShardEpoch& shard, Duration patience,
                  LaneOperator::Done done);
  link::Look Look(const std::string& hub);

  const LaneConfig& config_;
  const Parts parts_;
};

// What an operator is told of a call of the store.
OperatorStatus StatusOf(StoreStatus status);

}  // namespace dormouse
