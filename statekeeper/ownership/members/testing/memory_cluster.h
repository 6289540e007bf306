// A store's side of a cluster in memory: what ClusterStore says, for members in one process, with a switch
// that makes it go away.
//
// Threading: any; each member's ClusterStore belongs to that member's loop.
#pragma once

#include <ev.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/loop/task_queue.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

class MemoryCluster {
 public:
  static constexpr uint32_t kFirstEpoch = 1000;

  // To be shared; outlives the result.
  std::unique_ptr<ClusterStore> NewStore(struct ev_loop* loop, const std::string& owner) {
    return std::make_unique<Member>(this, loop, owner);
  }

  // Calls wait from now on, and are carried out once it is back. Empty: for all members.
  void GoAway(const std::string& owner = {}) {
    const std::lock_guard lock(mutex_);
    if (owner.empty()) {
      all_away_ = true;
    } else {
      away_.insert(owner);
    }
  }
  void ComeBack() {
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      all_away_ = false;
      away_.clear();
      calls.swap(waiting_);
    }
    for (const auto& call : calls) call();
  }

  // So many calls of Claim, or of Sync, are not carried out, and fail.
  void FailClaims(int calls) { SetFailures(&failing_claims_, calls); }
  void FailSyncs(int calls) { SetFailures(&failing_syncs_, calls); }

  // As after a restore: all records, and the table, are of a time `epochs` earlier, when somebody else owned
  // them.
  void GoBackInTime(uint32_t epochs, const std::string& owner) {
    const std::lock_guard lock(mutex_);
    ++times_lost_;
    ++version_;
    for (auto& [shard, record] : records_) {
      record.epoch -= epochs;
      record.owner = owner;
      table_[shard] = {shard, record.epoch, owner, ""};
      versions_[shard] = version_;
    }
    released_.clear();
  }

  // The member's thread stops at its next call.
  void Pause(const std::string& owner) {
    const std::lock_guard lock(mutex_);
    paused_.insert(owner);
  }
  void Continue(const std::string& owner) {
    const std::lock_guard lock(mutex_);
    paused_.erase(owner);
    unpaused_.notify_all();
  }

  // Another process takes it, without a word in the table.
  void Steal(ShardId shard, const std::string& owner) {
    const std::lock_guard lock(mutex_);
    ShardRecord& record = records_[shard];
    record.owner = owner;
    ++record.epoch;
  }

  std::map<ShardId, ShardRecord> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  std::map<ShardId, ShardEntry> table() const {
    const std::lock_guard lock(mutex_);
    return table_;
  }
  bool IsMember(const std::string& owner) const {
    const std::lock_guard lock(mutex_);
    const auto at = members_.find(owner);
    return at != members_.end() && at->second.lapses_ms > SteadyMs();
  }

 private:
  struct Entry {
    std::string record;
    int64_t lapses_ms = 0;
  };

  class Member final : public ClusterStore {
   public:
    Member(MemoryCluster* cluster, struct ev_loop* loop, std::string owner)
        : cluster_(cluster), queue_(std::make_shared<TaskQueue>(loop)), owner_(std::move(owner)) {}
    ~Member() override { queue_->Close(); }

    void Sync(SyncRequest request, SyncCallback done) override {
      Call([cluster = cluster_, owner = owner_, request, done = std::move(done)](TaskQueue* queue) {
        if (cluster->TakeFailure(&cluster->failing_syncs_)) {
          return queue->Post([done] { done(StoreStatus::kUnavailable, {}); });
        }
        queue->Post([done, answer = cluster->Sync(owner, request)] { done(StoreStatus::kOk, answer); });
      });
    }
    void Leave(DoneCallback done) override {
      Call([cluster = cluster_, owner = owner_, done = std::move(done)](TaskQueue* queue) {
        {
          const std::lock_guard lock(cluster->mutex_);
          cluster->members_.erase(owner);
        }
        queue->Post([done] { done(StoreStatus::kOk); });
      });
    }
    void Claim(std::vector<ShardClaim> claims, RecordsCallback done) override {
      Call([cluster = cluster_, owner = owner_, claims, done = std::move(done)](TaskQueue* queue) {
        if (cluster->TakeFailure(&cluster->failing_claims_))
          return queue->Post([done] { done(StoreStatus::kUnavailable, {}); });
        queue->Post([done, records = cluster->Claim(owner, claims)] { done(StoreStatus::kOk, records); });
      });
    }
    void Publish(std::vector<ShardEntry> entries, DoneCallback done) override {
      Call([cluster = cluster_, entries, done = std::move(done)](TaskQueue* queue) {
        cluster->Publish(entries);
        queue->Post([done] { done(StoreStatus::kOk); });
      });
    }
    void Release(std::vector<ShardEpoch> shards, DoneCallback done) override {
      Call([cluster = cluster_, owner = owner_, shards, done = std::move(done)](TaskQueue* queue) {
        cluster->Release(owner, shards);
        queue->Post([done] { done(StoreStatus::kOk); });
      });
    }
    void GetValue(const std::string& key, ValueCallback done) override {
      Call([cluster = cluster_, key, done = std::move(done)](TaskQueue* queue) {
        const std::lock_guard lock(cluster->mutex_);
        queue->Post([done, value = cluster->ValueOf(key)] { done(StoreStatus::kOk, value); });
      });
    }
    void PutValue(const std::string& key, std::optional<std::string> value, DoneCallback done) override {
      Call([cluster = cluster_, key, value = std::move(value), done = std::move(done)](TaskQueue* queue) {
        const std::lock_guard lock(cluster->mutex_);
        cluster->SetValue(key, value);
        queue->Post([done] { done(StoreStatus::kOk); });
      });
    }
    void ChangeValue(ValueChange change, ValueCallback done) override {
      Call([cluster = cluster_, change = std::move(change), done = std::move(done)](TaskQueue* queue) {
        const std::lock_guard lock(cluster->mutex_);
        if (cluster->ValueOf(change.key) == change.from) cluster->SetValue(change.key, change.to);
        queue->Post([done, value = cluster->ValueOf(change.key)] { done(StoreStatus::kOk, value); });
      });
    }
    bool healthy() const override { return true; }

   private:
    void Call(const std::function<void(TaskQueue*)>& call_with) {
      // What a process has not sent when it dies is not carried out.
      std::function<void()> call = [call_with, weak = std::weak_ptr<TaskQueue>(queue_)] {
        if (const std::shared_ptr<TaskQueue> queue = weak.lock()) call_with(queue.get());
      };
      {
        std::unique_lock lock(cluster_->mutex_);
        cluster_->unpaused_.wait(lock, [this] { return !cluster_->paused_.contains(owner_); });
        if (cluster_->all_away_ || cluster_->away_.contains(owner_)) {
          cluster_->waiting_.push_back(std::move(call));
          return;
        }
      }
      call();
    }

    MemoryCluster* const cluster_;
    const std::shared_ptr<TaskQueue> queue_;
    const std::string owner_;
  };

  // mutex_ held.
  std::optional<std::string> ValueOf(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }
  void SetValue(const std::string& key, const std::optional<std::string>& value) {
    values_.erase(key);
    if (value) values_[key] = *value;
  }

  void SetFailures(int* failures, int calls) {
    const std::lock_guard lock(mutex_);
    *failures = calls;
  }
  bool TakeFailure(int* failures) {
    const std::lock_guard lock(mutex_);
    if (*failures == 0) return false;
    --*failures;
    return true;
  }

  SyncAnswer Sync(const std::string& owner, const SyncRequest& request) {
    const std::lock_guard lock(mutex_);
    const int64_t now = SteadyMs();
    std::erase_if(members_, [now](const auto& item) { return item.second.lapses_ms <= now; });
    SyncAnswer answer;
    answer.renewed = members_.contains(owner);
    members_[owner] = {request.record, now + request.ttl.count()};
    for (const auto& [id, entry] : members_) answer.members.push_back({id, entry.record});
    answer.version = version_;
    const auto known = known_losses_.try_emplace(owner, times_lost_).first;
    answer.lost_time = std::exchange(known->second, times_lost_) != times_lost_;
    for (const auto& [shard, entry] : table_) {
      if (versions_[shard] > request.known_version) answer.changed.push_back(entry);
    }
    return answer;
  }

  std::vector<ShardRecord> Claim(const std::string& owner, const std::vector<ShardClaim>& claims) {
    const std::lock_guard lock(mutex_);
    std::vector<ShardRecord> answer;
    for (const ShardClaim& claim : claims) {
      ShardRecord& record = records_[claim.shard];
      if (record.epoch == claim.epoch) {
        const bool released = released_.erase(claim.shard) > 0;
        if (claim.epoch != 0 && record.owner != owner && !claim.given && !released) ++record.crashes;
        record.owner = owner;
        record.epoch = std::max(claim.epoch == 0 ? kFirstEpoch : claim.epoch + 1, claim.highest + 1);
      }
      answer.push_back(record);
    }
    return answer;
  }

  void Release(const std::string& owner, const std::vector<ShardEpoch>& shards) {
    const std::lock_guard lock(mutex_);
    for (const ShardEpoch& each : shards) {
      const ShardRecord& record = records_[each.shard];
      if (record.owner == owner && record.epoch == each.epoch) released_.insert(each.shard);
    }
  }

  void Publish(const std::vector<ShardEntry>& entries) {
    const std::lock_guard lock(mutex_);
    ++version_;
    for (const ShardEntry& entry : entries) {
      ShardEntry& known = table_[entry.shard];
      if (entry.epoch < known.epoch) continue;
      known = entry;
      versions_[entry.shard] = version_;
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable unpaused_;
  std::map<std::string, Entry> members_;
  std::map<ShardId, ShardRecord> records_;
  std::map<std::string, std::string> values_;
  std::set<ShardId> released_;
  std::map<ShardId, ShardEntry> table_;
  std::map<ShardId, uint64_t> versions_;
  uint64_t version_ = 0;
  int times_lost_ = 0;
  int failing_claims_ = 0;
  int failing_syncs_ = 0;
  std::map<std::string, int> known_losses_;  // by member
  std::set<std::string> paused_;
  std::set<std::string> away_;
  bool all_away_ = false;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace dormouse
