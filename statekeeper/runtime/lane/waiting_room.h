// Who waits for a turn of a lane: hubs in memory that have something to do, and events of hubs that are to be
// woken. Waiting costs no stack, and a hub that is to be woken no object yet. Whatever causes thousands of
// them at once (a silent store, a replay, overdue alarms, a vanished gateway), they are let in by and by.
//
// Order. A hub waits once, and its events with it, in their order. Hubs wait in lines, which take turns, so
// that what is new need not wait for all that is replayed, nor that for the lane's own errands. A line is
// first come, first served; of those in which clients wait, the one that came last has every other turn: who
// comes after a storm does not wait for the whole of it.
//
// One lane's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/shard.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/waiting_line.h"

namespace dormouse {

class AwakeHub;

class WaitingRoom {
 public:
  using Line = WaitingLine;

  struct Waiter {
    std::shared_ptr<AwakeHub> hub;  // nullptr: to be woken, for `events`
    ShardEpoch shard;
    std::string name;
    std::vector<HubEvent> events;
    int64_t since_ms = 0;  // SteadyMs
  };

  // A hub in memory. It does not wait already.
  void Add(std::shared_ptr<AwakeHub> hub, Line line);
  // An event of a hub that is asleep: behind those of it that wait already.
  void Add(std::string_view hub, const ShardEpoch& shard, HubEvent event);
  // The same, only if it has events here already; else false, and the event is left alone.
  bool Append(std::string_view hub, const ShardEpoch& shard, HubEvent* event);
  // Whether events of a sleeping hub wait.
  bool Has(std::string_view hub, const ShardEpoch& shard) const;

  // Who may be let in now.
  struct Open {
    bool room = false;      // handlers may suspend; without it, only kReady
    bool suspects = false;  // kSuspect, too
  };
  // Whether Next would find somebody.
  bool HasNext(Open open) const;
  // Whose turn it is. HasNext.
  Waiter Next(Open open);
  // Since when the one waits that has waited longest for room; 0: nobody does.
  int64_t OldestMs() const;
  // That one.
  Waiter TakeOldest();
  // Whether nobody waits whom a newly come one of this line would overtake.
  bool IsFree(Line line) const { return lines_[static_cast<size_t>(line)].empty(); }

  // Sleeping hubs of shards, whose events do not wait here any more; in the order in which they came.
  std::vector<Waiter> Extract(const std::vector<ShardEpoch>& shards);

  bool empty() const;
  size_t size() const;
  // Of the events of sleeping hubs, and what it takes to keep them.
  size_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kLines = 6;
  using Queue = std::list<Waiter>;
  static bool IsOpen(size_t line, Open open);
  Waiter Take(Queue* line, Queue::iterator at);

  std::array<Queue, kLines> lines_;
  std::array<bool, kLines> newest_next_ = {};
  size_t last_ = 0;                                               // line that had the last turn
  std::unordered_map<std::string_view, Queue::iterator> asleep_;  // by name, which is in the line
  size_t bytes_ = 0;
};

}  // namespace dormouse
