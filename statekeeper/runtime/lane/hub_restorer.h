// How a lane puts hubs into the store that come from a copy (hub_copy.h).
//
// A hub in memory is suspended between two events, and forgets what it knew, before anything is written. What
// fits into one commit is written in one, in place of what there was. For anything larger, the first commit
// leaves a mark in the meta row: whoever wakes the hub finds it, and handles nothing; the last commit takes
// it away. An interrupted restore leaves the mark, and a later one begins the hub anew.
//
// One lane's thread; all but Restore on a fiber.
#pragma once

#include <memory>
#include <string>

#include "common/shard.h"
#include "statekeeper/runtime/hub_copy.h"
#include "statekeeper/runtime/lane/alarm_clock.h"
#include "statekeeper/runtime/lane/awaited.h"
#include "statekeeper/runtime/lane/awake_hubs.h"
#include "statekeeper/runtime/lane/commit_accounts.h"
#include "statekeeper/runtime/lane/hub_reader.h"
#include "statekeeper/runtime/lane/waiting_room.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

class HubRestorer {
 public:
  // All outlive it.
  struct Parts {
    AwakeHubs* hubs;
    WaitingRoom* room;
    Awaited* awaited;
    AlarmClock* alarms;
    CommitAccounts* commits;
    HubReader* reader;
    HubHost* host;
  };
  HubRestorer(const LaneConfig& config, const Parts& parts) : config_(config), parts_(parts) {}

  // See LaneOperator.
  void Restore(std::shared_ptr<HubRestore> restore, LaneOperator::Answer<RestoreOutcome> done);

 private:
  OperatorStatus RestoreOnFiber(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  OperatorStatus RestoreFirst(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  OperatorStatus RestoreNext(const HubRestore& restore, const ShardEpoch& shard, RestoreOutcome* outcome);
  // Whether it came to rest: then it is suspended until LetGo, and has forgotten what it knew.
  bool HoldStill(const std::string& hub, const ShardEpoch& shard);
  void LetGo(const std::string& hub, const ShardEpoch& shard);
  StoreStatus Range(const HubRestore& restore, const std::string& first, size_t limit, RowPage* page);
  StoreStatus Commit(const ShardEpoch& shard, HubCommit commit);
  // Marks the hub as one that is being restored.
  StoreStatus Mark(const HubRestore& restore, const ShardEpoch& shard);
  StoreStatus RemoveRows(const HubRestore& restore, const ShardEpoch& shard);
  StoreStatus WriteRows(const HubRestore& restore, const ShardEpoch& shard);
  // With these rows and the meta row the hub is complete.
  StoreStatus Finish(const HubRestore& restore, const ShardEpoch& shard, HubCommit commit);
  // Gateways have sockets that the hub may not know any more.
  void AskForSockets(const std::string& hub, const ShardEpoch& shard);

  const LaneConfig& config_;
  const Parts parts_;
};

}  // namespace dormouse
