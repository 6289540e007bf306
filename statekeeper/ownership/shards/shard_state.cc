#include "statekeeper/ownership/shards/shard_state.h"

namespace dormouse {

using enum ShardState;

bool IsHeld(ShardState state) { return state >= kReclaiming; }

bool IsAway(ShardState state) { return state <= kOutdated; }

std::optional<ShardTransition> Next(ShardState state, ShardEvent event, ShardState before_claim) {
  const bool is_claiming = state == kClaiming || state == kReclaiming;
  const LaneOrder drop_if_held = IsHeld(state) ? LaneOrder::kDrop : LaneOrder::kNone;
  switch (event) {
    case ShardEvent::kClaimSent:
      if (IsAway(state)) return ShardTransition{kClaiming};
      if (state == kServed || state == kLeaving) return ShardTransition{kReclaiming};
      break;
    case ShardEvent::kClaimWon:
      if (is_claiming) return ShardTransition{kStarting};
      break;
    case ShardEvent::kClaimLost:
      if (is_claiming) return ShardTransition{kElsewhere, drop_if_held};
      break;
    case ShardEvent::kClaimOutdated:
      if (is_claiming) return ShardTransition{kOutdated, drop_if_held};
      break;
    case ShardEvent::kClaimUnanswered:
      if (state == kClaiming) return ShardTransition{before_claim};
      // If it was carried out after all, what is served on is fenced.
      if (state == kReclaiming) return ShardTransition{kServed, LaneOrder::kReinstate};
      break;
    case ShardEvent::kServing:
      if (state == kStarting) return ShardTransition{kServed};
      break;
    case ShardEvent::kMoveBegun:
      if (state == kServed) return ShardTransition{kLeaving};
      break;
    case ShardEvent::kMoveRefused:
      if (state == kLeaving) return ShardTransition{kServed, LaneOrder::kReinstate};
      break;
    case ShardEvent::kMoved:
      if (state == kLeaving || IsAway(state)) return ShardTransition{kElsewhere, drop_if_held};
      break;
    case ShardEvent::kFenced:
      if (state == kReclaiming) return ShardTransition{kClaiming};
      if (IsHeld(state)) return ShardTransition{kLost};
      break;
    case ShardEvent::kTaken:
      if (IsHeld(state) && !is_claiming) return ShardTransition{kElsewhere, drop_if_held};
      break;
  }
  return std::nullopt;
}

}  // namespace dormouse
