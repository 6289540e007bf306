// The way from hubs to sockets, its parts put together: what is sent, how connections end, and what becomes
// of messages that do not arrive.
//
//   Outbound  --writes-->  socket  <--ends--  ClosingHandshake
//      | waits                 | was written         | returns
//   OutboundQueues         KeptOutput  ------>  ReturnedFrames  -->  hub
//
// OutboundMemory bounds what waits and what is kept. On the loop's thread.
#pragma once

#include <cstdint>

#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/outbound/closing_handshake.h"
#include "gateway/edge/outbound/kept_output.h"
#include "gateway/edge/outbound/outbound.h"
#include "gateway/edge/outbound/outbound_memory.h"
#include "gateway/edge/outbound/outbound_queues.h"
#include "gateway/edge/outbound/returned_frames.h"

namespace dormouse::edge {

struct OutboundPath {
  // All outlive this. `close_timeout_ms`: for a client to answer a close frame, or to take what comes before
  // it.
  OutboundPath(OutboundBudget* budget, WebSockets* sockets, ConnectionTable* table, LoopTimers* timers,
               EventWriter* events, GatewayMetrics* metrics, int64_t close_timeout_ms)
      : kept(budget),
        queues(budget),
        returned(events, &kept),
        outbound({.sockets = sockets,
                  .table = table,
                  .events = events,
                  .kept = &kept,
                  .queues = &queues,
                  .returned = &returned,
                  .budget = budget,
                  .metrics = metrics}),
        closing({.sockets = sockets,
                 .table = table,
                 .timers = timers,
                 .events = events,
                 .kept = &kept,
                 .queues = &queues,
                 .returned = &returned,
                 .outbound = &outbound,
                 .metrics = metrics},
                close_timeout_ms),
        memory(budget, &kept, &queues, &closing) {
    outbound.set_closer(&closing);
  }

  KeptOutput kept;
  OutboundQueues queues;
  ReturnedFrames returned;
  Outbound outbound;
  ClosingHandshake closing;
  OutboundMemory memory;
};

}  // namespace dormouse::edge
