#include "statekeeper/runtime/lane/lease_watch.h"

#include <utility>

namespace dormouse {
namespace {

constexpr double kLookSeconds = 0.05;

}  // namespace

LeaseWatch::LeaseWatch(struct ev_loop* loop, const Lease* lease, std::function<void()> renewed)
    : loop_(loop), lease_(lease), renewed_(std::move(renewed)) {
  ev_timer_init(&timer_, &LeaseWatch::OnTimer, kLookSeconds, kLookSeconds);
  timer_.data = this;
}

LeaseWatch::~LeaseWatch() { ev_timer_stop(loop_, &timer_); }

void LeaseWatch::Await() {
  if (!ev_is_active(&timer_)) ev_timer_again(loop_, &timer_);
}

void LeaseWatch::OnTimer(struct ev_loop* loop, ev_timer* timer, int) {
  auto* const self = static_cast<LeaseWatch*>(timer->data);
  if (!self->IsGood()) return;
  ev_timer_stop(loop, timer);
  self->renewed_();
}

}  // namespace dormouse
