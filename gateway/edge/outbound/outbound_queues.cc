#include "gateway/edge/outbound/outbound_queues.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "common/clock.h"

namespace dormouse::edge {
namespace {

// Also who reads takes nothing for so long: the kernel says so once a good part of its buffer is free.
constexpr int64_t kUsuallyStalledMs = 1000;

}  // namespace

OutboundQueue* OutboundQueues::Open(Connection* connection) {
  if (connection->outbound_queue == nullptr) {
    connection->outbound_queue = std::make_unique<OutboundQueue>(budget_, SteadyMs());
    connections_.insert(connection);
  }
  return connection->outbound_queue.get();
}

void OutboundQueues::Remove(Connection* connection) {
  if (connection->outbound_queue == nullptr) return;
  connections_.erase(connection);
  connection->outbound_queue.reset();
}

// The cost counts in powers of two: among equals those go who wait for the oldest bytes, since shared ones
// are free only when nobody waits for them any more.
void OutboundQueues::EvictCostliest(int64_t now_ms, const std::function<bool()>& is_enough,
                                    const std::function<void(Connection*)>& evict) const {
  struct Holder {
    unsigned cost;
    uint64_t oldest;
    Connection* connection;
  };
  std::vector<Holder> holders;
  holders.reserve(connections_.size());
  for (Connection* connection : connections_) {
    const OutboundQueue& queue = *connection->outbound_queue;
    const auto stalled_ms = static_cast<uint64_t>(now_ms - queue.stalled_since_ms() + kUsuallyStalledMs);
    holders.push_back({static_cast<unsigned>(std::bit_width(queue.MemoryShare() * stalled_ms)),
                       queue.oldest_body(), connection});
  }
  const auto costs_less = [](const Holder& a, const Holder& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.oldest > b.oldest;
  };
  std::ranges::make_heap(holders, costs_less);
  while (!holders.empty() && !is_enough()) {
    evict(holders.front().connection);
    std::ranges::pop_heap(holders, costs_less);
    holders.pop_back();
  }
}

}  // namespace dormouse::edge
