// What an awake hub needs of the lane that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/options.h"
#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub_limits.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class AwakeHub;

class HubHost {
 public:
  virtual ~HubHost() = default;

  virtual Store* store() = 0;
  virtual FiberPool* fibers() = 0;
  virtual Duration reap_interval() const = 0;
  virtual const HubLimits& limits() const = 0;

  // Sends what an event sends; its writes are durable (GatewayLinks::Release).
  virtual void Release(EventOutput output) = 0;
  // See GatewayLinks::Recall.
  virtual void Recall(const ConnectionId& closed, const ShardEpoch& shard, GatewayLinks::Recalled done) = 0;
  virtual bool IsPresent(GatewayId gateway) const = 0;
  virtual std::vector<GatewayId> Linked() const = 0;
  // Changes when gateways may hold sockets that hubs have given up: who has called the roll before, in the
  // same epoch, has to call it again.
  virtual uint32_t roll_generation() const = 0;

  // At the end of this turn of the loop, TakeCommit of this hub is called and carried out.
  virtual void CommitSoon(std::shared_ptr<AwakeHub> hub) = 0;
  // Calls hub->RetryUnsettled() in a moment.
  virtual void RetrySoon(std::shared_ptr<AwakeHub> hub) = 0;
  // Lets other hubs run; on a fiber.
  virtual void Yield() = 0;

  // The alarm that the lane delivered has been dealt with; or (`again_ms` not 0) has to be delivered again
  // then.
  virtual void AlarmDone(const AwakeHub& hub, int64_t again_ms) = 0;
};

}  // namespace dormouse
