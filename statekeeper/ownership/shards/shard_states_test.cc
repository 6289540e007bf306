#include "statekeeper/ownership/shards/shard_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/gauge.h>

#include "statekeeper/ownership/shards/testing/fake_shard_servers.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using enum ShardEvent;

class ShardStatesTest : public testing::Test {
 protected:
  // Claims it and has it served, in the epoch.
  void Serve(ShardId shard, uint32_t epoch) {
    EXPECT_TRUE(states_.Apply(kClaimSent, shard));
    EXPECT_TRUE(states_.Apply(kClaimWon, shard, epoch));
    EXPECT_TRUE(states_.Apply(kServing, shard));
    lanes_.Serve({{shard, epoch}}, [] {});
  }

  FakeShardServers lanes_;
  prometheus::Gauge held_;
  ShardStates states_{4, &lanes_, &held_};
};

TEST_F(ShardStatesTest, WhatLanesHaveIsCounted) {
  Serve(1, 7);
  Serve(3, 8);
  EXPECT_THAT(states_.Held(), ElementsAre(ShardEpoch{1, 7}, ShardEpoch{3, 8}));
  EXPECT_EQ(states_.held(), 2u);
  EXPECT_EQ(held_.Value(), 2);
  EXPECT_TRUE(states_.Apply(kFenced, 1));
  EXPECT_THAT(states_.Held(), ElementsAre(ShardEpoch{3, 8}));
  EXPECT_EQ(held_.Value(), 1);
}

TEST_F(ShardStatesTest, AnEpochThatIsOverIsOfAnEarlierLife) {
  Serve(1, 7);
  EXPECT_TRUE(states_.Has({1, 7}));
  EXPECT_FALSE(states_.Has({1, 6}));
  EXPECT_TRUE(states_.Apply(kFenced, 1));
  EXPECT_FALSE(states_.Has({1, 7}));
  EXPECT_EQ(states_.epoch(1), 7u) << "in which it was lost";
}

TEST_F(ShardStatesTest, LanesDropAndReinstateWhatTheTableSays) {
  Serve(1, 7);
  Serve(2, 7);
  lanes_.Retire({1, 2}, {}, [] {});
  for (const ShardId shard : {1, 2}) EXPECT_TRUE(states_.Apply(kMoveBegun, shard));
  EXPECT_TRUE(states_.Apply(kMoved, 1));
  EXPECT_TRUE(states_.Apply(kMoveRefused, 2));
  EXPECT_EQ(lanes_.moved(), 0u) << "not before they are told";
  states_.TellLanes();
  EXPECT_EQ(lanes_.moved(), 1u);
  EXPECT_EQ(lanes_.resumed(), 1u);
  states_.TellLanes();
  EXPECT_EQ(lanes_.resumed(), 1u) << "once";
}

TEST_F(ShardStatesTest, AShardFencedWhileItIsReclaimedIsLostIfTheClaimDoesNotTell) {
  Serve(1, 7);
  EXPECT_TRUE(states_.Apply(kClaimSent, 1));
  EXPECT_TRUE(states_.Apply(kFenced, 1));
  EXPECT_EQ(states_.at(1), ShardState::kClaiming);
  EXPECT_TRUE(states_.Apply(kClaimUnanswered, 1));
  EXPECT_EQ(states_.at(1), ShardState::kLost);
}

TEST_F(ShardStatesTest, WhatSaysNothingMovesNothing) {
  EXPECT_FALSE(states_.Apply(kMoved, 1) && states_.at(1) != ShardState::kElsewhere);
  EXPECT_FALSE(states_.Apply(kServing, 1));
  EXPECT_FALSE(states_.Apply(kFenced, 1));
  states_.TellLanes();
  EXPECT_EQ(lanes_.torn(), 0u);
}

}  // namespace
}  // namespace dormouse
