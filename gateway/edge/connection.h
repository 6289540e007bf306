// One open WebSocket, as the edge sees it: a plain record. Its life: open -> closing
// (the hub knows that it ended) -> gone (the socket is closed, the record freed).
//
// An idle connection is nothing but this record and the library's own; everything that only a busy one needs
// hangs off it and goes when it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "gateway/edge/outbound_queue.h"
#include "gateway/edge/timer_wheel.h"
#include "gateway/edge/token_bucket.h"

struct lws;

namespace dormouse {

class HubClassEdge;

// As a timer: open, when to look for silence or to close for a drain; closing, when to give up.
struct Connection : TimerNode {
  lws* socket = nullptr;
  uint64_t handle = 0;  // ConnectionId::handle
  const HubClassEdge* hub_class = nullptr;
  std::string hub;           // "CLASS/NAME"
  int64_t last_seen_ms = 0;  // SteadyMs() of the last frame
  TokenBucket rate;

  std::unique_ptr<std::string> message;     // what has come of a message in pieces
  uint64_t message_size = 0;                // of the message under way, dropped bytes included
  std::unique_ptr<OutboundQueue> outbound;  // present while a write waits, or the connection closes

  bool closing : 1 = false;
  bool close_sent : 1 = false;
  bool draining : 1 = false;      // the timer is for closing with 1001
  bool congested : 1 = false;     // not read until its lane can take events again
  bool binary : 1 = false;        // the message under way
  bool oversized : 1 = false;     // ... is dropped as it comes
  bool within_frame : 1 = false;  // the next bytes continue a frame
};

}  // namespace dormouse
