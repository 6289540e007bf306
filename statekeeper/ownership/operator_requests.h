// What operators, and the end of the process, ask of this member: to move shards away, to hand over
// everything and stay (drain), to hand over everything and go. It takes the first step and says when the
// rest, which ShardKeeper does by itself, has come about; or that it will not.
//
// Times are passed in. Threading: the ownership's thread, callbacks too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/shard.h"
#include "common/time.h"
#include "statekeeper/ownership/members/membership.h"
#include "statekeeper/ownership/shards/shard_keeper.h"

namespace dormouse {

class OperatorRequests {
 public:
  // `error`: empty, or a sentence: what is wrong and what to do.
  using Done = std::function<void(std::string error)>;
  struct Callbacks {
    std::function<void(MemberState)> set_state;  // this member's
    std::function<void()> publish;               // whoever is answered next may look at once
  };

  // `membership` and `keeper` outlive it.
  OperatorRequests(const Membership* membership, ShardKeeper* keeper, Callbacks callbacks);

  // As ClusterAdmin says.
  void Evict(const std::vector<ShardId>& shards, Done done, SteadyTime now);
  void Drain(bool drain, Done done);
  // Gives all shards to others. `done` when that is so, when there is nobody to take them, when the store has
  // been silent for too long, or at the deadline.
  void HandOver(SteadyTime deadline, std::function<void()> done);

  bool has_evictions() const { return !evictions_.empty(); }
  // Answers what has come about: to be called often. `store_is_lost`: nothing can be handed over any more.
  void Settle(bool store_is_lost, SteadyTime now);

 private:
  struct Eviction {
    std::vector<ShardEpoch> shards;  // in the epochs that are to end
    SteadyTime deadline;
    Done done;
  };

  void SettleEvictions(SteadyTime now);
  void SettleHandOver(bool nobody_takes, bool store_is_lost, SteadyTime now);
  void SettleDrains(bool nobody_takes);
  bool HasNothing() const { return keeper_->held() == 0 && !keeper_->is_claiming(); }

  const Membership* const membership_;
  ShardKeeper* const keeper_;
  const Callbacks callbacks_;
  std::vector<Eviction> evictions_;
  std::vector<Done> drains_;
  std::function<void()> handed_over_;  // present while HandOver waits
  SteadyTime hand_over_deadline_;
  bool is_ending_ = false;  // HandOver was called
};

}  // namespace dormouse
