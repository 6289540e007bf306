#include "gateway/edge/hubs/roll_call.h"

#include <absl/container/flat_hash_set.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/shard.h"

namespace dormouse::edge {

// A close whose own event is still on its way is said twice; the second changes nothing.
void RollCall::Answer(const DeliveryView& delivery) {
  const std::string_view hub = delivery.return_to;
  size_t named = 0;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
    const Connection* connection = table_->Find(delivery.recipient(i));
    if (connection != nullptr && !connection->closing && connection->hub == hub) {
      ++named;
    } else {
      events_->AppendAbsent(delivery.recipient(i), hub);
    }
  }
  size_t open = 0;
  hub_sockets_->ForEach(hub, [&](const Connection* connection) { open += connection->closing ? 0 : 1; });
  if (open == named) return;
  absl::flat_hash_set<uint64_t> known;
  for (uint32_t i = 0; i < delivery.recipient_count; ++i) known.insert(delivery.recipient(i));
  hub_sockets_->ForEach(hub, [&](const Connection* connection) {
    if (!connection->closing && !known.contains(connection->handle)) {
      events_->Append(*connection, EventKind::kPresent);
    }
  });
}

void RollCall::AskFor(const std::vector<bool>& by_shard) {
  hub_sockets_->ForEachHub([&](const Connection* connection) {
    if (by_shard[ShardOf(connection->hub, static_cast<uint32_t>(by_shard.size()))])
      events_->Append(*connection, EventKind::kPresent, kAskForRoll);
  });
}

}  // namespace dormouse::edge
