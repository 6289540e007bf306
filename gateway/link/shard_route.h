// Who owns a shard, as far as this gateway knows. It hears of that from two sides: shard maps say it of all
// shards, and each lane says of itself what it owns, which is newer than any map, and as good as one of the
// same epoch. A later epoch wins; what is said in an epoch that is over is stale.
//
// An epoch has one owner. Where another one speaks of it the store has gone back in time: it is to have an
// epoch of its own, or nobody could tell what comes from whom.
//
// Plain data; one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace dormouse {

class StatekeeperLane;

class ShardRoute {
 public:
  // `unassigned`: the lane of shards without an owner.
  explicit ShardRoute(StatekeeperLane* unassigned) : unassigned_(unassigned), lane_(unassigned) {}

  StatekeeperLane* lane() const { return lane_; }
  uint32_t epoch() const { return epoch_; }
  // The highest that anybody has spoken of.
  uint32_t known_epoch() const { return known_epoch_; }

  void Assign(StatekeeperLane* lane, uint32_t epoch) {
    lane_ = lane;
    epoch_ = epoch;
    known_epoch_ = std::max(known_epoch_, epoch);
  }

  // A map names this owner: whether to Assign it. `answers`: whether the owner so far does.
  bool IsNews(StatekeeperLane* lane, uint32_t epoch, bool answers) {
    if (IsSecondOwner(lane, epoch) || (epoch == epoch_ && lane == lane_)) return false;
    return epoch > epoch_ || (epoch == epoch_ && !answers);
  }

  // A lane says that it owns the shard.
  enum class Claim {
    kStale,
    kKnown,
    kNews,  // to be Assigned
  };
  Claim Judge(StatekeeperLane* lane, uint32_t epoch) {
    if (IsSecondOwner(lane, epoch) || epoch < known_epoch_) return Claim::kStale;
    return epoch == epoch_ && lane == lane_ ? Claim::kKnown : Claim::kNews;
  }

  // Whether what is said in this epoch is to be heeded.
  bool Heed(uint32_t epoch) {
    if (epoch < known_epoch_) return false;
    known_epoch_ = epoch;
    return true;
  }

  // --- For this process's successor. After Assign:
  void Restore(uint32_t known_epoch, uint64_t commits) {
    known_epoch_ = std::max(known_epoch_, known_epoch);
    commits_ = commits;
  }
  uint64_t commits() const { return commits_; }

  // --- How many of its commits are durable.

  // By an owner's word, at its start. False: there were more before; the store has lost some.
  bool SetCommits(uint64_t commits) { return std::exchange(commits_, commits) <= commits; }
  // In the course of an epoch.
  void NoteCommits(uint32_t epoch, uint64_t commits) {
    if (epoch >= known_epoch_) commits_ = commits;
  }

 private:
  bool IsSecondOwner(const StatekeeperLane* lane, uint32_t epoch) {
    if (epoch != epoch_ || lane == lane_ || lane == unassigned_ || lane_ == unassigned_) return false;
    known_epoch_ = std::max(known_epoch_, epoch + 1);
    return true;
  }

  StatekeeperLane* unassigned_;
  StatekeeperLane* lane_;
  uint32_t epoch_ = 0;
  uint32_t known_epoch_ = 0;
  uint64_t commits_ = 0;
};

}  // namespace dormouse
