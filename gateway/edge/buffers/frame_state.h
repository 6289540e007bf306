// A message that waits for its socket, or is kept, on its way to a successor of this process (proto/takeover.proto).
// Bodies that several sockets share are one body there, too.
//
// One thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>

#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/buffers/outbound_queue.h"
#include "gateway/edge/buffers/shared_bytes.h"
#include "gateway/takeover/state_reader.h"
#include "gateway/takeover/state_writer.h"

namespace dormouse::edge {

void SaveFrame(const OutboundQueue::Frame& frame, takeover::StateWriter* writer, takeover::Frame* to);

class RestoredFrames {
 public:
  // `budget`: of the queues that frames go into. Both outlive this.
  RestoredFrames(takeover::StateReader* reader, OutboundBudget* budget) : reader_(reader), budget_(budget) {}

  OutboundQueue::Frame Restore(const takeover::Frame& from);

 private:
  takeover::StateReader* const reader_;
  OutboundBudget* const budget_;
  absl::flat_hash_map<uint64_t, SharedBody> bodies_;
};

}  // namespace dormouse::edge
