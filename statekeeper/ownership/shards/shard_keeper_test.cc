#include "statekeeper/ownership/shards/shard_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/ownership/shards/testing/keeper_stage.h"

namespace dormouse {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr MemberId kSelf = KeeperStage::kSelf;
constexpr MemberId kOther = KeeperStage::kOther;
constexpr uint32_t kShards = KeeperStage::kShards;
constexpr uint32_t kFirst = MemoryCluster::kFirstEpoch;

class ShardKeeperTest : public testing::Test, protected KeeperStage {
 protected:
  ~ShardKeeperTest() override { EXPECT_THAT(lanes.violations(), IsEmpty()); }

  // Another member offers it.
  void OfferShard(ShardId shard, uint32_t epoch, bool accept = true) {
    peer::OfferRequest request;
    request.set_from(kOther);
    peer::OfferRequest::Shard* offered = request.add_shards();
    offered->set_shard(shard);
    offered->set_epoch(epoch);
    keeper.OnOffer(request, accept, SteadyClock::now(),
                   [this](const peer::OfferAnswer& answer) { answers.push_back(answer); });
    loop.RunAll();
  }
  // Another member takes it, and the lane finds out.
  void Fence(ShardId shard) {
    const uint32_t epoch = lanes.served().at(shard).epoch;
    cluster.Steal(shard, PrintMemberId(kOther));
    lanes.Fence(shard);
    keeper.OnFenced({shard, epoch});
  }

  std::vector<peer::OfferAnswer> answers;
};

TEST_F(ShardKeeperTest, WhatItShouldOwnIsClaimedServedAndPublished) {
  SetMembers({kSelf});
  EXPECT_FALSE(keeper.IsComplete());
  lanes.Hold(true);
  Plan();
  EXPECT_EQ(keeper.held(), kShards);
  EXPECT_THAT(cluster.table(), IsEmpty()) << "lanes do not serve yet";
  EXPECT_EQ(keeper.ServedEpoch(3), 0u);
  lanes.Hold(false);
  loop.RunAll();
  EXPECT_THAT(cluster.table(), SizeIs(kShards));
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst);
  EXPECT_TRUE(keeper.IsComplete());
  EXPECT_EQ(publications, 1);
  EXPECT_EQ(metrics.shards.Value(), kShards);
}

TEST_F(ShardKeeperTest, NothingIsTakenThatIsNotItsOwnOrByForceWhenItMayNot) {
  SetMembers({kSelf});
  Plan(/*may_force=*/false);
  SetMembers({kOther});
  Plan();
  EXPECT_EQ(keeper.held(), 0u);
}

TEST_F(ShardKeeperTest, OnlyFromAMemberThatIsNotFitIsSomethingTaken) {
  cluster.Steal(5, PrintMemberId(kOther));
  SetMembers({kSelf});
  keeper.SetPlacement(placement, {kSelf, kOther});
  Tell(5, 1, kOther);
  Plan();
  EXPECT_EQ(keeper.ServedEpoch(5), 0u);
  keeper.SetPlacement(placement, {kSelf});
  Plan();
  EXPECT_EQ(keeper.ServedEpoch(5), 2u);
  EXPECT_EQ(lanes.served().at(5).crashes, 1u);
}

TEST_F(ShardKeeperTest, WhatAnotherShouldOwnIsOfferedAndDroppedWhenThatHasIt) {
  const std::set<ShardId> part = ShareWithOther();
  ASSERT_FALSE(part.empty());
  Plan();
  while (!peers.made.empty()) peers.Claim();
  EXPECT_EQ(lanes.moved(), part.size());
  EXPECT_EQ(lanes.torn(), 0u);
  EXPECT_EQ(keeper.held(), kShards - part.size());
  for (const ShardId shard : part) {
    EXPECT_EQ(keeper.table().at(shard).owner, kOther);
    EXPECT_EQ(keeper.table().at(shard).epoch, kFirst + 1);
  }
  EXPECT_TRUE(keeper.IsComplete());
}

TEST_F(ShardKeeperTest, ARefusedShardIsServedOnInItsEpoch) {
  const std::set<ShardId> part = ShareWithOther();
  Plan();
  while (!peers.made.empty()) peers.Refuse();
  EXPECT_EQ(lanes.resumed(), part.size());
  for (const ShardId shard : part) EXPECT_EQ(keeper.ServedEpoch(shard), kFirst);
}

