// What waits for all sockets together, or is kept of what was written to them, is bounded. Over the bound
// what is kept goes first; then those sockets are closed that hold most for longest without reading. Looking
// for them costs something for each socket that something waits for, and is done once for a sixteenth of the
// bound.
//
// On the loop's thread.
#pragma once

#include "common/clock.h"
#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/outbound/closing_handshake.h"
#include "gateway/edge/outbound/kept_output.h"
#include "gateway/edge/outbound/outbound_queues.h"

namespace dormouse::edge {

class OutboundMemory {
 public:
  // All outlive this.
  OutboundMemory(const OutboundBudget* budget, KeptOutput* kept, const OutboundQueues* queues,
                 ClosingHandshake* closing)
      : budget_(budget), kept_(kept), queues_(queues), closing_(closing) {}

  // To be called when something was sent.
  void Enforce() {
    if (kept_->IsOverBudget()) kept_->DropToBudget();
    if (budget_->memory <= budget_->limit) return;
    const uint64_t enough = budget_->limit - budget_->limit / 16;
    queues_->EvictCostliest(
        SteadyMs(), [&] { return budget_->memory <= enough; },
        [this](Connection* connection) { closing_->Evict(connection); });
  }

 private:
  const OutboundBudget* const budget_;
  KeptOutput* const kept_;
  const OutboundQueues* const queues_;
  ClosingHandshake* const closing_;
};

}  // namespace dormouse::edge
