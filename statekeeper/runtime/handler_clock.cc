#include "statekeeper/runtime/handler_clock.h"

#include <algorithm>

#include "common/thread_time.h"
#include "statekeeper/runtime/over_limit.h"

namespace dormouse {
namespace {

// After which others get a turn.
constexpr std::chrono::microseconds kTurn{200};
// So that of what others have worked little is taken for that of a turn at whose beginning nobody looked.
constexpr unsigned kHandlersPerLook = 64;

struct Thread {
  HandlerClock::Time looked_at = ThreadTime();
  unsigned handlers = 0;
};
thread_local Thread thread;

// Of a turn that took so long on the steady clock, what it had of the processor.
HandlerClock::Time WorkIn(HandlerClock::Time turn) {
  if (turn < kTurn) return turn;
  const HandlerClock::Time now = ThreadTime();
  return std::min(turn, now - std::exchange(thread.looked_at, now));
}

}  // namespace

void HandlerClock::Begin(Time budget) {
  if (++thread.handlers % kHandlersPerLook == 0) thread.looked_at = ThreadTime();
  budget_ = budget;
  used_ = {};
  Continue();
  began_ = turn_began_;
}

HandlerClock::Time HandlerClock::End() {
  Pause();
  budget_ = {};
  return used_;
}

void HandlerClock::Look() {
  const Clock::time_point now = Clock::now();
  if (const Time turn = now - turn_began_; turn >= kTurn) {
    const Time work = WorkIn(turn);
    used_ += work;
    if (exact_ && work >= kTurn / 2) {
      yield_();
      thread.looked_at = ThreadTime();
    }
    Continue();
    exact_ = true;
  }
  if (budget_ > Time::zero() && used_ > budget_) throw OverLimit(Hub::Failure::kOverBudget);
}

void HandlerClock::Pause() { used_ += WorkIn(Clock::now() - turn_began_); }

}  // namespace dormouse
