#include "statekeeper/runtime/lane/commit_accounts.h"

#include "statekeeper/runtime/waiting_store.h"

namespace dormouse {

void CommitAccounts::OnAnswered(const ShardEpoch& shard, StoreStatus status) {
  parts_.metrics->commits.Increment();
  if (status != StoreStatus::kOk) {
    readings_.Break(shard);
    return parts_.metrics->commit_failures.Increment();
  }
  const ServedShard* const served = parts_.hubs->Find(shard.shard);
  if (served != nullptr && served->epoch == shard.epoch)
    parts_.links->SetCommits(shard.shard, parts_.store->Commits(shard));
}

StoreStatus CommitAccounts::Commit(ShardCommit commit) {
  const ShardEpoch shard{commit.shard, commit.epoch};
  OnLeaving(commit);
  const StoreStatus status = WaitingStore(parts_.store, parts_.fibers).Commit(std::move(commit));
  OnAnswered(shard, status);
  if (status == StoreStatus::kFenced) fenced_(shard);
  return status;
}

}  // namespace dormouse
