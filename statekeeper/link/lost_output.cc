#include "statekeeper/link/lost_output.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "common/logging.h"
#include "proto/packed.h"

namespace dormouse {

void LostOutput::OnGivenUp(GatewaySession* gateway, int64_t now_ms) {
  Gateway lost;
  lost.end_ms = now_ms + kRememberMs;
  Outbox::Seen seen{gateway->outbox().acknowledged() + 1, 0};
  const auto read = [&](std::string_view deliveries) {
    DeliveryView delivery;
    while (ReadDelivery(&deliveries, &delivery)) {
      if (delivery.cause.gateway == gateway->id()) continue;
      for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
        lost.sockets[delivery.recipient(i)] = {seen.batch, delivery.shard};
      }
    }
  };
  while (gateway->mutable_outbox()->VisitUnseen(&seen, read)) {
  }
  if (lost.sockets.empty()) return;
  gateways_.insert_or_assign(gateway->id(), std::move(lost));
}

void LostOutput::Add(GatewayId gateway, uint64_t connection, ShardId shard, int64_t now_ms) {
  Gateway& lost = gateways_[gateway];
  lost.end_ms = now_ms + kRememberMs;
  lost.sockets[connection] = {std::numeric_limits<uint64_t>::max(), shard};
}

void LostOutput::OnBack(GatewaySession* gateway, uint64_t received_through, const OwnedShards& owned) {
  const auto found = gateways_.find(gateway->id());
  if (found == gateways_.end()) return;
  std::map<ShardId, std::vector<Recipient>> by_shard;
  for (const auto& [connection, last] : found->second.sockets) {
    if (last.batch > received_through) by_shard[last.shard].push_back({connection, {}});
  }
  gateways_.erase(found);
  size_t closed = 0;
  for (const auto& [shard, recipients] : by_shard) {
    const uint32_t epoch = owned.EpochOf(shard);
    if (epoch == 0) continue;
    closed += recipients.size();
    gateway->Deliver({.kind = DeliveryKind::kOutputLost,
                      .shard = shard,
                      .epoch = epoch,
                      .cause = {},
                      .recipients = recipients,
                      .payload = {}});
  }
  if (closed == 0) return;
  SPDLOG_WARN("gateway {:x} is back and has not got all that it was sent: {} of its sockets are closed",
              gateway->id(), closed);
}

void LostOutput::Expire(int64_t now_ms) {
  absl::erase_if(gateways_, [now_ms](const auto& each) { return now_ms >= each.second.end_ms; });
}

int64_t LostOutput::NextExpiryMs() const {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [id, lost] : gateways_) next = std::min(next, lost.end_ms);
  return next;
}

}  // namespace dormouse
