// What a lane waits for without a callback that would tell it: conditions that are looked at in each turn of
// its loop, and now and then, each with a deadline. Nothing is done while there are none.
//
// Threading: one lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <list>

namespace dormouse {

class Awaited {
 public:
  explicit Awaited(struct ev_loop* loop);
  // What has not come counts as late.
  ~Awaited();
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;

  // Calls `done` once, within a later Poll or when the deadline (SteadyMs) has passed: whether it came in
  // time.
  void Add(std::function<bool()> has_come, int64_t deadline_ms, std::function<void(bool in_time)> done);

  // The end of a turn.
  void Poll();

 private:
  struct Wait {
    std::function<bool()> has_come;
    int64_t deadline_ms = 0;
    std::function<void(bool)> done;
  };
  static void OnTimer(struct ev_loop*, ev_timer*, int) {}
  void Arm();

  struct ev_loop* const loop_;
  std::list<Wait> waits_;
  ev_timer timer_;  // makes turns
};

}  // namespace dormouse
