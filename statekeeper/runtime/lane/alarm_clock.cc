#include "statekeeper/runtime/lane/alarm_clock.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/test_clock.h"

namespace dormouse {
namespace {

// Alarms that one look adds, and hubs of all shards that ring and have not run.
constexpr size_t kAtOnce = 32;
constexpr size_t kMostRinging = 128;
// Hubs of one shard that ring, run or not: each look reads past them in the store's index.
constexpr size_t kMostOfShard = 4000;
// The wall clock may jump: never trust one wait for longer.
constexpr int64_t kLongestWaitMs = 1000;
constexpr int64_t kLongestWaitOfTestsMs = 20;  // where it is to jump
constexpr int64_t kStoreRetryMs = 1000;

}  // namespace

AlarmClock::AlarmClock(struct ev_loop* loop, Store* store, Ring ring)
    : loop_(loop), store_(store), ring_(std::move(ring)) {
  ev_timer_init(&timer_, &AlarmClock::OnTimer, 0, 0);
  timer_.data = this;
}

AlarmClock::~AlarmClock() { ev_timer_stop(loop_, &timer_); }

void AlarmClock::AddShard(ShardId shard) {
  shards_.insert(shard);
  Note(shard, 1);
}

void AlarmClock::PauseShard(ShardId shard) {
  shards_.erase(shard);
  StopLooking(shard);
}

void AlarmClock::RemoveShard(ShardId shard) {
  PauseShard(shard);
  for (auto it = ringing_.begin(); it != ringing_.end();) {
    const auto each = it++;
    if (each->second.shard == shard) Forget(each);
  }
}

void AlarmClock::StopLooking(ShardId shard) {
  const auto it = next_.find(shard);
  if (it == next_.end()) return;
  order_.erase({it->second, shard});
  next_.erase(it);
}

void AlarmClock::Note(ShardId shard, int64_t due_ms) {
  if (due_ms == 0 || !shards_.contains(shard)) return;
  const auto [it, added] = next_.try_emplace(shard, due_ms);
  if (!added) {
    if (it->second <= due_ms) return;
    order_.erase({it->second, shard});
    it->second = due_ms;
  }
  order_.emplace(due_ms, shard);
  if (order_.begin()->second == shard) Arm();
}

void AlarmClock::Forget(std::unordered_map<std::string, Ringing>::iterator ringing) {
  const auto rung = rung_.find(ringing->second.shard);
  if (--rung->second == 0) rung_.erase(rung);
  if (!ringing->second.ran) --to_run_;
  ringing_.erase(ringing);
}

bool AlarmClock::HasRoom() const { return to_run_ + kAtOnce * (looking_.size() + 1) <= kMostRinging; }

void AlarmClock::Ran(const std::string& hub) {
  const auto ringing = ringing_.find(hub);
  if (ringing == ringing_.end() || std::exchange(ringing->second.ran, true)) return;
  --to_run_;
  Arm();
}

void AlarmClock::Done(const std::string& hub, ShardId shard, int64_t next_due_ms) {
  const auto ringing = ringing_.find(hub);
  if (ringing != ringing_.end()) Forget(ringing);
  Note(shard, next_due_ms);
  Arm();
}

void AlarmClock::Arm() {
  ev_timer_stop(loop_, &timer_);
  if (order_.empty() || !HasRoom()) return;
  const int64_t wait_ms = std::clamp<int64_t>(order_.begin()->first - WallMs(), 0,
                                              HasTestClock() ? kLongestWaitOfTestsMs : kLongestWaitMs);
  ev_now_update(loop_);
  ev_timer_set(&timer_, static_cast<double>(wait_ms) / 1000, 0);
  ev_timer_start(loop_, &timer_);
}

void AlarmClock::OnTimer(struct ev_loop*, ev_timer* timer, int) {
  auto* self = static_cast<AlarmClock*>(timer->data);
  const int64_t now_ms = WallMs();
  while (!self->order_.empty() && self->order_.begin()->first <= now_ms && self->HasRoom()) {
    const ShardId shard = self->order_.begin()->second;
    self->StopLooking(shard);
    self->Look(shard);
  }
  self->Arm();
}

void AlarmClock::Look(ShardId shard) {
  const auto rung = rung_.find(shard);
  const size_t ringing = rung == rung_.end() ? 0 : rung->second;
  if (ringing >= kMostOfShard || !looking_.insert(shard).second) {
    return Note(shard, WallMs() + kStoreRetryMs);
  }
  // Those that ring already still stand in the index; ask for as many more.
  store_->DueAlarms(shard, WallMs(), kAtOnce + ringing,
                    [this, shard](StoreStatus status, const AlarmPage& page) {
                      looking_.erase(shard);
                      OnPage(shard, status, page);
                    });
}

void AlarmClock::OnPage(ShardId shard, StoreStatus status, const AlarmPage& page) {
  if (status != StoreStatus::kOk) {
    Note(shard, WallMs() + kStoreRetryMs);
    return Arm();
  }
  if (page.next_ms) Note(shard, *page.next_ms);
  for (const DueAlarm& alarm : page.due) {
    if (!shards_.contains(shard)) break;  // ring_ may find that it was lost
    if (!ringing_.try_emplace(alarm.hub, Ringing{shard, false}).second) continue;
    ++to_run_;
    ++rung_[shard];
    ring_(alarm, shard);
  }
  Arm();
}

}  // namespace dormouse
