#include "statekeeper/link/hand_over_barrier.h"

#include "proto/packed.h"

namespace dormouse {

void HandOverBarrier::Quiesce(const std::vector<ShardEpoch>& shards, std::function<void()> done) {
  bool any_linked = false;
  gateways_->ForEachLinked([&](const GatewaySession*) { any_linked = true; });
  if (!any_linked || shards.empty()) return done();
  if (wanted_ == nullptr) wanted_ = std::make_shared<Round>();
  wanted_->shard = shards.front();
  wanted_->done.push_back(std::move(done));
}

void HandOverBarrier::Send() {
  if (wanted_ != nullptr) SendMarks(std::exchange(wanted_, nullptr));
}

void HandOverBarrier::SendMarks(const std::shared_ptr<Round>& round) {
  gateways_->ForEachLinked([&](GatewaySession* gateway) {
    const uint64_t batch = gateway->Deliver({.kind = DeliveryKind::kBarrier,
                                             .shard = round->shard.shard,
                                             .epoch = round->shard.epoch,
                                             .cause = {},
                                             .recipients = {},
                                             .payload = {}});
    awaited_[gateway->id()].emplace_back(batch, round);
    ++round->awaited;
  });
  if (round->awaited > 0) return;
  for (const auto& done : round->done) done();
}

void HandOverBarrier::Pass(const std::shared_ptr<Round>& round) {
  if (--round->awaited > 0) return;
  if (!std::exchange(round->second, true)) return SendMarks(round);
  for (const auto& done : round->done) done();
}

void HandOverBarrier::OnAcknowledged(const GatewaySession& gateway) {
  while (!awaited_.empty()) {
    const auto found = awaited_.find(gateway.id());
    if (found == awaited_.end() || found->second.front().first > gateway.acknowledged()) return;
    const std::shared_ptr<Round> round = std::move(found->second.front().second);
    found->second.pop_front();
    if (found->second.empty()) awaited_.erase(found);
    Pass(round);
  }
}

void HandOverBarrier::OnLost(GatewayId gateway) {
  const auto found = awaited_.extract(gateway);
  if (found.empty()) return;
  for (const auto& [batch, round] : found.mapped()) Pass(round);
}

}  // namespace dormouse
