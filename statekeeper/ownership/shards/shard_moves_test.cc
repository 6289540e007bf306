#include "statekeeper/ownership/shards/shard_moves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "statekeeper/ownership/members/testing/fake_peer_offers.h"
#include "statekeeper/ownership/members/testing/manual_loop.h"
#include "statekeeper/ownership/shards/testing/fake_shard_servers.h"

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr MemberId kSelf = 1;
constexpr MemberId kOther = 2;
constexpr uint32_t kEpoch = 7;

class ShardMovesTest : public testing::Test, private ShardMoves::Owner {
 protected:
  ~ShardMovesTest() override { queue_->Close(); }

  // The first shards, which are served.
  std::vector<ShardEpoch> Shards(size_t count) {
    std::vector<ShardEpoch> shards;
    std::vector<TakenShard> taken;
    for (size_t i = 0; i < count; ++i) {
      shards.push_back({static_cast<ShardId>(i), kEpoch});
      taken.push_back({static_cast<ShardId>(i), kEpoch});
    }
    lanes_.Serve(taken, [] {});
    return shards;
  }
  void Start(MemberId to, const std::vector<ShardEpoch>& shards) {
    moves_.Start(to, shards);
    loop_.RunAll();
  }
  size_t Room() const { return moves_.Room(kOther, SteadyClock::now()); }
  size_t RoomLater() const { return moves_.Room(kOther, SteadyClock::now() + Duration(60'000)); }

  static constexpr size_t kAll = ShardMoves::kBatchesPerMember * ShardMoves::kBatchShards;

  ManualLoop loop_;
  std::shared_ptr<TaskQueue> queue_ = std::make_shared<TaskQueue>(loop_.get());
  prometheus::Registry registry_;
  OwnershipMetrics metrics_{&registry_};
  FakeShardServers lanes_;
  FakePeerOffers peers_;
  ShardMoves moves_{kSelf, &lanes_, &peers_, queue_, &metrics_, this};

  std::set<ShardId> changed_mind_;  // are not to move any more
  std::vector<ShardId> moved_;
  std::vector<ShardId> refused_;
  std::vector<ShardId> unclear_;

 private:
  bool IsToMove(const ShardEpoch& shard, MemberId) const override {
    return !changed_mind_.contains(shard.shard);
  }
  MemberId AvoidedBy(ShardId shard) const override { return shard == 1 ? kSelf : 0; }
  void OnMoved(const ShardEpoch& shard, MemberId to, uint32_t now) override {
    EXPECT_EQ(to, kOther);
    EXPECT_EQ(now, shard.epoch + 1);
    moved_.push_back(shard.shard);
  }
  void OnRefused(const std::vector<ShardEpoch>& shards) override {
    for (const ShardEpoch& shard : shards) refused_.push_back(shard.shard);
  }
  void OnUnclear(const std::vector<ShardEpoch>& shards) override {
    for (const ShardEpoch& shard : shards) unclear_.push_back(shard.shard);
  }
};

TEST_F(ShardMovesTest, WhatHasRetiredIsOfferedAndHasMovedWhenItIsClaimed) {
  lanes_.Hold(true);
  Start(kOther, Shards(2));
  EXPECT_THAT(peers_.made, IsEmpty()) << "it is not at rest yet";
  lanes_.Hold(false);
  loop_.RunAll();
  ASSERT_EQ(peers_.made.size(), 1u);
  const peer::OfferRequest& request = peers_.made[0].request;
  ASSERT_EQ(request.shards_size(), 2);
  EXPECT_EQ(request.shards(1).epoch(), kEpoch);
  EXPECT_EQ(request.shards(1).avoid(), kSelf);
  EXPECT_THAT(moved_, IsEmpty());
  peers_.Claim();
  EXPECT_THAT(moved_, ElementsAre(0, 1));
  EXPECT_EQ(metrics_.hand_overs.Value(), 2);
}

TEST_F(ShardMovesTest, SmallBatchesGoAtOnceAndNoMoreThanAMemberCanTake) {
  EXPECT_EQ(Room(), kAll);
  Start(kOther, Shards(ShardMoves::kBatchShards + 1));
  EXPECT_EQ(peers_.made.size(), 2u);
  EXPECT_EQ(Room(), kAll - 2 * ShardMoves::kBatchShards);
  peers_.Claim();
  peers_.Claim();
  EXPECT_EQ(Room(), kAll);
}

TEST_F(ShardMovesTest, NothingGoesWhereNobodyAnswers) {
  peers_.unreachable = {kOther};
  EXPECT_EQ(Room(), 0u);
  EXPECT_EQ(moves_.Room(kSelf, SteadyClock::now()), kAll);
}

TEST_F(ShardMovesTest, WhatIsNotToMoveAnyMoreStays) {
  changed_mind_ = {0, 1};
  Start(kOther, Shards(3));
  EXPECT_THAT(refused_, ElementsAre(0, 1));
  ASSERT_EQ(peers_.made.size(), 1u);
  EXPECT_EQ(peers_.made[0].request.shards_size(), 1);
}

TEST_F(ShardMovesTest, ARefusalIsCertainAndPausesTheMember) {
  Start(kOther, Shards(1));
  peers_.Refuse();
  EXPECT_THAT(refused_, ElementsAre(0));
  EXPECT_THAT(unclear_, IsEmpty());
  EXPECT_EQ(metrics_.hand_over_failures.Value(), 1);
  EXPECT_EQ(Room(), 0u);
  EXPECT_EQ(RoomLater(), kAll);
}

TEST_F(ShardMovesTest, WithoutAnAnswerItIsUnclearWhoHasThem) {
  Start(kOther, Shards(2));
  peers_.Lose();
  EXPECT_THAT(unclear_, ElementsAre(0, 1));
  EXPECT_THAT(moved_, IsEmpty());
}

TEST_F(ShardMovesTest, WhatAnAnswerDoesNotNameOrNamesInItsOwnEpochIsUnclear) {
  Start(kOther, Shards(3));
  const FakePeerOffers::Made offer = peers_.Take();
  auto answer = std::make_unique<peer::OfferAnswer>();
  for (const uint32_t shard : {0u, 2u}) {
    peer::OfferAnswer::Shard* claimed = answer->add_claimed();
    claimed->set_shard(shard);
    claimed->set_epoch(shard == 0 ? kEpoch + 1 : kEpoch);
  }
  offer.done(std::move(answer));
  EXPECT_THAT(moved_, ElementsAre(0));
  EXPECT_THAT(unclear_, ElementsAre(1, 2));
}

TEST_F(ShardMovesTest, AMoveToItselfOnlyRetires) {
  Start(kSelf, Shards(1));
  EXPECT_THAT(peers_.made, IsEmpty());
  EXPECT_THAT(unclear_, ElementsAre(0));
  EXPECT_TRUE(lanes_.served().at(0).retired);
}

}  // namespace
}  // namespace dormouse
