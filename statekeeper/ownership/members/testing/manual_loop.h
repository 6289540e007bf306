// An event loop that a test runs by hand, on the test's own thread.
#pragma once

#include <ev.h>

#include <functional>

namespace dormouse {

class ManualLoop {
 public:
  ManualLoop() : loop_(ev_loop_new(EVBACKEND_EPOLL)) {}
  ~ManualLoop() { ev_loop_destroy(loop_); }
  ManualLoop(const ManualLoop&) = delete;
  ManualLoop& operator=(const ManualLoop&) = delete;

  struct ev_loop* get() const {
    return loop_;
  }

  // All that is there to do, and what comes of it.
  void RunAll() const {
    for (int turns = 0; turns < 16; ++turns) ev_run(loop_, EVRUN_NOWAIT);
  }

  // Until it is so, which other threads bring about. False: it is not to be expected any more.
  bool RunUntil(const std::function<bool()>& condition) const {
    ev_timer patience;
    ev_timer_init(
        &patience, [](struct ev_loop*, ev_timer*, int) {}, 20, 0);
    ev_timer_start(loop_, &patience);
    while (!condition() && ev_is_active(&patience)) ev_run(loop_, EVRUN_ONCE);
    ev_timer_stop(loop_, &patience);
    return condition();
  }

 private:
  struct ev_loop* const loop_;
};

}  // namespace dormouse
