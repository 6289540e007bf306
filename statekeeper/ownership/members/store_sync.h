// This member's round trips with the store (ClusterStore::Sync): each renews its entry and tells what is new.
// Decides when the next one is due: each third of the TTL, at once where there is something new to say or to
// hear, more often while a suspicion is pending. Judges by the answers whether the store can be reached, and
// what it is worth.
//
// Threading: the ownership's thread, callbacks too.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/time.h"
#include "statekeeper/ownership/members/ownership_metrics.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class StoreSync {
 public:
  struct Callbacks {
    // `sent`: when the Sync was.
    std::function<void(SteadyTime sent, const SyncAnswer&)> on_answer;
    // The store has an entry of this member that it had not before; called before on_answer.
    std::function<void()> on_entry_changed;
  };

  // `store` and `metrics` outlive it; answers come as long as the store is there.
  StoreSync(Duration member_ttl, ClusterStore* store, OwnershipMetrics* metrics, Callbacks callbacks);

  // There is something new to say or to hear.
  void WantSoon() { wanted_ = true; }
  bool is_wanted() const { return wanted_; }
  bool IsDue(SteadyTime now, bool suspicion_is_pending);
  // `record`: this member's entry. Only where one is due.
  void Send(SteadyTime now, std::string record);
  // No more of them: the next would bring a member back that leaves.
  void End() { ended_ = true; }

  // Whether the last one was answered, or may still be in time.
  bool ReachesStore(SteadyTime now) const;
  // The store does not carry them out, and the last that it did is so long ago.
  bool IsSilentFor(Duration time, SteadyTime now) const;
  // What is wrong with it then; else kWell.
  StoreReport TroubleFor(Duration time, SteadyTime now) const;
  bool has_failed() const { return failed_; }  // the last one
  // SyncAnswer::unsafe, of the last.
  const std::string& unsafe() const { return unsafe_; }

  // A Sync unanswered for longer: the store is away. One's silence and then another's must fit into a lease.
  static Duration SilenceOf(Duration member_ttl);

 private:
  void OnFailure(StoreStatus status);
  void OnAnswer(SteadyTime sent, const SyncAnswer& answer);
  void FollowStoreClock(int64_t store_wall_ms, SteadyTime sent, SteadyTime now);

  const Duration member_ttl_;
  ClusterStore* const store_;
  OwnershipMetrics* const metrics_;
  const Callbacks callbacks_;
  bool wanted_ = true;
  bool under_way_ = false;
  bool ended_ = false;
  bool failed_ = false;
  SteadyTime sent_;             // the one under way, or the last
  SteadyTime answered_;         // the last that succeeded: when it was sent
  SteadyTime suspicion_since_;  // none is pending: never
  uint64_t table_version_ = 0;
  std::string known_record_;  // what the store has of this member
  std::string unsafe_;
  bool clock_is_off_ = false;
};

}  // namespace dormouse
