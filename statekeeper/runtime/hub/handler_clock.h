// How long the handler of one event has had the lane's thread, and when others are to get a turn.
//
// Waiting does not count: for the store, for other hubs that run, for a processor. The steady clock is cheap
// enough to be read at every call of a handler. The thread's processor time, which tells work from waiting
// for a processor, costs a system call, so it is read when the steady clock says that something took long,
// and every now and then.
//
// One lane's thread.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

namespace dormouse {

class HandlerClock {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::duration;

  // `yield` lets other hubs run.
  explicit HandlerClock(std::function<void()> yield) : yield_(std::move(yield)) {}

  // A handler begins, and may run for so long; zero: as long as it takes.
  void Begin(Time budget);
  void LiftBudget() { budget_ = {}; }
  // When it began.
  Clock::time_point began() const { return began_; }
  // It is done. Returns what it has used.
  Time End();

  // To be called often while it runs: lets other hubs run when its turn is over. Throws OverLimit when the
  // budget is used up.
  void Safepoint();

  // Around a wait.
  void Pause();
  void Continue();

  // What the handler has used so far.
  Time used() const { return used_ + (Clock::now() - turn_began_); }

 private:
  const std::function<void()> yield_;
  Time budget_{};
  Time used_{};  // before this turn
  Clock::time_point began_;
  Clock::time_point turn_began_;
  bool exact_ = false;  // the processor time was read when the turn began
};

}  // namespace dormouse
