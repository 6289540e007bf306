// A ShardKeeper of member 1 on a store in memory, with lanes and other members that only note what they are
// told. What it does is done when a test runs the loop.
#pragma once

#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "statekeeper/ownership/members/testing/fake_peer_offers.h"
#include "statekeeper/ownership/members/testing/manual_loop.h"
#include "statekeeper/ownership/members/testing/memory_cluster.h"
#include "statekeeper/ownership/shards/shard_keeper.h"
#include "statekeeper/ownership/shards/testing/fake_shard_servers.h"

namespace dormouse {

struct KeeperStage {
  static constexpr uint32_t kShards = 32;
  static constexpr MemberId kSelf = 1;
  static constexpr MemberId kOther = 2;

  ~KeeperStage() { queue->Close(); }

  // These serve, and are not suspected.
  void SetMembers(const std::vector<MemberId>& ids) {
    std::vector<Member> members(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      members[i].id = ids[i];
      members[i].state = MemberState::kServing;
    }
    placement = Placement(members, {});
    keeper.SetPlacement(placement, ids);
  }
  // As the end of a turn does.
  void Plan(bool may_force = true) {
    keeper.Plan(SteadyClock::now(), may_force);
    loop.RunAll();
  }
  // The same when pauses after failures are over.
  void PlanLater(bool may_force = true) {
    keeper.Plan(SteadyClock::now() + Duration(60'000), may_force);
    loop.RunAll();
  }
  // It is alone, and has everything.
  void TakeAll() {
    SetMembers({kSelf});
    Plan();
  }
  // It has everything, and a part of that is to go to the other one. Returns that part.
  std::set<ShardId> ShareWithOther() {
    TakeAll();
    SetMembers({kSelf, kOther});
    std::set<ShardId> part;
    for (ShardId shard = 0; shard < kShards; ++shard) {
      if (placement.DesiredOwner(shard, 0) == kOther) part.insert(shard);
    }
    return part;
  }
  // The store's table says so.
  void Tell(ShardId shard, uint32_t epoch, MemberId owner) {
    keeper.Learn({{shard, epoch, PrintMemberId(owner), ""}});
  }
  uint32_t RecordedEpoch(ShardId shard) const { return cluster.records().at(shard).epoch; }

  ManualLoop loop;
  MemoryCluster cluster;
  std::shared_ptr<TaskQueue> queue = std::make_shared<TaskQueue>(loop.get());
  std::unique_ptr<ClusterStore> store = cluster.NewStore(loop.get(), PrintMemberId(kSelf));
  prometheus::Registry registry;
  OwnershipMetrics metrics{&registry};
  FakeShardServers lanes;
  FakePeerOffers peers;
  Placement placement;
  int changes = 0;
  int publications = 0;
  ShardKeeper keeper{kSelf,  kShards, store.get(), &lanes,
                     &peers, queue,   &metrics,    {[this] { ++changes; }, [this] { ++publications; }}};
};

}  // namespace dormouse
