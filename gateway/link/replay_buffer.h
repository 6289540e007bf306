// The events of this gateway that are not settled, by shard: kept so that they can be sent again, and never
// dropped. Bounded for each lane, by backpressure: a shard is congested once its own events take as many
// bytes as there is room left beside those of the lane, and no more frames are to be read for it. So one
// shard alone takes half of the buffer, many take nearly all, and there is always some room for one that
// takes little.
//
// Owns what the gateway knows of each shard; whose shards they are and what goes where is decided by others.
//
// Plain data; one thread.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/shard.h"
#include "gateway/link/foreign_causes.h"
#include "gateway/link/shard_log.h"
#include "gateway/link/shard_route.h"
#include "gateway/link/shared_tail.h"
#include "proto/packed.h"

namespace dormouse {

class ReplayBuffer {
 public:
  struct Shard {
    explicit Shard(StatekeeperLane* unassigned) : route(unassigned) {}

    uint64_t bytes() const { return log.unsettled_bytes() + queued_bytes; }

    ShardRoute route;
    ShardLog log;
    uint64_t queued_bytes = 0;  // of events that are not in the log yet: they wait for their turn
    ForeignCauses foreign;
    bool enqueued = false;  // the lane knows that it has unsent events
    bool congested = false;
  };

  // What the shards of one lane take of its room.
  struct Share {
    uint64_t bytes = 0;
    size_t shards = 0;
  };

  // `lane_bytes`: room for the events of one lane.
  explicit ReplayBuffer(uint64_t lane_bytes) : lane_bytes_(lane_bytes) {}

  // Once: so many shards, all of this lane.
  void Open(size_t shards, StatekeeperLane* unassigned);

  // 0: not open yet.
  size_t size() const { return shards_.size(); }
  Shard& operator[](size_t shard) { return shards_[shard]; }
  const Shard& operator[](size_t shard) const { return shards_[shard]; }
  std::vector<Shard>& shards() { return shards_; }
  const std::vector<Shard>& shards() const { return shards_; }

  // --- Events come, and are counted: under their number, or first so many bytes of one in a queue.
  void Append(Shard* shard, const EventView& event, SharedTail tail);
  void AddQueued(Shard* shard, size_t bytes);
  // One that was queued gets its number.
  void AppendQueued(Shard* shard, size_t bytes, const EventView& event, SharedTail tail);

  // The next event of a shard that was another process's (ShardLog::RestoreEvent).
  void Restore(Shard* shard, std::string record, SharedTail tail, uint32_t delivered);

  // --- Events go. `on_settled` is told of each; it must not come back here.
  void Settle(Shard* shard, uint64_t first, uint64_t last,
              absl::FunctionRef<void(const EventView&)> on_settled);
  size_t unsettled() const { return unsettled_; }

  // --- Backpressure.

  // After an event came: whether the shard is congested now.
  bool Congest(Shard* shard);
  // The shard has another owner, with room of its own.
  void Assign(Shard* shard, StatekeeperLane* lane, uint32_t epoch);
  // Whether a congested shard can take events again, since the last call.
  bool TakeRelieved();

 private:
  // Beside what its lane has taken.
  uint64_t RoomFor(const Shard& shard) const;
  void Relieve(Shard* shard);

  const uint64_t lane_bytes_;
  std::vector<Shard> shards_;
  size_t unsettled_ = 0;
  bool relieved_ = false;
};

}  // namespace dormouse
