#include "gateway/link/statekeeper_lane.h"

#include <algorithm>
#include <optional>

#include "common/rpc/link_channel.h"

namespace dormouse {
namespace {

// What a shard may send before others have their turn.
constexpr size_t kShardTurnBytes = 64u << 10;

}  // namespace

void StatekeeperLane::Enqueue(ShardId shard) {
  if (stream_ == nullptr) return;  // when it has an owner
  if (!std::exchange(buffer_[shard].enqueued, true)) unsent_.push_back(shard);
}

void StatekeeperLane::Resend(ShardId id, bool mark_repeated) {
  ReplayBuffer::Shard& shard = buffer_[id];
  shard.log.Rewind(shard.route.epoch(), mark_repeated);
  if (!shard.log.has_unsent()) return;
  Enqueue(id);
  HoldAcknowledgement(id, shard.route.epoch());
}

void StatekeeperLane::Queue(ReplayBuffer::Shard* shard, const EventView& event, SharedTail tail) {
  // Without a stream there is no batch that it could have to do with.
  const bool holds = IsReturn(event.kind) && stream_ != nullptr;
  const uint64_t before = holds ? stream_->received_through() + 1 : 0;
  buffer_.AddQueued(shard, queue_.Append(event, std::move(tail), before));
}

void StatekeeperLane::TakeQueued(ShardId shard, StatekeeperLane* from) {
  from->queue_.Move(shard, &queue_, FirstUnacknowledged());
}

void StatekeeperLane::Restart() {
  barrier_.Clear();
  queue_.Renumber(FirstUnacknowledged());
  window_.Restart();
}

uint64_t StatekeeperLane::FirstUnacknowledged() const {
  return stream_ == nullptr ? 0 : stream_->acknowledged_through() + 1;
}

void StatekeeperLane::DealtWith(const ReplayBuffer::Shard& shard, uint64_t sequence) {
  if (shard.route.lane() != this || window_.empty()) return;
  if (const auto position = shard.log.PositionOf(sequence)) window_.Done(*position);
}

void StatekeeperLane::HoldAcknowledgement(ShardId shard, uint32_t epoch) {
  if (stream_ != nullptr) HoldAcknowledgement(stream_->received_through() + 1, shard, epoch);
}

void StatekeeperLane::HoldAcknowledgement(uint64_t batch, ShardId shard, uint32_t epoch) {
  barrier_.Add(batch, {.shard = shard, .epoch = epoch, .last = buffer_[shard].log.last_sequence()});
}

std::pair<ReplayBuffer::Shard*, uint64_t> StatekeeperLane::FindSent(uint32_t begin) {
  std::pair<ReplayBuffer::Shard*, uint64_t> found{nullptr, 0};
  uint32_t nearest = window_.position() - begin;
  for (ReplayBuffer::Shard& shard : buffer_.shards()) {
    if (shard.route.lane() != this) continue;
    const auto sequence = shard.log.EndingAfter(begin);
    if (!sequence) continue;
    const uint32_t distance = *shard.log.PositionOf(*sequence) - begin;
    if (distance > nearest) continue;
    nearest = distance;
    found = {&shard, *sequence};
  }
  return found;
}

// --- Writing.

void StatekeeperLane::Flush(bool acknowledge) {
  if (!answers()) return;
  stream_->DueAcknowledgement(acknowledge);
  // A short write may be over before the next look: hence a loop, or nobody would say that the rest can go.
  while ((!unsent_.empty() || QueueMoves(0) || stream_->HasToSay()) && !stream_->Busy()) {
    TakeEvents();
    if (!stream_->Write(batch_, AcknowledgeableThrough())) return;
  }
}

void StatekeeperLane::TakeEvents() {
  batch_.Clear();
  TakeNumbered();
  // One at a time: what it passes, or has passed it, is not to wait for the rest of a large batch.
  while (batch_.size() < kBatchBytes && QueueMoves(batch_.size())) {
    TakeQueued();
    TakeNumbered();
  }
  window_.Sent(batch_.size());
}

void StatekeeperLane::TakeNumbered() {
  while (!unsent_.empty() && batch_.size() < kBatchBytes) {
    const ShardId id = unsent_.front();
    unsent_.pop_front();
    ReplayBuffer::Shard& shard = buffer_[id];
    if (shard.route.lane() != this) continue;  // moved since
    shard.log.TakeUnsent(std::min(batch_.size() + kShardTurnBytes, kBatchBytes), &batch_, window_.position());
    shard.enqueued = shard.log.has_unsent();
    // Behind the others: a shard with much to say does not make them wait for all of it.
    if (shard.enqueued) unsent_.push_back(id);
  }
}

void StatekeeperLane::TakeQueued() {
  FairQueue::Waiting waiting = queue_.Next();
  EventView event = waiting.view();
  ReplayBuffer::Shard& shard = buffer_[event.shard];
  event.epoch = shard.route.epoch();
  buffer_.AppendQueued(&shard, waiting.bytes(), event, std::move(waiting.tail));
  Enqueue(event.shard);
  if (waiting.before != 0) HoldAcknowledgement(waiting.before, event.shard, event.epoch);
}

uint64_t StatekeeperLane::AcknowledgeableThrough() {
  const uint64_t through = barrier_.Limit(stream_->received_through(), [this](const auto& events) {
    const ReplayBuffer::Shard& shard = buffer_[events.shard];
    if (shard.route.epoch() < events.epoch) return false;
    return shard.route.lane() != this || shard.log.sent_through() >= events.last;
  });
  const std::optional<uint64_t> before = queue_.first_before();
  return before ? std::min(through, *before - 1) : through;
}

}  // namespace dormouse
