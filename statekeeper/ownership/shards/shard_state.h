// The life of a shard at this member: the states that it can be in, the events that move it from one to
// another, and what its lane is told then. This table is the only one, and ShardStates (shard_states.h) the
// only one that moves:
//
//                     away        kClaiming    kReclaiming   kStarting     kServed       kLeaving
//   kClaimSent        kClaiming   -            -             -             kReclaiming   kReclaiming
//   kClaimWon         -           kStarting    kStarting     -             -             -
//   kClaimLost        -           kElsewhere   kElsewhere D  -             -             -
//   kClaimOutdated    -           kOutdated    kOutdated D   -             -             -
//   kClaimUnanswered  -           as before    kServed R     -             -             -
//   kServing          -           -            -             kServed       -             -
//   kMoveBegun        -           -            -             -             kLeaving      -
//   kMoveRefused      -           -            -             -             -             kServed R
//   kMoved            kElsewhere  -            -             -             -             kElsewhere D
//   kFenced           -           -            kClaiming     kLost         kLost         kLost
//   kTaken            -           -            -             kElsewhere D  kElsewhere D  kElsewhere D
//
//   away: kElsewhere, kLost, kOutdated      D, R: its lane is told to Drop, or to Reinstate
//   -: the event says nothing in this state
//
// The lane has the shard in the last four. Where one becomes kStarting it is told to Serve, where it becomes
// kLeaving to Retire; by whom waits for the answer. Of a fence it is told nothing: it has found out itself,
// and has dropped the shard. While a claim is under way only its answer counts, whatever else is heard.
//
// Serve, Retire, Reinstate and Drop are all that a lane is ever told of a shard (shard_servers.h). An operator's
// Evict only makes another member, or none, the one that should own it.
//
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace dormouse {

enum class ShardState : uint8_t {
  kElsewhere,  // another member's, or nobody's
  // A lane was fenced, and who has the shard is not known: a claim in the epoch that is over will tell.
  kLost,
  // Its record is of a time that is over (the store has lost writes): to be claimed above all epochs.
  kOutdated,
  kClaiming,    // a claim is under way
  kReclaiming,  // the same, and its lane has it in the epoch before
  kStarting,    // owned; its lane is being told
  kServed,
  kLeaving,  // its lane brings it to rest, or it is offered
};

enum class ShardEvent : uint8_t {
  kClaimSent,
  kClaimWon,         // the record names this member
  kClaimLost,        // the record names another one
  kClaimOutdated,    // the record is below an epoch that somebody has spoken of, whomever it names
  kClaimUnanswered,  // whether it was carried out is not known
  kServing,          // its lane serves it
  kMoveBegun,
  kMoveRefused,  // for certain
  kMoved,        // another member has said that it owns the shard
  kFenced,       // a lane has found that the shard is not its own any more
  kTaken,        // the store's table names another owner, of a later epoch
};

// What the lane is told by ShardStates. (To Serve and Retire belong answers: those who wait for them tell
// it.)
enum class LaneOrder : uint8_t { kNone, kReinstate, kDrop };

struct ShardTransition {
  ShardState to;
  LaneOrder order = LaneOrder::kNone;
  friend bool operator==(const ShardTransition&, const ShardTransition&) = default;
};

// Whether the shard's lane has it.
bool IsHeld(ShardState state);
// Whether it is neither at a lane nor being claimed.
bool IsAway(ShardState state);

// `before_claim`: of a shard in kClaiming, the state that it had before. Nothing: the event says nothing.
std::optional<ShardTransition> Next(ShardState state, ShardEvent event, ShardState before_claim);

}  // namespace dormouse
