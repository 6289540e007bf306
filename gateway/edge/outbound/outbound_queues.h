// The queues of the sockets for which something waits, and which of those sockets cost the others most: the
// memory that each holds, by the time for which it has taken nothing.
//
// On the loop's thread.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <functional>

#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class OutboundQueues {
 public:
  // `budget` outlives this.
  explicit OutboundQueues(OutboundBudget* budget) : budget_(budget) {}
  OutboundQueues(const OutboundQueues&) = delete;
  OutboundQueues& operator=(const OutboundQueues&) = delete;

  // The connection's queue; made where there is none.
  OutboundQueue* Open(Connection* connection);
  void Remove(Connection* connection);

  // Calls `evict` for one socket after the other, the costliest first, until `is_enough`. Costs something for
  // each queue that there is. `evict` may open and remove queues.
  void EvictCostliest(int64_t now_ms, const std::function<bool()>& is_enough,
                      const std::function<void(Connection*)>& evict) const;

 private:
  OutboundBudget* const budget_;
  absl::flat_hash_set<Connection*> connections_;  // that have one
};

}  // namespace dormouse::edge
