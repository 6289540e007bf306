// How much a hub class lets a gateway hold of the output of one socket. Plain data.
#pragma once

#include <cstdint>

namespace dormouse::edge {

// What may wait until the socket takes it (OutboundQueue). 0: that mark is off.
struct OutboundWatermarks {
  uint64_t pause = 0;  // bytes
  uint64_t resume = 0;
  uint64_t limit = 0;
  uint32_t pause_messages = 0;  // either pause mark pauses; both must have been left to resume
  uint32_t resume_messages = 0;
};

// What is kept that was written and is not confirmed (Unconfirmed). No messages: nothing.
struct KeptOutputLimits {
  uint32_t messages = 0;
  uint64_t bytes = 0;
};

}  // namespace dormouse::edge
