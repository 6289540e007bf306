// What an awake hub needs of the lane that runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "common/ids.h"
#include "common/shard.h"
#include "common/tracing/tracer.h"
#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub/hub_limits.h"
#include "statekeeper/runtime/hub/waiting_line.h"
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
  // See GatewayLinks::AskAnswerTimes.
  virtual void AskAnswerTimes(const std::vector<ConnectionId>& connections, const ShardEpoch& /*shard*/,
                              const GatewayLinks::Answered& done) {
    done(std::vector<int64_t>(connections.size()));
  }
  virtual bool IsPresent(GatewayId gateway) const = 0;
  virtual std::vector<GatewayId> Linked() const = 0;
  // Changes when gateways may hold sockets that hubs have given up: who has called the roll before, in the
  // same epoch, has to call it again.
  virtual uint32_t roll_generation() const = 0;

  // At the end of this turn of the loop, TakeCommit of this hub is called and carried out.
  virtual void CommitSoon(std::shared_ptr<AwakeHub> hub) = 0;
  // The hub has just been active.
  virtual void Touch(AwakeHub* hub) = 0;
  // The hub has nothing to stay awake for: unless that changes, it leaves memory at the end of this turn.
  virtual void SleepSoon(std::shared_ptr<AwakeHub> hub) = 0;
  // Calls hub->Retry() in a moment.
  virtual void RetrySoon(std::shared_ptr<AwakeHub> hub) = 0;
  // Calls hub->Run() when its turn has come; not within this call.
  virtual void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingLine line) = 0;
  // --- Suspects (poison_guard.h). Owners that an event may take down before it is given up; 0: any number.
  virtual uint32_t max_attempts() const = 0;
  // Calls hub->OnSuspectTurn() when the hub may begin a suspect: no other one of the process does until
  // EndSuspectTurn. Not within this call.
  virtual void AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) = 0;
  virtual void EndSuspectTurn() = 0;
  // An event was given up; for metrics.
  virtual void CountGivenUp() = 0;

  // nullptr: nothing is traced.
  virtual Tracer* tracer() { return nullptr; }

  // For metrics: a hub's first event since it is in memory has ended; so long after the hub was to be woken.
  virtual void CountWake(int64_t /*us*/) {}
  // The same: an alarm's handler has failed. `again`: it will be tried again.
  virtual void CountFailedAlarm(bool /*again*/) {}

  // Lets other hubs run; on a fiber.
  virtual void Yield() = 0;
  // Resumes a fiber that is suspended; not within this call.
  virtual void ResumeSoon(Fiber* fiber) = 0;
  // Calls another hub, and suspends this fiber until it has answered (outgoing_calls.h).
  virtual HubCaller::Answer Call(HubCaller::Question question) = 0;

  // The handler of the alarm that the lane delivered has run, and what it sends is on its way: AlarmDone may
  // take a while.
  virtual void AlarmRan(const std::string& hub) = 0;
  // The alarm that the lane delivered has been dealt with. When it is to ring next, 0: never.
  virtual void AlarmDone(const std::string& hub, ShardId shard, int64_t next_due_ms) = 0;
};

}  // namespace dormouse
