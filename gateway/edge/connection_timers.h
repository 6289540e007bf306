// The one timer that each connection has, in a wheel: what it is for depends on where the connection is in
// its life. Open, its deadlines are looked at (idle_timeout.h, admission_timeout.h); where its gateway
// drains, it is closed; closing, it is aborted.
//
// No work grows with the number of idle connections: each is looked at once per idle timeout. On the loop's
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/loop/loop_timers.h"
#include "gateway/edge/outbound/closing_handshake.h"
#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class ConnectionTimers {
 public:
  // A revolution of the wheel is 524 s: a longer idle timeout costs a second look at each connection.
  static constexpr int64_t kTickMs = 64;
  static constexpr size_t kSlots = 8192;

  // Both outlive this; `wheel` calls OnTimer.
  ConnectionTimers(LoopTimers* wheel, ClosingHandshake* closing) : wheel_(wheel), closing_(closing) {}

  // It has just been opened.
  void Start(Connection* connection);
  // Closes it if one of its deadlines has passed, and else looks again at the next one. To be called by
  // others only where its class has new rules.
  void CheckDeadlines(Connection* connection);
  void OnTimer(Connection* connection);

 private:
  LoopTimers* const wheel_;
  ClosingHandshake* const closing_;
};

}  // namespace dormouse::edge
