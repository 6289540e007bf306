// This member's shards: claims those that it should own and nobody serves, hands over those that others
// should own, takes what it is offered, forgets what it lost.
//
//   nobody's, or a dead member's --claim--> Serve --> published in the store's table
//   offered by its owner ---------claim--> Serve --> published --> answered
//   another should own it --Retire--> Offer --> Drop (moved), Resume (refused), or claim anew (unclear)
//   fenced, or taken by the table --> forgotten; a claim with the epoch that is over reads who has it
//   the store has lost time, or others know a later epoch --claim in its own epoch--> Serve, above all epochs
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
#include "common/shard.h"
#include "statekeeper/ownership/ownership_metrics.h"
#include "statekeeper/ownership/peer_service.h"
#include "statekeeper/ownership/peers.h"
#include "statekeeper/ownership/placement.h"
#include "statekeeper/ownership/shard_moves.h"
#include "statekeeper/ownership/shard_servers.h"
#include "statekeeper/ownership/shard_table.h"
#include "statekeeper/ownership/task_queue.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class ShardKeeper final : private ShardMoves::Owner {
 public:
  struct Callbacks {
    std::function<void()> on_change;     // of table()
    std::function<void()> on_published;  // the store's table has changed by this member
  };

  ShardKeeper(MemberId self, uint32_t shard_count, ClusterStore* store, ShardServers* servers, Peers* peers,
              const std::shared_ptr<TaskQueue>& queue, OwnershipMetrics* metrics, Callbacks callbacks);

  // What the store's table says that is new.
  void Learn(const std::vector<ShardEntry>& entries);
  // Who should own what, and whose shards are not to be taken: members that live and are not suspected,
  // ascending.
  void SetPlacement(Placement placement, std::vector<MemberId> fit);
  // Does what is due, within bounds: to be called after each change, and now and then. `may_force`: shards
  // may be taken that nobody gives.
  void Plan(int64_t steady_ms, bool may_force);

  // Shards that another member retired. `accept`: this member is to be given shards at all. Why the other
  // does not want them may be in a record that is not known here yet: so nothing goes to it before the
  // members that OnMembersKnown tells of.
  void OnOffer(const peer::OfferRequest& request, bool accept, int64_t steady_ms, PeerService::Reply reply);
  // The placement is of what the members had said by then.
  void OnMembersKnown(int64_t steady_ms);
  // A lane found that it lost the shard, and has forgotten it.
  void OnFenced(const ShardEpoch& shard);
  // Gateways know this epoch of the shard.
  void OnSpokenOf(const ShardEpoch& known);
  // The store has lost writes: what is held is to be built from what it has now.
  void TakeAnew();
  // Away from here, or anew here where there is no other member. False: it is not served here.
  bool Evict(ShardId shard);

  const ShardTable& table() const { return table_; }
  // In which a shard is served here; 0: it is not, or not yet, or about to leave.
  uint32_t ServedEpoch(ShardId shard) const;
  // What lanes have.
  std::vector<ShardEpoch> Held() const;
  size_t owned() const { return owned_; }  // shards that lanes have, whatever is under way with them
  bool busy() const { return claiming_ > 0; }
  // All that this member should own is served here.
  bool IsComplete() const;

  // What has happened since the last call, for the log: empty if nothing.
  std::string TakeSummary();

 private:
  enum class State : uint8_t { kNone, kClaiming, kStarting, kServed, kLeaving };
  struct Hold {
    State state = State::kNone;
    bool renew = false;         // evicted, and there is no other member
    bool anew = false;          // is to be claimed once more, in the epoch in which it is held
    bool retake = false;        // its record is of a time that is over
    uint32_t epoch = 0;         // in which the lanes have it; 0: they do not
    uint32_t fenced_epoch = 0;  // it was lost in this one: who has it is to be read
  };
  struct Summary {
    size_t taken = 0;
    size_t received = 0;
    size_t given = 0;
    size_t lost = 0;
    size_t anew = 0;
    bool IsEmpty() const { return taken + received + given + lost + anew == 0; }
  };

  // ShardMoves::Owner
  bool IsToMove(const ShardEpoch& shard, MemberId to) const override;
  MemberId AvoidedBy(ShardId shard) const override { return table_.at(shard).avoid; }
  void OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) override;
  void OnStays(const std::vector<ShardEpoch>& shards) override;
  void OnUnclear(const std::vector<ShardEpoch>& shards) override;

  bool IsFit(MemberId id) const;
  bool IsToClaim(ShardId shard, bool may_force) const;
  void PlanClaims(int64_t steady_ms, bool may_force);
  void PlanMoves(int64_t steady_ms);
  void SetAvoid(ShardId shard, MemberId avoid);
  void Claim(std::vector<ShardClaim> claims, std::function<void()> then);
  void OnClaimed(const std::vector<ShardClaim>& claims, StoreStatus status,
                 const std::vector<ShardRecord>& records, const std::function<void()>& then);
  void OnServing(const std::vector<TakenShard>& shards, std::function<void()> then);
  void Publish(const std::vector<ShardId>& shards, std::function<void()> then);
  void SetEpoch(ShardId shard, uint32_t epoch);

  const MemberId self_;
  ClusterStore* const store_;
  ShardServers* const servers_;
  const std::shared_ptr<TaskQueue> queue_;
  OwnershipMetrics* const metrics_;
  const Callbacks callbacks_;
  ShardMoves moves_;

  ShardTable table_;
  std::vector<Hold> holds_;
  std::vector<MemberId> desired_;  // owners, by the placement
  Placement placement_;
  std::vector<MemberId> fit_;
  size_t owned_ = 0;
  size_t claiming_ = 0;  // shards whose claim is under way
  LogLimit claim_log_;
  int64_t claim_not_before_ms_ = 0;
  std::set<ShardId> unpublished_;        // the store's table is behind
  std::map<MemberId, int64_t> offered_;  // who has offered shards, and when last
  Summary summary_;
};

}  // namespace dormouse
