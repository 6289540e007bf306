#include "statekeeper/ownership/shards/shard_state.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

using enum ShardState;
using enum ShardEvent;

constexpr ShardState kStates[] = {kElsewhere,  kLost,     kOutdated, kClaiming,
                                  kReclaiming, kStarting, kServed,   kLeaving};
constexpr ShardEvent kEvents[] = {kClaimSent,       kClaimWon, kClaimLost, kClaimOutdated,
                                  kClaimUnanswered, kServing,  kMoveBegun, kMoveRefused,
                                  kMoved,           kFenced,   kTaken};

// The state that comes of it; the same one where the event says nothing.
ShardState After(ShardState state, ShardEvent event) {
  const auto next = Next(state, event, kElsewhere);
  return next.has_value() ? next->to : state;
}

TEST(ShardState, AShardIsClaimedStartedAndServed) {
  for (const ShardState away : {kElsewhere, kLost, kOutdated}) {
    EXPECT_EQ(After(away, kClaimSent), kClaiming);
    EXPECT_FALSE(Next(away, kClaimWon, kElsewhere)) << "nothing was claimed";
  }
  EXPECT_EQ(After(kClaiming, kClaimWon), kStarting);
  EXPECT_EQ(After(kStarting, kServing), kServed);
  EXPECT_FALSE(Next(kServed, kServing, kElsewhere));
}

TEST(ShardState, AMoveEndsElsewhereOrIsTakenBack) {
  EXPECT_EQ(After(kServed, kMoveBegun), kLeaving);
  EXPECT_EQ(Next(kLeaving, kMoved, kElsewhere), (ShardTransition{kElsewhere, LaneOrder::kDrop}));
  EXPECT_EQ(Next(kLeaving, kMoveRefused, kElsewhere), (ShardTransition{kServed, LaneOrder::kReinstate}));
  EXPECT_EQ(After(kLeaving, kClaimSent), kReclaiming);
  EXPECT_EQ(After(kReclaiming, kClaimWon), kStarting);
  EXPECT_FALSE(Next(kServed, kMoved, kElsewhere)) << "it was not leaving";
}

TEST(ShardState, AClaimWithoutAnAnswerChangesNothing) {
  for (const ShardState before : {kElsewhere, kLost, kOutdated}) {
    EXPECT_EQ(Next(kClaiming, kClaimUnanswered, before), (ShardTransition{before, LaneOrder::kNone}));
  }
  EXPECT_EQ(Next(kReclaiming, kClaimUnanswered, kServed), (ShardTransition{kServed, LaneOrder::kReinstate}));
}

TEST(ShardState, WhileAClaimIsUnderWayOnlyItsAnswerCounts) {
  for (const ShardState claiming : {kClaiming, kReclaiming}) {
    for (const ShardEvent event : {kClaimSent, kServing, kMoveBegun, kMoveRefused, kMoved, kTaken}) {
      EXPECT_FALSE(Next(claiming, event, kElsewhere)) << static_cast<int>(event);
    }
  }
  EXPECT_EQ(Next(kReclaiming, kFenced, kElsewhere), (ShardTransition{kClaiming, LaneOrder::kNone}));
}

// Whatever happens, the lane's idea of a shard and this one's stay the same.
TEST(ShardState, ALaneThatLosesAShardIsToldUnlessItKnows) {
  for (const ShardState state : kStates) {
    for (const ShardEvent event : kEvents) {
      const auto next = Next(state, event, kElsewhere);
      if (!next.has_value()) continue;
      const bool is_drop = next->order == LaneOrder::kDrop;
      const bool loses_it = IsHeld(state) && !IsHeld(next->to);
      EXPECT_EQ(is_drop, loses_it && event != kFenced)
          << static_cast<int>(state) << " " << static_cast<int>(event);
      // It gets one by a claim that was won alone.
      if (!IsHeld(state) && IsHeld(next->to)) {
        EXPECT_EQ(event, kClaimWon);
      }
      // A shard that was, or may have been, retired is not left so.
      const bool serves_on = (state == kLeaving || state == kReclaiming) && next->to == kServed;
      EXPECT_EQ(next->order == LaneOrder::kReinstate, serves_on);
    }
  }
}

TEST(ShardState, AFenceLeadsToALookAtTheRecord) {
  for (const ShardState held : {kStarting, kServed, kLeaving}) EXPECT_EQ(After(held, kFenced), kLost);
  for (const ShardState away : {kElsewhere, kLost, kOutdated, kClaiming}) {
    EXPECT_FALSE(Next(away, kFenced, kElsewhere)) << "of an earlier life";
  }
  EXPECT_EQ(After(kLost, kMoved), kElsewhere) << "now it is known who has it";
}

TEST(ShardState, EveryStateIsLeftAndReached) {
  for (const ShardState state : kStates) {
    bool is_left = false;
    bool is_reached = false;
    for (const ShardEvent event : kEvents) {
      is_left |= After(state, event) != state;
      for (const ShardState from : kStates) is_reached |= from != state && After(from, event) == state;
    }
    EXPECT_TRUE(is_left && is_reached) << static_cast<int>(state);
  }
}

}  // namespace
}  // namespace dormouse
