// Wakes hubs whose alarm is due. Of sleeping hubs it knows nothing: per shard it remembers when the store's
// alarm index has to be looked at next, and asks the store then.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/shard.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class AlarmClock {
 public:
  // `ring` gets the name of a hub with something due. It must be answered with Done, once, some time after.
  AlarmClock(struct ev_loop* loop, Store* store, std::function<void(const std::string& hub, ShardId)> ring);
  ~AlarmClock();
  AlarmClock(const AlarmClock&) = delete;
  AlarmClock& operator=(const AlarmClock&) = delete;

  // Starts looking after a shard, or goes on.
  void AddShard(ShardId shard);
  // Stops looking; hubs that ring are still to be answered with Done.
  void PauseShard(ShardId shard);
  // Stops looking, and forgets the hubs that ring.
  void RemoveShard(ShardId shard);

  // Something of the shard is due at that time (wall clock). Passed over where nothing is looked after.
  void Note(ShardId shard, int64_t due_ms);

  // The hub's handler is done; what is due next for the hub, 0: nothing.
  void Done(const std::string& hub, ShardId shard, int64_t next_due_ms);

 private:
  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  void Arm();
  void StopLooking(ShardId shard);
  void Look(ShardId shard);
  void OnPage(ShardId shard, StoreStatus status, const AlarmPage& page);

  struct ev_loop* const loop_;
  Store* const store_;
  const std::function<void(const std::string&, ShardId)> ring_;
  ev_timer timer_;
  std::unordered_map<ShardId, int64_t> next_;         // by shard: when to look
  std::set<std::pair<int64_t, ShardId>> order_;       // the same, by time
  std::unordered_set<ShardId> looking_;               // asked, not answered
  std::unordered_map<std::string, ShardId> ringing_;  // rung, not Done
  std::unordered_set<ShardId> shards_;                // looked after
};

}  // namespace dormouse
