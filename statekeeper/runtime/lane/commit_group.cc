#include "statekeeper/runtime/lane/commit_group.h"

#include <algorithm>
#include <utility>

namespace dormouse {

void CommitGroup::Flush() {
  if (hubs_.empty()) return;
  const auto begun = std::chrono::steady_clock::now();
  std::stable_sort(hubs_.begin(), hubs_.end(), [](const auto& a, const auto& b) {
    return std::pair(a->shard().shard, a->shard().epoch) < std::pair(b->shard().shard, b->shard().epoch);
  });
  for (auto it = hubs_.begin(); it != hubs_.end();) {
    const ShardEpoch shard = (*it)->shard();
    ShardCommit commit;
    commit.shard = shard.shard;
    commit.epoch = shard.epoch;
    std::vector<Member> members;
    for (; it != hubs_.end() && (*it)->shard() == shard; ++it) {
      OutputGate::Commit taken = (*it)->TakeCommit();
      if (taken.writes.rows.empty() && !taken.writes.alarm_due_ms) continue;
      members.push_back({*it, taken.number, taken.writes.alarm_due_ms});
      commit.hubs.push_back(std::move(taken.writes));
    }
    if (members.empty()) continue;
    if (callbacks_.leaving) callbacks_.leaving(commit);
    store_->Commit(std::move(commit), [this, shard, members = std::move(members), begun](StoreStatus status) {
      OnAnswer(shard, members, status, begun);
    });
  }
  hubs_.clear();
}

void CommitGroup::OnAnswer(const ShardEpoch& shard, const std::vector<Member>& members, StoreStatus status,
                           std::chrono::steady_clock::time_point begun) {
  callbacks_.answered(shard, status);
  if (callbacks_.took) callbacks_.took(std::chrono::steady_clock::now() - begun);
  if (status == StoreStatus::kFenced) return callbacks_.fenced(shard);
  for (const Member& member : members) {
    if (status == StoreStatus::kOk && member.due_ms) callbacks_.indexed(shard.shard, *member.due_ms);
    if (const auto hub = member.hub.lock()) hub->OnCommitted(member.number, status);
  }
}

}  // namespace dormouse
