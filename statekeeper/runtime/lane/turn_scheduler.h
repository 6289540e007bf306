// Who of a lane's hubs has the next turn. Three kinds wait for one: those in the waiting room
// (waiting_room.h), handlers that have let others run (Yield), and hubs that try again what the store could
// not note (RetrySoon).
//
// At most `max_handlers` handlers wait for the store at once (fiber.h): the hubs that are to be woken, and
// the handlers that are to be begun anew because of that, wait their turn, a few at a time in each turn of
// the loop. Hubs in memory that need no store go on meanwhile. What has waited for as long as the store may
// take to answer, while that is away, is answered as if it had waited for the store. When too many bytes
// wait, no more is taken from gateways (GatewayLinks::Hold). While the lease has run out nobody has a turn.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "common/config/options.h"
#include "common/shard.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/lease_watch.h"
#include "statekeeper/runtime/lane/suspect_queue.h"
#include "statekeeper/runtime/lane/waiting_room.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class TurnScheduler {
 public:
  // All outlive it. `store_timeout`: of a call.
  struct Parts {
    Store* store;
    FiberPool* fibers;
    AwakeHubs* hubs;
    const SuspectQueue* suspects;
    LeaseWatch* lease;
    GatewayLinks* links;
  };
  TurnScheduler(struct ev_loop* loop, const Parts& parts, Duration store_timeout);
  ~TurnScheduler();
  TurnScheduler(const TurnScheduler&) = delete;
  TurnScheduler& operator=(const TurnScheduler&) = delete;

  // --- See HubHost.
  void Yield();
  void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingLine line) { room_.Add(std::move(hub), line); }
  void RetrySoon(std::shared_ptr<AwakeHub> hub);

  // Whether an event that wakes a hub may do so now, past those who wait.
  bool MayWake(WaitingLine line);
  // Keeps an event of a sleeping hub, until its turn.
  void Add(std::string_view hub, const ShardEpoch& shard, HubEvent event);

  WaitingRoom& room() { return room_; }

  // The lease is good again.
  void OnLeaseRenewed();
  // The end of a turn of the loop.
  void OnTurnEnd();

 private:
  static void OnTurnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  static void OnRetryTimer(struct ev_loop* loop, ev_timer* timer, int events);
  WaitingRoom::Open Open();
  bool IsOverdue(int64_t now_ms) const;
  // Arms its timer if somebody may have a turn.
  void Arm();
  void GiveTurns();
  void GiveTurn(WaitingRoom::Waiter waiter, bool may_wait);
  void Retry();

  struct ev_loop* const loop_;
  const Parts parts_;
  const Duration store_timeout_;
  WaitingRoom room_;
  std::deque<Fiber*> yielded_;
  ev_timer turn_timer_;
  bool later_ = false;    // it runs with a delay
  bool holding_ = false;  // nothing more is taken from gateways
  std::vector<std::shared_ptr<AwakeHub>> to_retry_;
  ev_timer retry_timer_;
};

}  // namespace dormouse
