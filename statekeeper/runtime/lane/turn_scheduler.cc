#include "statekeeper/runtime/lane/turn_scheduler.h"

#include <utility>

#include "common/clock.h"

namespace dormouse {
namespace {

// Time for turns, before the loop looks at its events again.
constexpr int64_t kTurnsMs = 2;
// Hubs in memory that wait for their turn to begin a suspect, before more are woken for theirs.
constexpr size_t kSuspectsInMemory = 64;
// How often it looks whether somebody has waited for too long, while the store is away.
constexpr double kOverdueLookSeconds = 0.05;
// When there is not even memory for one fiber.
constexpr double kNoFiberSeconds = 0.1;
constexpr double kRetrySeconds = 0.5;
// Bytes of events that wait, from which on no more are taken from gateways, and until which that lasts.
constexpr size_t kHoldBytes = 64u << 20;
constexpr size_t kGoOnBytes = 48u << 20;

}  // namespace

TurnScheduler::TurnScheduler(struct ev_loop* loop, const Parts& parts, Duration store_timeout)
    : loop_(loop), parts_(parts), store_timeout_(store_timeout) {
  ev_timer_init(&turn_timer_, &TurnScheduler::OnTurnTimer, 0, 0);
  ev_timer_init(&retry_timer_, &TurnScheduler::OnRetryTimer, kRetrySeconds, 0);
  turn_timer_.data = retry_timer_.data = this;
}

TurnScheduler::~TurnScheduler() {
  ev_timer_stop(loop_, &turn_timer_);
  ev_timer_stop(loop_, &retry_timer_);
}

bool TurnScheduler::MayWake(WaitingLine line) {
  return room_.IsFree(line) && line != WaitingLine::kSuspect && parts_.fibers->MaySuspend() &&
         parts_.fibers->MayRun();
}

void TurnScheduler::Add(std::string_view hub, const ShardEpoch& shard, HubEvent event) {
  room_.Add(hub, shard, std::move(event));
  if (room_.bytes() > kHoldBytes && !std::exchange(holding_, true)) parts_.links->Hold(true);
}

void TurnScheduler::OnTurnEnd() {
  if (!room_.empty()) Arm();
  if (holding_ && room_.bytes() < kGoOnBytes) {
    holding_ = false;
    parts_.links->Hold(false);
  }
}

void TurnScheduler::OnLeaseRenewed() {
  if (!yielded_.empty() || !room_.empty()) Arm();
  if (!to_retry_.empty()) Retry();
}

// --- Turns.

void TurnScheduler::Yield() {
  yielded_.push_back(parts_.fibers->current());
  Arm();
  if (!parts_.fibers->Pause()) yielded_.pop_back();
}

WaitingRoom::Open TurnScheduler::Open() {
  return {.room = parts_.fibers->MaySuspend(), .suspects = parts_.suspects->size() < kSuspectsInMemory};
}

bool TurnScheduler::IsOverdue(int64_t now_ms) const {
  const int64_t since_ms = parts_.store->healthy() ? 0 : room_.OldestMs();
  return since_ms != 0 && now_ms - since_ms >= store_timeout_.count();
}

void TurnScheduler::Arm() {
  const bool armed = ev_is_active(&turn_timer_);
  if (armed && !later_) return;
  if (!parts_.lease->IsGood()) return parts_.lease->Await();
  double wait_s = 0;
  if (!parts_.fibers->MayRun()) {
    wait_s = kNoFiberSeconds;
  } else if (yielded_.empty() && !room_.HasNext(Open()) && !IsOverdue(SteadyMs())) {
    if (parts_.store->healthy()) return;  // a fiber that ends makes room
    wait_s = kOverdueLookSeconds;
  }
  later_ = wait_s > 0;
  if (armed && later_) return;
  ev_timer_stop(loop_, &turn_timer_);
  ev_timer_set(&turn_timer_, wait_s, 0);
  ev_timer_start(loop_, &turn_timer_);
}

void TurnScheduler::OnTurnTimer(struct ev_loop*, ev_timer* timer, int) {
  static_cast<TurnScheduler*>(timer->data)->GiveTurns();
}

void TurnScheduler::GiveTurns() {
  if (!parts_.lease->IsGood()) return parts_.lease->Await();
  later_ = false;
  size_t yielded = yielded_.size();
  size_t waiting = room_.size();
  const int64_t end_ms = SteadyMs() + kTurnsMs;
  for (int64_t now_ms = SteadyMs(); now_ms < end_ms && yielded + waiting > 0; now_ms = SteadyMs()) {
    if (yielded > 0) {
      --yielded;
      Fiber* const fiber = yielded_.front();
      yielded_.pop_front();
      parts_.fibers->Resume(fiber);
    }
    if (waiting == 0) continue;
    --waiting;
    const WaitingRoom::Open open = Open();
    if (!parts_.fibers->MayRun()) {
      waiting = 0;
    } else if (room_.HasNext(open)) {
      GiveTurn(room_.Next(open), true);
    } else if (IsOverdue(now_ms)) {
      GiveTurn(room_.TakeOldest(), false);
    } else {
      waiting = 0;
    }
  }
  if (!yielded_.empty() || !room_.empty()) Arm();
}

void TurnScheduler::GiveTurn(WaitingRoom::Waiter waiter, bool may_wait) {
  if (waiter.hub != nullptr) return waiter.hub->Run(may_wait);
  const ServedShard* const shard = parts_.hubs->Find(waiter.shard.shard);
  if (shard == nullptr || shard->epoch != waiter.shard.epoch) return;
  parts_.hubs->Wake(waiter.name, waiter.shard)->Start(std::move(waiter.events), may_wait);
}

// --- What is tried again.

void TurnScheduler::RetrySoon(std::shared_ptr<AwakeHub> hub) {
  to_retry_.push_back(std::move(hub));
  if (ev_is_active(&retry_timer_)) return;
  ev_timer_set(&retry_timer_, kRetrySeconds, 0);
  ev_timer_start(loop_, &retry_timer_);
}

void TurnScheduler::OnRetryTimer(struct ev_loop*, ev_timer* timer, int) {
  static_cast<TurnScheduler*>(timer->data)->Retry();
}

void TurnScheduler::Retry() {
  if (!parts_.lease->IsGood()) return parts_.lease->Await();
  // In vain, and what changes nothing would have to wait behind it.
  if (!parts_.store->healthy()) {
    ev_timer_set(&retry_timer_, kRetrySeconds, 0);
    return ev_timer_start(loop_, &retry_timer_);
  }
  for (const std::shared_ptr<AwakeHub>& hub : std::exchange(to_retry_, {})) hub->Retry();
}

}  // namespace dormouse
