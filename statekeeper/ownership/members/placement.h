// Who should own what. Pure functions of what the members say of themselves, so that every member that has
// read the same comes to the same answer, without talking.
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "common/shard.h"
#include "statekeeper/ownership/members/member.h"

namespace dormouse {

// Members that are to own nothing because a majority of the other members cannot reach them; ascending.
//
// What a suspect says of others does not count any more. So they fall one after the other, the most accused
// first; of two that are accused alike, the younger one (by its start, then its id). Two that accuse each
// other do not both fall.
std::vector<MemberId> Suspects(const std::vector<Member>& members);

// Rendezvous hashing: each shard ranks all members by a hash of both, and the first owns it. So a member that
// comes takes its part evenly from all others and moves nothing else; one that goes leaves its part to all
// others.
class Placement {
 public:
  Placement() = default;
  // Of members that serve and are not among `suspects`.
  Placement(const std::vector<Member>& members, const std::vector<MemberId>& suspects);

  bool empty() const { return candidates_.empty(); }
  bool Includes(MemberId id) const;
  // Never `avoid`, where there is another. 0: there is nobody.
  MemberId DesiredOwner(ShardId shard, MemberId avoid) const;

  friend bool operator==(const Placement&, const Placement&) = default;

 private:
  struct Candidate {
    MemberId id = 0;
    uint64_t seed = 0;  // hash of the id
    friend bool operator==(const Candidate&, const Candidate&) = default;
  };
  std::vector<Candidate> candidates_;  // ascending by id
};

}  // namespace dormouse
