// This member's right to serve, for all its shards at once, and to take shards that nobody gives.
//
// Lanes serve while the lease (common/lease.h) is good: two thirds of a TTL from each renewal of the member's
// entry in the store, so that a member that cannot renew stops before others take over. When nobody reaches
// the store it is prolonged: hubs then go on with what needs no commit, and the fence in the store protects
// the rest. Who has the store to himself needs no renewal.
//
// A renewal that comes late, because the store was away or this process paused, says nothing of the others:
// they may not have had the time to say that they live. So nothing is taken by force for half a TTL then.
//
// Times are passed in. Threading: the ownership's thread; IsGood any.
#pragma once

#include "common/lease.h"
#include "common/time.h"

namespace dormouse {

class MemberLease {
 public:
  // `shared`: other processes can use the store, too. `silence`: how long the store, or peers, may take to
  // answer. `lease`, which the lanes look at, outlives it.
  MemberLease(Duration member_ttl, bool shared, Duration silence, Lease* lease);

  // The process runs from then on; before that it did not.
  void OnRunning(SteadyTime now) { running_since_ = now; }
  // The entry was renewed by a Sync of that time. `in_time`: it had not lapsed before.
  void Renew(SteadyTime sent, bool in_time, SteadyTime now);
  // Nobody reaches the store, as far as is known.
  void Prolong(SteadyTime now);

  bool IsGood() const { return lease_->IsGood(); }
  bool MayTakeByForce(SteadyTime now) const { return now >= no_force_before_; }

 private:
  void ExtendTo(SteadyTime until);

  const Duration member_ttl_;
  const bool shared_;
  const Duration silence_;
  Lease* const lease_;
  SteadyTime running_since_;
  SteadyTime renewed_;  // when the Sync was sent
  SteadyTime until_;
  SteadyTime no_force_before_;
};

}  // namespace dormouse
