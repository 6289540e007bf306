#include "gateway/link/replay_buffer.h"

#include <algorithm>
#include <utility>

#include "gateway/link/statekeeper_lane.h"

namespace dormouse {
namespace {

ReplayBuffer::Share& ShareOf(const ReplayBuffer::Shard& shard) { return *shard.route.lane()->share(); }

}  // namespace

void ReplayBuffer::Open(size_t shards, StatekeeperLane* unassigned) {
  shards_.reserve(shards);
  for (size_t i = 0; i < shards; ++i) shards_.emplace_back(unassigned);
  unassigned->share()->shards = shards;
}

void ReplayBuffer::Append(Shard* shard, const EventView& event, SharedTail tail) {
  ShareOf(*shard).bytes += shard->log.Append(event, std::move(tail));
  ++unsettled_;
}

void ReplayBuffer::AddQueued(Shard* shard, size_t bytes) {
  shard->queued_bytes += bytes;
  ShareOf(*shard).bytes += bytes;
  ++unsettled_;
}

void ReplayBuffer::AppendQueued(Shard* shard, size_t bytes, const EventView& event, SharedTail tail) {
  shard->queued_bytes -= bytes;
  ShareOf(*shard).bytes -= bytes;
  --unsettled_;
  Append(shard, event, std::move(tail));
}

void ReplayBuffer::Restore(Shard* shard, std::string record, SharedTail tail, uint32_t delivered) {
  if (!record.empty()) ++unsettled_;
  ShareOf(*shard).bytes += shard->log.RestoreEvent(std::move(record), std::move(tail), delivered);
}

void ReplayBuffer::Settle(Shard* shard, uint64_t first, uint64_t last,
                          absl::FunctionRef<void(const EventView&)> on_settled) {
  const size_t before = shard->log.unsettled();
  ShareOf(*shard).bytes -= shard->log.Settle(first, last, on_settled);
  unsettled_ -= before - shard->log.unsettled();
  Relieve(shard);
}

bool ReplayBuffer::Congest(Shard* shard) {
  shard->congested |= shard->bytes() >= RoomFor(*shard);
  return shard->congested;
}

void ReplayBuffer::Assign(Shard* shard, StatekeeperLane* lane, uint32_t epoch) {
  ShareOf(*shard).bytes -= shard->bytes();
  --ShareOf(*shard).shards;
  shard->route.Assign(lane, epoch);
  ShareOf(*shard).bytes += shard->bytes();
  ++ShareOf(*shard).shards;
  Relieve(shard);
}

bool ReplayBuffer::TakeRelieved() { return std::exchange(relieved_, false); }

uint64_t ReplayBuffer::RoomFor(const Shard& shard) const {
  return lane_bytes_ - std::min(lane_bytes_, ShareOf(shard).bytes);
}

void ReplayBuffer::Relieve(Shard* shard) {
  // Not at the first byte of room: a shard at its limit would be stopped and started for each event.
  if (!shard->congested || 2 * shard->bytes() > RoomFor(*shard)) return;
  shard->congested = false;
  relieved_ = true;
}

}  // namespace dormouse