TEST_F(ShardKeeperTest, WhatBecameOfAnOfferIsReadFromTheRecord) {
  const std::set<ShardId> part = ShareWithOther();
  const ShardId taken = *part.begin();
  Plan();
  cluster.Steal(taken, PrintMemberId(kOther));
  while (!peers.made.empty()) peers.Lose();
  loop.RunAll();
  for (const ShardId shard : part) {
    EXPECT_EQ(keeper.ServedEpoch(shard), shard == taken ? 0 : kFirst + 1) << shard;
  }
  EXPECT_EQ(keeper.table().at(taken).owner, kOther);
  EXPECT_FALSE(lanes.served().contains(taken));
}

TEST_F(ShardKeeperTest, AShardThatIsLeavingAndIsTakenByTheTableHasMoved) {
  const std::set<ShardId> part = ShareWithOther();
  const ShardId shard = *part.begin();
  Plan();
  Tell(shard, kFirst + 1, kOther);
  EXPECT_EQ(lanes.moved(), 1u);
  EXPECT_EQ(metrics.losses.Value(), 0);
  while (!peers.made.empty()) peers.Claim();
  EXPECT_EQ(lanes.moved(), part.size());
}

TEST_F(ShardKeeperTest, ATableThatNamesALaterOwnerTakesTheShard) {
  TakeAll();
  Tell(3, kFirst, kOther);  // no later epoch
  EXPECT_TRUE(lanes.served().contains(3));
  Tell(3, kFirst + 1, kOther);
  EXPECT_FALSE(lanes.served().contains(3));
  EXPECT_EQ(lanes.torn(), 1u);
  EXPECT_EQ(metrics.losses.Value(), 1);
}

TEST_F(ShardKeeperTest, WhoHasAShardThatWasFencedIsReadAndToldToAll) {
  TakeAll();
  Fence(3);
  EXPECT_EQ(keeper.held(), kShards - 1);
  keeper.SetPlacement(placement, {kSelf, kOther});
  Plan(/*may_force=*/false);
  EXPECT_EQ(keeper.table().at(3).owner, kOther);
  Plan(/*may_force=*/false);
  EXPECT_EQ(cluster.table().at(3).owner, PrintMemberId(kOther));
  EXPECT_EQ(RecordedEpoch(3), kFirst + 1);
}

TEST_F(ShardKeeperTest, AFenceOfAnEarlierLifeSaysNothing) {
  TakeAll();
  keeper.OnFenced({3, kFirst - 1});
  keeper.OnFenced({kShards, kFirst});
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst);
}

TEST_F(ShardKeeperTest, AClaimThatWasNotAnsweredIsMadeAgainAfterAPause) {
  SetMembers({kSelf});
  cluster.FailClaims(1);
  Plan();
  EXPECT_EQ(keeper.held(), 0u);
  EXPECT_FALSE(keeper.is_claiming());
  keeper.Plan(SteadyClock::time_point(), true);
  EXPECT_FALSE(keeper.is_claiming()) << "a pause";
  PlanLater();
  EXPECT_TRUE(keeper.IsComplete());
}

