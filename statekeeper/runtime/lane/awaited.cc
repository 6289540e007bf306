#include "statekeeper/runtime/lane/awaited.h"

#include <utility>

#include "common/clock.h"

namespace dormouse {
namespace {

// A deadline is kept as exactly as this.
constexpr double kLookSeconds = 0.02;

}  // namespace

Awaited::Awaited(struct ev_loop* loop) : loop_(loop) { ev_timer_init(&timer_, &Awaited::OnTimer, 0, 0); }

Awaited::~Awaited() {
  ev_timer_stop(loop_, &timer_);
  while (!waits_.empty()) {
    const Wait late = std::move(waits_.front());
    waits_.pop_front();
    late.done(false);
  }
}

void Awaited::Add(std::function<bool()> has_come, int64_t deadline_ms, std::function<void(bool)> done) {
  waits_.push_back({std::move(has_come), deadline_ms, std::move(done)});
  Arm();
}

void Awaited::Arm() {
  if (waits_.empty()) {
    ev_timer_stop(loop_, &timer_);
  } else if (!ev_is_active(&timer_)) {
    ev_timer_set(&timer_, kLookSeconds, kLookSeconds);
    ev_timer_start(loop_, &timer_);
  }
}

void Awaited::Poll() {
  if (waits_.empty()) return;
  const int64_t now_ms = SteadyMs();
  std::list<Wait> over;
  for (auto it = waits_.begin(); it != waits_.end();) {
    const auto each = it++;
    const bool in_time = each->has_come();
    if (!in_time && now_ms < each->deadline_ms) continue;
    each->has_come = [in_time] { return in_time; };
    over.splice(over.end(), waits_, each);
  }
  // They may add more.
  for (const Wait& each : over) each.done(each.has_come());
  Arm();
}

}  // namespace dormouse
