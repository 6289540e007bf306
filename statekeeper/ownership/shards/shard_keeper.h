// This member's shards: claims those that it should own and nobody serves, hands over those that others
// should own, takes what it is offered, drops what it lost. Their states, and all ways between them, are in
// shard_state.h; this class finds out which of these events has come, and says what is to be done next.
//
// A record may be of a time that is over (the store was restored, or has lost writes): its epoch is below one
// that this member has heard of. Then the claim is made once more, from that record to an epoch above all,
// whomever it names: who owned the shard at that time is fenced since, and need not know that it stands
// there.
//
// Every way leads through the shard's record in the store: whatever members believe, one of them owns it, and
// the others are fenced.
//
// Threading: the ownership's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/log_limit.h"
#include "common/loop/task_queue.h"
#include "common/shard.h"
#include "common/time.h"
#include "statekeeper/ownership/members/ownership_metrics.h"
#include "statekeeper/ownership/members/peer_offers.h"
#include "statekeeper/ownership/members/peer_service.h"
#include "statekeeper/ownership/members/placement.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/ownership/shards/shard_moves.h"
#include "statekeeper/ownership/shards/shard_states.h"
#include "statekeeper/ownership/shards/shard_table.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class ShardKeeper final : private ShardMoves::Owner {
 public:
  struct Callbacks {
    std::function<void()> on_change;     // of table()
    std::function<void()> on_published;  // the store's table has changed by this member
  };

  ShardKeeper(MemberId self, uint32_t shard_count, ClusterStore* store, ShardServers* servers,
              PeerOffers* peers, const std::shared_ptr<TaskQueue>& queue, OwnershipMetrics* metrics,
              Callbacks callbacks);

  // What the store's table says that is new.
  void Learn(const std::vector<ShardEntry>& entries);
  // Who should own what, and whose shards are not to be taken: members that live and are not suspected,
  // ascending.
  void SetPlacement(Placement placement, std::vector<MemberId> fit);
  // Does what is due, within bounds: to be called after each change, and now and then. `may_force`: shards
  // may be taken that nobody gives.
  void Plan(SteadyTime now, bool may_force);

  // Shards that another member retired. `accept`: this member is to be given shards at all. Why the other
  // does not want them may be in a record that is not known here yet: so nothing goes to it before the
  // members that OnMembersKnown tells of.
  void OnOffer(const peer::OfferRequest& request, bool accept, SteadyTime now, PeerService::Reply reply);
  // The placement is of what the members had said by then.
  void OnMembersKnown(SteadyTime when);
  // A lane found that it lost the shard, and has dropped it.
  void OnFenced(const ShardEpoch& shard);
  // Gateways know this epoch of the shard.
  void OnEpochSeen(const ShardEpoch& seen);
  // The store has lost writes: what is held is to be claimed again, and built from what the store has now.
  void ReclaimAll();
  // Away from here, or, where there is no other member, retired and claimed again here. False: it is not
  // served here.
  bool Evict(ShardId shard);

  const ShardTable& table() const { return table_; }
  // In which a shard is served here; 0: it is not, or not yet, or about to leave.
  uint32_t ServedEpoch(ShardId shard) const;
  // What lanes have, whatever is under way with it.
  std::vector<ShardEpoch> Held() const { return states_.Held(); }
  size_t held() const { return states_.held(); }
  bool is_claiming() const { return claiming_ > 0; }
  // All that this member should own is served here.
  bool IsComplete() const;

  // What has happened since the last call, for the log: empty if nothing.
  std::string TakeSummary();

 private:
  struct Summary {
    size_t claimed = 0;
    size_t received = 0;
    size_t given = 0;
    size_t lost = 0;
    size_t reclaimed = 0;
    bool IsEmpty() const { return claimed + received + given + lost + reclaimed == 0; }
  };

  // ShardMoves::Owner
  bool IsToMove(const ShardEpoch& shard, MemberId to) const override;
  MemberId AvoidedBy(ShardId shard) const override { return table_.at(shard).avoid; }
  void OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) override;
  void OnRefused(const std::vector<ShardEpoch>& shards) override;
  void OnUnclear(const std::vector<ShardEpoch>& shards) override;

  bool IsFit(MemberId id) const;
  bool IsToClaim(ShardId shard, bool may_force) const;
  void PlanClaims(bool may_force);
  void PlanMoves(SteadyTime now);
  void SetAvoid(ShardId shard, MemberId avoid);
  void Claim(std::vector<ShardClaim> claims, std::function<void()> then);
  void OnClaimed(const std::vector<ShardClaim>& claims, const std::vector<ShardRecord>& records,
                 const std::function<void()>& then);
  void OnClaimUnanswered(const std::vector<ShardClaim>& claims, bool refused,
                         const std::function<void()>& then);
  void OnServing(const std::vector<TakenShard>& shards, std::function<void()> then);
  void Publish(const std::vector<ShardId>& shards, std::function<void()> then);

  const MemberId self_;
  ClusterStore* const store_;
  ShardServers* const servers_;
  const std::shared_ptr<TaskQueue> queue_;
  OwnershipMetrics* const metrics_;
  const Callbacks callbacks_;
  ShardMoves moves_;

  ShardTable table_;
  ShardStates states_;
  std::set<ShardId> to_reclaim_;    // held, in an epoch that is no good: to be claimed again
  std::set<ShardId> evicted_here_;  // evicted, and there is no other member: to be retired and claimed again
  std::vector<MemberId> desired_;   // owners, by the placement
  Placement placement_;
  std::vector<MemberId> fit_;
  size_t claiming_ = 0;  // shards whose claim is under way
  LogLimit claim_log_;
  SteadyTime store_not_before_;
  std::set<ShardId> unpublished_;           // the store's table is behind
  std::map<MemberId, SteadyTime> offered_;  // who has offered shards, and when last
  Summary summary_;
};

}  // namespace dormouse
