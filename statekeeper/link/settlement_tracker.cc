#include "statekeeper/link/settlement_tracker.h"

#include <utility>

namespace dormouse {
namespace {

// What waits for an acknowledgement costs so much.
constexpr uint64_t kSettlementBytes = 256;

}  // namespace

void SettlementTracker::Track(EventOutput* event, std::span<const DeliveryFanout::Part> parts) {
  auto settlement = std::make_shared<Settlement>();
  settlement->cause = event->cause;
  settlement->shard = event->shard;
  settlement->epoch = event->epoch;
  settlement->acknowledged = std::move(event->acknowledged);
  for (const DeliveryFanout::Part& part : parts) {
    const GatewayId id = part.gateway->id();
    // What the own gateway got is there before it learns that the event is settled: it comes on the same
    // stream.
    if (event->cause.IsEvent() && id == event->cause.gateway) continue;
    settlement->foreign.push_back(id);
    awaited_[id].emplace_back(part.batch, settlement);
  }
  settlement->awaited = static_cast<uint32_t>(settlement->foreign.size());
  if (OwnOf(*settlement) != nullptr) {
    unsettled_[{event->cause.gateway, event->cause.shard}].push_back(settlement);
  }
  if (settlement->awaited == 0) OnAllAcknowledged(settlement);
}

void SettlementTracker::OnAcknowledged(GatewayId gateway, uint64_t through) {
  while (true) {  // looked up each time: what is settled may send more
    const auto found = awaited_.find(gateway);
    if (found == awaited_.end() || found->second.empty() || found->second.front().first > through) return;
    const std::shared_ptr<Settlement> settlement = std::move(found->second.front().second);
    found->second.pop_front();
    if (!stale_.empty()) {
      const auto stale = stale_.find({gateway, settlement->shard});
      if (stale != stale_.end() && settlement->epoch < stale->second) settlement->ignored = true;
    }
    Advance(settlement);
  }
}

void SettlementTracker::OnAfresh(GatewayId gateway) {
  absl::erase_if(unsettled_, [&](const auto& each) { return each.first.first == gateway; });
  const auto found = awaited_.find(gateway);
  if (found == awaited_.end()) return;
  for (const auto& [batch, settlement] : found->second) settlement->ignored |= settlement->telling;
}

void SettlementTracker::OnGivenUp(GatewayId gateway) {
  Awaited awaited;
  if (auto found = awaited_.extract(gateway)) awaited = std::move(found.mapped());
  std::vector<Settlements> behind;
  absl::erase_if(unsettled_, [&](auto& each) {
    if (each.first.first != gateway) return false;
    behind.push_back(std::move(each.second));
    return true;
  });
  absl::erase_if(stale_, [&](const auto& each) { return each.first.first == gateway; });
  for (const auto& [batch, settlement] : awaited) Advance(settlement);
  // What others have, but was to be settled behind something else: nobody will be told so any more.
  for (const Settlements& settlements : behind) {
    for (const auto& settlement : settlements) {
      if (settlement->awaited == 0 && !settlement->ignored) TellForget(*settlement);
    }
  }
}

uint64_t SettlementTracker::BytesOf(GatewayId gateway) const {
  const auto found = awaited_.find(gateway);
  return found == awaited_.end() ? 0 : found->second.size() * kSettlementBytes;
}

GatewaySession* SettlementTracker::OwnOf(const Settlement& settlement) const {
  const Cause& cause = settlement.cause;
  GatewaySession* own = cause.IsEvent() ? gateways_->Find(cause.gateway) : nullptr;
  return own != nullptr && own->received().Has(cause.shard, settlement.epoch) ? own : nullptr;
}

void SettlementTracker::Advance(const std::shared_ptr<Settlement>& settlement) {
  if (--settlement->awaited == 0) OnAllAcknowledged(settlement);
}

void SettlementTracker::OnAllAcknowledged(const std::shared_ptr<Settlement>& settlement) {
  const Cause& cause = settlement->cause;
  if (!cause.IsEvent()) {
    const bool owned = owned_->EpochOf(settlement->shard) == settlement->epoch;
    if (owned && !settlement->ignored && settlement->acknowledged) settlement->acknowledged();
  } else if (!settlement->telling && gateways_->Find(cause.gateway) != nullptr) {
    if (GatewaySession* own = OwnOf(*settlement)) TellSettled(own, cause.shard);
  } else if (!settlement->ignored) {
    TellForget(*settlement);
  }
}

void SettlementTracker::TellSettled(GatewaySession* own, ShardId shard) {
  const auto found = unsettled_.find({own->id(), shard});
  if (found == unsettled_.end()) return;
  Settlements& unsettled = found->second;
  while (!unsettled.empty() && unsettled.front()->awaited == 0) {
    const std::shared_ptr<Settlement> settlement = std::move(unsettled.front());
    unsettled.pop_front();
    if (settlement->ignored) continue;
    settlement->telling = true;
    settlement->awaited = 1;
    const uint64_t batch = own->Settled(shard, settlement->epoch, settlement->cause.sequence);
    awaited_[own->id()].emplace_back(batch, settlement);
  }
  if (unsettled.empty()) unsettled_.erase(found);
}

void SettlementTracker::TellForget(const Settlement& settlement) {
  const Cause& cause = settlement.cause;
  const GatewaySession* const own = OwnOf(settlement);
  const uint64_t below = own == nullptr ? 0 : own->received().FirstOf(cause.shard, settlement.epoch);
  for (const GatewayId id : settlement.foreign) {
    if (GatewaySession* gateway = gateways_->Find(id)) {
      gateway->Forget(cause.gateway, cause.shard, cause.sequence, below);
    }
  }
}

}  // namespace dormouse
