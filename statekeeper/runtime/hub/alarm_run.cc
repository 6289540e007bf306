#include "statekeeper/runtime/hub/alarm_run.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr uint32_t kRetries = 6;
constexpr int64_t kFirstRetryMs = 2000;
constexpr int64_t kStoreRetryMs = 1000;

}  // namespace

std::optional<event::AlarmSettled> AlarmRun::Finish(const HubContext& context, bool sends) {
  const std::optional<int64_t> next = context.next_of_running_timer();
  if (!next) return std::nullopt;  // OnAlarm was not called, or has failed
  if (IsOvertaken() && !context.HasChangedTimer(timer_)) return std::nullopt;
  if (sends) return event::AlarmSettled{*next, generation_};
  state_->SetTimer(timer_, *next);
  return std::nullopt;
}

void AlarmRun::Settle(const event::AlarmSettled& settled) {
  if (settled.generation == generation_) state_->SetTimer(timer_, settled.due_ms);
}

void AlarmRun::OnReleased(const HubEvent& event, bool travels) {
  if (!under_way_) return;
  if (Is<event::AlarmDue>(event) && travels) return host_->AlarmRan(hub_);
  if (!Is<event::AlarmDue>(event) && !Is<event::AlarmSettled>(event)) return;
  under_way_ = false;
  began_.reset();
  host_->AlarmDone(hub_, shard_.shard, state_->NextDue());
}

bool AlarmRun::Fail(Hub::Failure why, int64_t not_before_ms, bool in_doubt) {
  if (why == Hub::Failure::kStore || in_doubt) {
    Postpone();
    return false;
  }
  const int64_t now_ms = WallMs();
  if (!std::exchange(under_way_, true))
    timer_ = state_->FindDueTimer(now_ms).value_or("");  // no handler was called
  if (why == Hub::Failure::kPoison) {
    if (state_->IsCheckDue(now_ms)) state_->RearmCheck(now_ms);
    if (not_before_ms > now_ms) {
      state_->RetryTimerAt(timer_, not_before_ms);
    } else if (state_->FindDueTimer(now_ms)) {
      state_->SetTimer(timer_, 0);
    }
  } else if (IsOvertaken()) {
    host_->CountFailedAlarm(false);
  } else if (const uint32_t failures = state_->TimerFailures(timer_); failures < kRetries) {
    host_->CountFailedAlarm(true);
    state_->RetryTimerAt(timer_, now_ms + (kFirstRetryMs << failures));
  } else {
    host_->CountFailedAlarm(false);
    const LogAbout about({.shard = shard_.shard, .hub = hub_});
    SPDLOG_ERROR("{} failed {} times; {} is dropped", timer_.empty() ? "OnAlarm" : "OnTimer", kRetries + 1,
                 timer_.empty() ? "the alarm" : "a timer");
    state_->SetTimer(timer_, 0);
  }
  state_->ReindexAlarm();
  return true;
}

void AlarmRun::Postpone() {
  under_way_ = false;
  began_.reset();
  host_->AlarmDone(hub_, shard_.shard, WallMs() + kStoreRetryMs);
}

}  // namespace dormouse
