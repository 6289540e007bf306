// Memory that a gateway may use for output which its sockets have not taken, or which may have to go back to
// hubs, and what is used of it: a sum over all sockets, kept by what counts here. Plain data; one thread.
#pragma once

#include <cstdint>

namespace dormouse::edge {

// Outlives what counts here.
struct OutboundBudget {
  uint64_t limit = UINT64_MAX;
  uint64_t memory = 0;    // that it takes: shared bytes once, and what each socket has of its own
  uint64_t queued = 0;    // bytes of messages, for each socket that they wait for
  uint64_t kept = 0;      // memory for what was written and may have to come back (unconfirmed.h)
  uint64_t answered = 0;  // the part of it that clients' machines have answered for
  uint64_t bodies = 0;    // SharedBytes that were ever made
};

}  // namespace dormouse::edge
