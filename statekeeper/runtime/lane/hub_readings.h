// Hubs that are being read page by page while they go on living.
//
// Pages of a large hub are read one after the other, and events change it meanwhile. So all that the lane
// commits to it from the first page on is noted, too: pages and notes together, the notes applied in their
// order, are the hub as of the last commit that was noted. That the pages show some of those commits already
// does no harm. When one of them fails, nobody knows what it did: the reading is broken, and begins anew.
//
// Bounded: so many readings at once, and of each so many bytes that were not yet passed on; who does not ask
// for the next page for a minute is forgotten.
//
// One lane's thread.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/shard.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class HubReadings {
 public:
  struct Reading {
    std::string hub;
    ShardEpoch shard;
    uint32_t page = 0;      // the next one
    std::string next;       // where it begins
    bool complete = false;  // it was the last one: nothing more is noted
    bool broken = false;
    std::vector<RowWrite> changes;  // not yet passed on
    size_t bytes = 0;               // of these
    int64_t used_ms = 0;            // SteadyMs
  };

  // The number of a new one; 0: there are too many.
  uint64_t Add(const std::string& hub, const ShardEpoch& shard);
  // nullptr: forgotten.
  Reading* Find(uint64_t number);
  void Remove(uint64_t number) { readings_.erase(number); }
  bool empty() const { return readings_.empty(); }

  // Goes to the store next.
  void Note(const ShardCommit& commit);
  // A commit of the shard failed.
  void Break(const ShardEpoch& shard);

 private:
  std::unordered_map<uint64_t, Reading> readings_;
};

}  // namespace dormouse
