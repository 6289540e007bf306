// Who is in the cluster, as the store told last, and what this member says of itself there.
//
// Suspicion. Each member names in its entry those that it cannot reach. Whom a majority of the others names
// is a suspect (placement.h): it is to own nothing, and is replaced without waiting until its entry lapses.
// An accusation of a member that is not a suspect is pending: what the others say may make it one any moment.
//
// Plain values, no store, no clock. Threading: the ownership's thread.
#pragma once

#include <cstddef>
#include <vector>

#include "common/time.h"
#include "statekeeper/ownership/members/member.h"
#include "statekeeper/ownership/members/placement.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class Membership {
 public:
  explicit Membership(Member self) : self_(std::move(self)) {}

  // What the next Sync is to tell the store of this member.
  const Member& self() const { return self_; }
  // False: it was so.
  bool SetState(MemberState state);
  bool SetAppHttp(const std::string& path);
  // Members that this one cannot reach. Returns how many of them it could.
  size_t SetUnreachable(std::vector<MemberId> ids);
  // A member that joins is given nothing for a moment, in which gateways link to it; the first one at once.
  bool MayServe(SteadyTime now) const;

  // The entries of members, this one's among them. False: nothing has changed.
  bool Learn(const std::vector<MemberEntry>& entries, SteadyTime now);

  // The rest is as of the last Learn.
  bool is_known() const { return !members_.empty(); }
  SteadyTime joined() const { return joined_; }                        // the first Learn
  const std::vector<Member>& members() const { return members_; }      // ascending by id
  const std::vector<MemberId>& suspects() const { return suspects_; }  // ascending
  // In members(); their number: it does not live.
  size_t IndexOf(MemberId id) const;
  bool Lives(MemberId id) const { return IndexOf(id) < members_.size(); }
  bool IsSuspect(MemberId id) const;
  std::vector<Member> Others() const;
  // All but the suspects.
  std::vector<MemberId> Fit() const;
  bool IsAlone() const { return members_.size() <= 1; }
  // There is another one to whom shards can go.
  bool OthersServe() const;
  // The store knows that this member is draining.
  bool DrainIsKnown() const;
  bool SuspicionIsPending() const;

 private:
  void LogChange(const std::vector<Member>& members, const std::vector<MemberId>& suspects) const;

  Member self_;
  std::vector<Member> members_;
  std::vector<MemberId> suspects_;
  SteadyTime joined_;
};

}  // namespace dormouse