TEST_F(ShardKeeperTest, AShardWhoseReclaimIsNotAnsweredIsServedOn) {
  const std::set<ShardId> part = ShareWithOther();
  Plan();
  cluster.FailClaims(1'000);
  while (!peers.made.empty()) peers.Lose();
  loop.RunAll();
  for (const ShardId shard : part) {
    EXPECT_EQ(keeper.ServedEpoch(shard), kFirst);
    EXPECT_FALSE(lanes.served().at(shard).retired);
  }
}

TEST_F(ShardKeeperTest, AnOfferIsAnsweredWhenItIsServedAndPublished) {
  SetMembers({kSelf, kOther});
  cluster.Steal(3, PrintMemberId(kOther));
  lanes.Hold(true);
  OfferShard(3, 1);
  EXPECT_THAT(answers, IsEmpty());
  lanes.Hold(false);
  loop.RunAll();
  ASSERT_THAT(answers, SizeIs(1));
  ASSERT_EQ(answers[0].claimed_size(), 1);
  EXPECT_EQ(answers[0].claimed(0).epoch(), 2u);
  EXPECT_EQ(cluster.table().at(3).owner, PrintMemberId(kSelf));
  EXPECT_EQ(lanes.served().at(3).crashes, 0u);
}

TEST_F(ShardKeeperTest, AnOfferThatCannotBeTakenIsRefusedForCertain) {
  OfferShard(3, 1, /*accept=*/false);
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_TRUE(answers[0].refused());
  OfferShard(3, 1);  // somebody has claimed it meanwhile: it does not name it
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_FALSE(answers[1].refused());
  EXPECT_EQ(answers[1].claimed_size(), 0);
}

TEST_F(ShardKeeperTest, WhoHasOfferedIsGivenNothingBeforeItIsKnownWhy) {
  TakeAll();
  OfferShard(kShards + 1, 1);  // of no shard
  SetMembers({kSelf, kOther});
  Plan();
  EXPECT_THAT(peers.made, IsEmpty());
  keeper.OnMembersKnown(SteadyClock::now() + Duration(1));
  Plan();
  EXPECT_FALSE(peers.made.empty());
}

TEST_F(ShardKeeperTest, AShardIsReclaimedAboveTheEpochThatGatewaysHaveSeen) {
  TakeAll();
  keeper.OnEpochSeen({3, kFirst});        // its own
  keeper.OnEpochSeen({4, ~0u});           // cannot be
  keeper.OnEpochSeen({5, kFirst + 50});   // of another time
  keeper.OnEpochSeen({kShards, kFirst});  // of no shard
  Plan(/*may_force=*/false);
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst);
  EXPECT_EQ(keeper.ServedEpoch(4), kFirst);
  EXPECT_EQ(keeper.ServedEpoch(5), kFirst + 51);
}

TEST_F(ShardKeeperTest, ARecordOfATimeThatIsOverIsClaimedAboveAllWhoeverItNames) {
  SetMembers({kSelf});
  keeper.SetPlacement(placement, {kSelf, kOther});
  cluster.Steal(3, PrintMemberId(kOther));  // in epoch 1
  Tell(3, 1'500, 77);                       // does not live
  Plan();
  EXPECT_EQ(keeper.ServedEpoch(3), 0u);
  Plan(/*may_force=*/false);
  EXPECT_EQ(keeper.ServedEpoch(3), 1'501u);
  EXPECT_NE(keeper.TakeSummary().find("1 of them anew"), std::string::npos);
}

TEST_F(ShardKeeperTest, AStoreThatHasLostTimeIsBelievedInNothingThatIsHeld) {
  TakeAll();
  keeper.ReclaimAll();
  Plan(/*may_force=*/false);
  for (ShardId shard = 0; shard < kShards; ++shard) EXPECT_EQ(keeper.ServedEpoch(shard), kFirst + 1);
  Plan(/*may_force=*/false);
  EXPECT_EQ(keeper.ServedEpoch(0), kFirst + 1) << "once";
}

TEST_F(ShardKeeperTest, AnEvictedShardGoesToTheOtherMemberAndStaysThere) {
  const std::set<ShardId> part = ShareWithOther();
  ShardId shard = 0;
  while (part.contains(shard)) ++shard;
  EXPECT_TRUE(keeper.Evict(shard));
  Plan();
  while (!peers.made.empty()) peers.Claim();
  EXPECT_EQ(keeper.table().at(shard).owner, kOther);
  EXPECT_EQ(keeper.table().at(shard).avoid, kSelf);
  EXPECT_FALSE(keeper.Evict(shard)) << "it is not here any more";
  EXPECT_FALSE(keeper.Evict(kShards));
}

TEST_F(ShardKeeperTest, AnEvictedShardOfALonelyMemberIsRetiredAndClaimedAgain) {
  TakeAll();
  EXPECT_TRUE(keeper.Evict(3));
  Plan();
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst + 1);
  EXPECT_EQ(keeper.ServedEpoch(4), kFirst);
  Plan();
  EXPECT_EQ(keeper.ServedEpoch(3), kFirst + 1) << "once";
}

}  // namespace
}  // namespace dormouse
