#include "common/loop/loop_timers.h"

#include <algorithm>
#include <utility>

#include "common/clock.h"

namespace dormouse {

LoopTimers::LoopTimers(struct ev_loop* loop, int64_t tick_ms, size_t slots,
                       std::function<void(TimerNode*)> expire)
    : loop_(loop), tick_ms_(tick_ms), wheel_(tick_ms, slots, SteadyMs()), expire_(std::move(expire)) {
  ev_timer_init(
      &timer_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<LoopTimers*>(timer->data)->OnTimer(); }, 0, 0);
  timer_.data = this;
}

LoopTimers::~LoopTimers() { ev_timer_stop(loop_, &timer_); }

void LoopTimers::Schedule(TimerNode* node, int64_t due_ms) {
  // An empty wheel stood still: bring it up to date first.
  if (armed_for_ms_ == 0) wheel_.Advance(SteadyMs(), expire_);
  wheel_.Schedule(node, due_ms);
  const int64_t tick_end_ms = (due_ms + tick_ms_ - 1) / tick_ms_ * tick_ms_;
  if (armed_for_ms_ == 0 || tick_end_ms < armed_for_ms_) ArmFor(tick_end_ms);
}

void LoopTimers::ArmFor(int64_t due_ms) {
  armed_for_ms_ = due_ms;
  ev_timer_stop(loop_, &timer_);
  ev_now_update(loop_);  // libev counts from when the loop woke
  ev_timer_set(&timer_, static_cast<double>(std::max<int64_t>(due_ms - SteadyMs(), 1)) / 1000, 0);
  ev_timer_start(loop_, &timer_);
}

void LoopTimers::OnTimer() {
  // Until the end nothing arms the timer: what expires often schedules itself anew.
  armed_for_ms_ = 1;
  wheel_.Advance(SteadyMs(), expire_);
  armed_for_ms_ = 0;
  if (const auto next = wheel_.NextMs()) ArmFor(*next);
}

}  // namespace dormouse
