// A lane's look at the lease under which it serves. Where something has to wait because that has run out, it
// looks now and then whether it is good again; else it costs nothing.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <functional>

#include "common/lease.h"

namespace dormouse {

class LeaseWatch {
 public:
  // `lease` outlives it. `renewed` runs once it is good again, if somebody waits for that.
  LeaseWatch(struct ev_loop* loop, const Lease* lease, std::function<void()> renewed);
  ~LeaseWatch();
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;

  bool IsGood() const { return lease_->IsGood(); }
  // Something waits for it.
  void Await();

 private:
  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);

  struct ev_loop* const loop_;
  const Lease* const lease_;
  const std::function<void()> renewed_;
  ev_timer timer_;
};

}  // namespace dormouse
