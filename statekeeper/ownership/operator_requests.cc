#include "statekeeper/ownership/operator_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/logging.h"

namespace dormouse {
namespace {

constexpr std::chrono::seconds kEvictionPatience{10};

}  // namespace

OperatorRequests::OperatorRequests(const Membership* membership, ShardKeeper* keeper, Callbacks callbacks)
    : membership_(membership), keeper_(keeper), callbacks_(std::move(callbacks)) {}

void OperatorRequests::Evict(const std::vector<ShardId>& shards, Done done, SteadyTime now) {
  Eviction eviction{{}, now + kEvictionPatience, std::move(done)};
  for (const ShardId shard : shards) {
    const uint32_t epoch = shard < keeper_->table().size() ? keeper_->ServedEpoch(shard) : 0;
    if (epoch == 0) {
      return eviction.done(fmt::format(
          "shard {} is not served by this statekeeper now; look who owns it, and ask again", shard));
    }
    eviction.shards.push_back({shard, epoch});
  }
  for (const ShardId shard : shards) keeper_->Evict(shard);
  evictions_.push_back(std::move(eviction));
}

void OperatorRequests::Drain(bool drain, Done done) {
  if (handed_over_) return done("this statekeeper is stopping");
  if (drain) {
    drains_.push_back(std::move(done));
    return callbacks_.set_state(MemberState::kDraining);
  }
  if (membership_->self().state == MemberState::kDraining) callbacks_.set_state(MemberState::kServing);
  for (const Done& waiting : std::exchange(drains_, {})) waiting("the drain was ended by another operator");
  done("");
}

void OperatorRequests::HandOver(SteadyTime deadline, std::function<void()> done) {
  is_ending_ = true;
  hand_over_deadline_ = deadline;
  handed_over_ = std::move(done);
  callbacks_.set_state(MemberState::kDraining);
}

void OperatorRequests::Settle(bool store_is_lost, SteadyTime now) {
  SettleEvictions(now);
  if (membership_->self().state != MemberState::kDraining) return;
  const bool nobody_takes =
      (membership_->DrainIsKnown() || membership_->IsAlone()) && !membership_->OthersServe();
  if (handed_over_) SettleHandOver(nobody_takes, store_is_lost, now);
  if (!drains_.empty()) SettleDrains(nobody_takes);
}

void OperatorRequests::SettleEvictions(SteadyTime now) {
  for (auto at = evictions_.begin(); at != evictions_.end();) {
    const auto left = std::count_if(at->shards.begin(), at->shards.end(), [this](const ShardEpoch& shard) {
      return keeper_->table().at(shard.shard).epoch <= shard.epoch;
    });
    if (left > 0 && now < at->deadline) {
      ++at;
      continue;
    }
    const Done done = std::move(at->done);
    at = evictions_.erase(at);
    callbacks_.publish();
    done(left == 0 ? ""
                   : fmt::format("{} shards have not moved within {} s; see the log of this statekeeper, "
                                 "they move as soon as "
                                 "it is possible",
                                 left, kEvictionPatience.count()));
  }
}

void OperatorRequests::SettleHandOver(bool nobody_takes, bool store_is_lost, SteadyTime now) {
  const bool is_empty = HasNothing();
  const bool is_done = is_empty && membership_->DrainIsKnown();
  if (!is_done && !nobody_takes && !store_is_lost && now < hand_over_deadline_) return;
  if (!is_empty && nobody_takes) {
    SPDLOG_INFO("Nobody is left to take {} shards: they wait for the next statekeeper", keeper_->held());
  } else if (!is_empty) {
    SPDLOG_WARN("{} shards were not handed over", keeper_->held());
  }
  std::exchange(handed_over_, nullptr)();
}

void OperatorRequests::SettleDrains(bool nobody_takes) {
  const bool is_empty = HasNothing();
  if (!nobody_takes && !(is_empty && membership_->DrainIsKnown())) return;
  callbacks_.publish();
  for (const Done& done : std::exchange(drains_, {})) {
    done(is_empty ? "" : "there is no other statekeeper that could take the shards; start one first");
  }
  // Nobody else would claim what has no owner.
  if (!is_empty && !is_ending_) callbacks_.set_state(MemberState::kServing);
}

}  // namespace dormouse
