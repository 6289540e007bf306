// The drain of a gateway that stops: its sockets are closed (1001) at random times within the drain window,
// so that their clients do not come to the other gateways all at once, and their hubs get so long to settle
// what they were told.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>

#include "common/loop/loop_timers.h"
#include "gateway/edge/sockets/connection_table.h"

namespace dormouse::edge {

class SocketDrain {
 public:
  // `settle_timeout_ms`: from the last socket's end. All outlive this.
  SocketDrain(struct ev_loop* loop, LoopTimers* timers, ConnectionTable* table, int64_t settle_timeout_ms);
  ~SocketDrain();
  SocketDrain(const SocketDrain&) = delete;
  SocketDrain& operator=(const SocketDrain&) = delete;

  // Sets each connection's timer to a random time within the window. `done` is called once all are closed and
  // their hubs have settled that, or have had time enough. A second call closes all at once.
  void Start(int64_t window_ms, std::function<void()> done);
  bool started() const { return started_; }
  // Once a turn of the loop; `unsettled`: events that their hubs have not dealt with.
  void OnTurnEnd(size_t unsettled);

 private:
  void Finish();

  struct ev_loop* const loop_;
  LoopTimers* const timers_;
  ConnectionTable* const table_;
  const int64_t settle_timeout_ms_;
  ev_timer settle_timer_;
  bool started_ = false;
  std::function<void()> done_;  // nullptr: it was called, or not started
  size_t unsettled_ = 0;        // at the end of the last turn
  std::mt19937_64 random_;
};

}  // namespace dormouse::edge
