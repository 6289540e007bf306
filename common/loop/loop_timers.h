// A timer wheel that is driven by an event loop. On the loop's thread.
#pragma once

#include <ev.h>

#include <functional>

#include "common/loop/timer_wheel.h"

namespace dormouse {

class LoopTimers {
 public:
  // `loop` outlives this; `expire` is called from the loop for each node that is due.
  LoopTimers(struct ev_loop* loop, int64_t tick_ms, size_t slots, std::function<void(TimerNode*)> expire);
  ~LoopTimers();
  LoopTimers(const LoopTimers&) = delete;
  LoopTimers& operator=(const LoopTimers&) = delete;

  void Schedule(TimerNode* node, int64_t due_ms);  // SteadyMs()
  static void Cancel(TimerNode* node) { TimerWheel::Cancel(node); }

 private:
  void OnTimer();
  void ArmFor(int64_t due_ms);

  struct ev_loop* loop_;
  const int64_t tick_ms_;
  TimerWheel wheel_;
  std::function<void(TimerNode*)> expire_;
  ev_timer timer_;
  int64_t armed_for_ms_ = 0;  // 0: the loop's timer is off
};

}  // namespace dormouse
