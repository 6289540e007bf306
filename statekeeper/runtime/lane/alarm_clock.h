// Wakes hubs whose alarm is due. Of sleeping hubs it knows nothing: per shard it remembers when the store's
// alarm index has to be looked at next, and asks the store then.
//
// However many alarms are overdue, a hundred hubs of a lane or so ring at once, those that have waited
// longest first; others follow when they are done. Those whose handler has run, and what it sent is on its
// way, take no room from them.
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
  // `ring` gets a hub with something due. It must be answered with Done, once, some time after.
  using Ring = std::function<void(const DueAlarm& alarm, ShardId)>;
  AlarmClock(struct ev_loop* loop, Store* store, Ring ring);
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

  // How many ring and are not Done.
  size_t ringing() const { return ringing_.size(); }

  // The hub's handler has run; Done follows.
  void Ran(const std::string& hub);
  // The hub's alarm has been dealt with; what is due next for the hub, 0: nothing.
  void Done(const std::string& hub, ShardId shard, int64_t next_due_ms);

 private:
  struct Ringing {
    ShardId shard = 0;
    bool ran = false;
  };

  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  void Arm();
  void StopLooking(ShardId shard);
  // Asks the store for what is due in the shard, if not too many of its hubs ring already.
  void Look(ShardId shard);
  void OnPage(ShardId shard, StoreStatus status, const AlarmPage& page);
  // Whether there is room for another shard's page.
  bool HasRoom() const;
  void Forget(std::unordered_map<std::string, Ringing>::iterator ringing);

  struct ev_loop* const loop_;
  Store* const store_;
  const Ring ring_;
  ev_timer timer_;
  std::unordered_map<ShardId, int64_t> next_;         // by shard: when to look
  std::set<std::pair<int64_t, ShardId>> order_;       // the same, by time
  std::unordered_set<ShardId> looking_;               // asked, not answered
  std::unordered_map<std::string, Ringing> ringing_;  // rung, not Done
  size_t to_run_ = 0;                                 // those of them that have not Ran
  std::unordered_map<ShardId, size_t> rung_;          // how many of a shard ring
  std::unordered_set<ShardId> shards_;                // looked after
};

}  // namespace dormouse
