#include "statekeeper/ownership/members/placement.h"

#include <xxhash.h>

#include <algorithm>
#include <tuple>

namespace dormouse {
namespace {

size_t Accusers(const std::vector<const Member*>& standing, MemberId id) {
  return static_cast<size_t>(std::count_if(standing.begin(), standing.end(), [id](const Member* member) {
    return member->id != id &&
           std::find(member->unreachable.begin(), member->unreachable.end(), id) != member->unreachable.end();
  }));
}

}  // namespace

std::vector<MemberId> Suspects(const std::vector<Member>& members) {
  std::vector<const Member*> standing;
  standing.reserve(members.size());
  for (const Member& member : members) standing.push_back(&member);
  std::vector<MemberId> suspects;
  while (standing.size() > 1) {
    const auto rank = [&standing](const Member* member) {
      return std::make_tuple(Accusers(standing, member->id), member->started, member->id);
    };
    const auto most = std::max_element(standing.begin(), standing.end(),
                                       [&](const Member* a, const Member* b) { return rank(a) < rank(b); });
    if (Accusers(standing, (*most)->id) * 2 <= standing.size() - 1) break;
    suspects.push_back((*most)->id);
    standing.erase(most);
  }
  std::sort(suspects.begin(), suspects.end());
  return suspects;
}

Placement::Placement(const std::vector<Member>& members, const std::vector<MemberId>& suspects) {
  for (const Member& member : members) {
    if (member.state != MemberState::kServing) continue;
    if (std::binary_search(suspects.begin(), suspects.end(), member.id)) continue;
    candidates_.push_back({member.id, XXH3_64bits(&member.id, sizeof(member.id))});
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

bool Placement::Includes(MemberId id) const {
  return std::any_of(candidates_.begin(), candidates_.end(),
                     [id](const Candidate& candidate) { return candidate.id == id; });
}

MemberId Placement::DesiredOwner(ShardId shard, MemberId avoid) const {
  MemberId best = 0;
  uint64_t best_rank = 0;
  for (const Candidate& candidate : candidates_) {
    if (candidate.id == avoid && candidates_.size() > 1) continue;
    const uint64_t rank = XXH3_64bits_withSeed(&shard, sizeof(shard), candidate.seed);
    if (best == 0 || rank > best_rank) {
      best = candidate.id;
      best_rank = rank;
    }
  }
  return best;
}

}  // namespace dormouse
