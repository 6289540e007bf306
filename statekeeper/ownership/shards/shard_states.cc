#include "statekeeper/ownership/shards/shard_states.h"

#include <utility>

namespace dormouse {

ShardStates::ShardStates(uint32_t shard_count, ShardServers* lanes, prometheus::Gauge* held)
    : lanes_(lanes), held_gauge_(held), shards_(shard_count) {}

std::vector<ShardEpoch> ShardStates::Held() const {
  std::vector<ShardEpoch> held;
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (IsHeld(shards_[i].state)) held.push_back({static_cast<ShardId>(i), shards_[i].epoch});
  }
  return held;
}

bool ShardStates::Apply(ShardEvent event, ShardId id, uint32_t epoch) {
  Shard& shard = shards_[id];
  const std::optional<ShardTransition> next = Next(shard.state, event, shard.before_claim);
  if (!next.has_value()) return false;
  if (event == ShardEvent::kClaimSent) shard.before_claim = shard.state;
  // Should the claim not tell who has it, another one must.
  if (event == ShardEvent::kFenced) shard.before_claim = ShardState::kLost;
  if (next->order == LaneOrder::kReinstate) to_reinstate_.push_back(id);
  if (next->order == LaneOrder::kDrop) to_drop_.push_back({id, shard.epoch});
  held_ -= IsHeld(shard.state) ? 1 : 0;
  shard.state = next->to;
  held_ += IsHeld(shard.state) ? 1 : 0;
  held_gauge_->Set(static_cast<double>(held_));
  if (event == ShardEvent::kClaimWon) shard.epoch = epoch;
  return true;
}

void ShardStates::TellLanes() {
  if (!to_reinstate_.empty()) lanes_->Reinstate(std::exchange(to_reinstate_, {}));
  if (!to_drop_.empty()) lanes_->Drop(std::exchange(to_drop_, {}));
}

}  // namespace dormouse
