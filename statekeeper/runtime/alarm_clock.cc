#include "statekeeper/runtime/alarm_clock.h"

#include <algorithm>

#include "common/clock.h"

namespace dormouse {
namespace {

// Hubs of one shard that ring at once; more follow when these are done.
constexpr size_t kAtOnce = 64;
// The wall clock may jump: never trust one wait for longer.
constexpr int64_t kLongestWaitMs = 1000;
constexpr int64_t kStoreRetryMs = 1000;

}  // namespace

AlarmClock::AlarmClock(struct ev_loop* loop, Store* store,
                       std::function<void(const std::string&, ShardId)> ring)
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
  std::erase_if(ringing_, [shard](const auto& each) { return each.second == shard; });
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

void AlarmClock::Done(const std::string& hub, ShardId shard, int64_t next_due_ms) {
  ringing_.erase(hub);
  Note(shard, next_due_ms);
}

void AlarmClock::Arm() {
  ev_timer_stop(loop_, &timer_);
  if (order_.empty()) return;
  const int64_t wait_ms = std::clamp<int64_t>(order_.begin()->first - WallMs(), 0, kLongestWaitMs);
  ev_now_update(loop_);
  ev_timer_set(&timer_, static_cast<double>(wait_ms) / 1000, 0);
  ev_timer_start(loop_, &timer_);
}

void AlarmClock::OnTimer(struct ev_loop*, ev_timer* timer, int) {
  auto* self = static_cast<AlarmClock*>(timer->data);
  const int64_t now_ms = WallMs();
  while (!self->order_.empty() && self->order_.begin()->first <= now_ms) {
    const ShardId shard = self->order_.begin()->second;
    self->StopLooking(shard);
    self->Look(shard);
  }
  self->Arm();
}

void AlarmClock::Look(ShardId shard) {
  if (!looking_.insert(shard).second) return Note(shard, WallMs() + kStoreRetryMs);
  // Those that ring already still stand in the index; ask for as many more.
  store_->DueAlarms(shard, WallMs(), kAtOnce + ringing_.size(),
                    [this, shard](StoreStatus status, const AlarmPage& page) {
                      looking_.erase(shard);
                      OnPage(shard, status, page);
                    });
}

void AlarmClock::OnPage(ShardId shard, StoreStatus status, const AlarmPage& page) {
  if (status != StoreStatus::kOk) return Note(shard, WallMs() + kStoreRetryMs);
  if (page.next_ms) Note(shard, *page.next_ms);
  for (const DueAlarm& alarm : page.due) {
    if (ringing_.try_emplace(alarm.hub, shard).second) ring_(alarm.hub, shard);
  }
}

}  // namespace dormouse
