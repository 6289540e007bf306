#include "statekeeper/ownership/members/store_sync.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr Duration kMinGap{10};  // between two, whatever happens
constexpr Duration kRetry{200};
constexpr Duration kWhileSuspicionIsPending{50};
constexpr Duration kSilence{300};       // for short TTLs a tenth of them
constexpr int64_t kClockOffMs = 2'000;  // worth a line in the log

}  // namespace

StoreSync::StoreSync(Duration member_ttl, ClusterStore* store, OwnershipMetrics* metrics, Callbacks callbacks)
    : member_ttl_(member_ttl), store_(store), metrics_(metrics), callbacks_(std::move(callbacks)) {}

Duration StoreSync::SilenceOf(Duration member_ttl) { return std::min(kSilence, member_ttl / 10); }

bool StoreSync::ReachesStore(SteadyTime now) const {
  return !failed_ && !(under_way_ && now - sent_ > SilenceOf(member_ttl_));
}

bool StoreSync::IsSilentFor(Duration time, SteadyTime now) const {
  return !ReachesStore(now) && now - answered_ > time;
}

StoreReport StoreSync::TroubleFor(Duration time, SteadyTime now) const {
  if (!IsSilentFor(time, now)) return {StoreState::kWell, ""};
  switch (store_->state()) {
    case StoreState::kRefuses:
      return {StoreState::kRefuses, store_->trouble()};
    case StoreState::kWell:  // as far as the store knows
      return {StoreState::kAway, ""};
    default:
      return {StoreState::kAway, store_->trouble()};
  }
}

bool StoreSync::IsDue(SteadyTime now, bool suspicion_is_pending) {
  if (under_way_ || ended_) return false;
  if (!suspicion_is_pending) {
    suspicion_since_ = {};
  } else if (suspicion_since_ == SteadyTime()) {
    suspicion_since_ = now;
  }
  Duration interval = member_ttl_ / 3;
  // Not for ever: members may never come to agree on one.
  if (suspicion_is_pending && now - suspicion_since_ < member_ttl_) interval = kWhileSuspicionIsPending;
  if (wanted_) interval = kMinGap;
  if (failed_) interval = kRetry;
  return sent_ == SteadyTime() || now - sent_ >= interval;
}

void StoreSync::Send(SteadyTime now, std::string record) {
  wanted_ = false;
  under_way_ = true;
  sent_ = now;
  SyncRequest request;
  request.record = record;
  request.ttl = member_ttl_;
  request.known_version = table_version_;
  store_->Sync(std::move(request),
               [this, now, record = std::move(record)](StoreStatus status, const SyncAnswer& answer) {
                 under_way_ = false;
                 if (status != StoreStatus::kOk) return OnFailure(status);
                 if (std::exchange(failed_, false)) SPDLOG_INFO("The store answers again");
                 // Not earlier: the others are to find it there.
                 if (std::exchange(known_record_, record) != record) callbacks_.on_entry_changed();
                 OnAnswer(now, answer);
               });
}

void StoreSync::OnFailure(StoreStatus status) {
  metrics_->sync_failures.Increment();
  if (std::exchange(failed_, true)) return;
  SPDLOG_ERROR("The store {}: this statekeeper cannot say that it lives",
               status == StoreStatus::kUnavailable ? "does not answer" : "refuses what it is asked");
}

void StoreSync::OnAnswer(SteadyTime sent, const SyncAnswer& answer) {
  FollowStoreClock(answer.wall_ms, sent, SteadyClock::now());
  answered_ = sent;
  table_version_ = answer.version;
  if (answer.lost_time) {
    SPDLOG_ERROR(
        "The store has lost time: it does not hold all that it had acknowledged (restored, emptied, or "
        "restarted without its last writes). All shards are taken anew; clients that it knows no more are "
        "closed");
    metrics_->store_losses.Increment();
  }
  if (std::exchange(unsafe_, answer.unsafe) != answer.unsafe) {
    if (unsafe_.empty()) {
      SPDLOG_INFO("The store keeps again what it is given");
    } else {
      SPDLOG_ERROR("{}", unsafe_);
    }
  }
  callbacks_.on_answer(sent, answer);
}

// Deadlines of hubs are times of day, and hubs change hands: one clock for all statekeepers.
void StoreSync::FollowStoreClock(int64_t store_wall_ms, SteadyTime sent, SteadyTime now) {
  // An answer that was long under way tells the time badly; but the first is better than none.
  const bool is_first = answered_ == SteadyTime();
  if (store_wall_ms == 0 || (!is_first && now - sent > SilenceOf(member_ttl_))) return;
  const int64_t behind_ms = FollowClock(store_wall_ms, Milliseconds(sent + (now - sent) / 2));
  const bool is_off = std::abs(behind_ms) > kClockOffMs;
  if (std::exchange(clock_is_off_, is_off) == is_off) return;
  if (is_off) {
    SPDLOG_WARN("The store's clock was set {} by {} s; deadlines follow it a quarter faster or slower",
                behind_ms > 0 ? "forward" : "back", std::abs(behind_ms) / 1000);
  } else {
    SPDLOG_INFO("The time of day is the store's again");
  }
}

}  // namespace dormouse
