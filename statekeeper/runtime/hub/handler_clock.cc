#include "statekeeper/runtime/hub/handler_clock.h"

#include <algorithm>

#include "common/thread_time.h"
#include "statekeeper/runtime/hub/over_limit.h"

namespace dormouse {
namespace {

// After which others get a turn.
constexpr std::chrono::microseconds kTurn{200};
// What a turn took is all that the thread has worked since somebody looked. That is no longer ago at its
// beginning, so of what others have worked little is taken for its own.
constexpr std::chrono::milliseconds kLookEvery{1};

// When somebody looked last, and what the thread had worked by then.
struct LastLook {
  HandlerClock::Clock::time_point time;
  HandlerClock::Time worked{};
};
thread_local LastLook last_look;

// Returns what the thread has worked since the last look.
HandlerClock::Time LookAgain(HandlerClock::Clock::time_point now) {
  const HandlerClock::Time worked = ThreadTime();
  const HandlerClock::Time since = worked - last_look.worked;
  last_look = {now, worked};
  return since;
}

// What a turn from `began` to `now` had of the processor.
HandlerClock::Time WorkIn(HandlerClock::Clock::time_point began, HandlerClock::Clock::time_point now) {
  const HandlerClock::Time turn = now - began;
  return turn < kTurn ? turn : std::min(turn, LookAgain(now));
}

}  // namespace

void HandlerClock::Begin(Time budget) {
  budget_ = budget;
  used_ = {};
  Continue();
  began_ = turn_began_;
}

void HandlerClock::Continue() {
  exact_ = false;
  turn_began_ = Clock::now();
  if (turn_began_ - last_look.time >= kLookEvery) LookAgain(turn_began_);
}

HandlerClock::Time HandlerClock::End() {
  Pause();
  budget_ = {};
  return used_;
}

void HandlerClock::Safepoint() {
  const Clock::time_point now = Clock::now();
  if (now - turn_began_ >= kTurn) {
    const Time work = WorkIn(turn_began_, now);
    used_ += work;
    const bool yields = exact_ && work >= kTurn / 2;
    if (yields) yield_();
    Continue();
    if (yields) LookAgain(turn_began_);
    exact_ = true;
  }
  if (budget_ > Time::zero() && used_ > budget_) throw OverLimit(Hub::Failure::kOverBudget);
}

void HandlerClock::Pause() { used_ += WorkIn(turn_began_, Clock::now()); }

}  // namespace dormouse
