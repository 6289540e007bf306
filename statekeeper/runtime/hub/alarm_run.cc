#include "statekeeper/runtime/hub/alarm_run.h"

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr uint32_t kRetries = 6;
constexpr int64_t kFirstRetryMs = 2000;
constexpr int64_t kStoreRetryMs = 1000;

}  // namespace

std::optional<event::AlarmSettled> AlarmRun::Finish(const HubContext& context, bool sends) {
  if (!context.alarm_deferred()) return std::nullopt;  // OnAlarm was not called, or has failed
  if (IsOvertaken() && !context.changed_alarm()) return std::nullopt;
  if (sends) return event::AlarmSettled{context.deferred_alarm(), generation_};
  state_->SetAlarm(context.deferred_alarm());
  return std::nullopt;
}

void AlarmRun::Settle(const event::AlarmSettled& settled) {
  if (settled.generation == generation_) state_->SetAlarm(settled.due_ms);
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
  under_way_ = true;  // it may not have come to the handler
  if (why == Hub::Failure::kPoison) {
    if (state_->IsCheckDue(now_ms)) state_->RearmCheck(now_ms);
    if (not_before_ms > now_ms) {
      state_->RetryAlarmAt(not_before_ms);
    } else if (state_->IsAlarmDue(now_ms)) {
      state_->SetAlarm(0);
    }
  } else if (IsOvertaken()) {
    host_->CountFailedAlarm(false);
  } else if (state_->alarm_failures() < kRetries) {
    host_->CountFailedAlarm(true);
    state_->RetryAlarmAt(now_ms + (kFirstRetryMs << state_->alarm_failures()));
  } else {
    host_->CountFailedAlarm(false);
    const LogAbout about({.shard = shard_.shard, .hub = hub_});
    SPDLOG_ERROR("OnAlarm failed {} times; the alarm is dropped", kRetries + 1);
    state_->SetAlarm(0);
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
