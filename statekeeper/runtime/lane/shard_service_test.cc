#include "statekeeper/runtime/lane/shard_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Duration kPatience{3'600'000};

class ShardServiceTest : public testing::Test {
 protected:
  const std::string hub_ = "test/a";
  const ShardId shard_ = HostedLane::ShardOfHub(hub_);
  HostedLane lane_;
};

TEST_F(ShardServiceTest, GatewaysAreToldWhatIsServedAndAnEarlierEpochIsNot) {
  lane_.host().shards().Serve({{.shard = 3, .epoch = 5, .commits = 17}});
  lane_.host().shards().Serve({{.shard = 3, .epoch = 4}});
  EXPECT_THAT(lane_.links->owned, ElementsAre(ShardEpoch{3, 5}));
  EXPECT_EQ(lane_.links->commits[3], 17u);
  lane_.host().shards().Serve({{.shard = 3, .epoch = 6}});
  EXPECT_THAT(lane_.links->disowned, ElementsAre(3)) << "in the earlier epoch";
  EXPECT_EQ(lane_.host().hubs().Find(3)->epoch, 6u);
}

TEST_F(ShardServiceTest, ARetiredShardsHubsComeToRestAndItsEventsWait) {
  lane_.Serve();
  lane_.Open(hub_);
  lane_.Turn();
  bool done = false;
  lane_.host().shards().Retire({shard_}, kPatience, [&] { done = true; });
  lane_.Say(hub_, "later");
  lane_.Turn();
  EXPECT_THAT(lane_.links->quiescing, IsEmpty()) << "its hub is under way";
  lane_.Settle();
  EXPECT_EQ(lane_.host().hubs().size(), 0u);
  ASSERT_EQ(lane_.links->quiescing.size(), 1u);
  EXPECT_FALSE(done);
  lane_.links->quiescing[0]();
  EXPECT_TRUE(done);
  EXPECT_THAT(lane_.Sent(), IsEmpty());

  lane_.host().shards().Reinstate({shard_});
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("later"));
}

TEST_F(ShardServiceTest, WhatHadNotBegunWaitsWithARetiredShardInItsOrder) {
  lane_.config.max_handlers = 1;
  lane_.Serve();
  std::string other = "test/0";
  for (int i = 1; HostedLane::ShardOfHub(other) == shard_; ++i) other = "test/" + std::to_string(i);
  lane_.Open(other);  // has the only place
  lane_.Open(hub_);
  lane_.Say(hub_, "one");
  lane_.host().shards().Retire({shard_}, kPatience, [] {});
  lane_.Say(hub_, "two");
  lane_.Settle();
  EXPECT_EQ(lane_.host().hubs().Find(shard_)->waiting.size(), 3u);
  lane_.host().shards().Reinstate({shard_});
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("one", "two"));
}

TEST_F(ShardServiceTest, AHandOverThatTakesTooLongIsOver) {
  lane_.Serve();
  lane_.Open(hub_);
  bool done = false;
  lane_.host().shards().Retire({shard_}, Duration(0), [&] { done = true; });
  lane_.Turn();
  EXPECT_TRUE(done);
}

TEST_F(ShardServiceTest, ARefusedCommitMeansThatAnotherOwnsTheShard) {
  lane_.Serve();
  lane_.Open(hub_);
  lane_.Settle();
  lane_.Sent();
  lane_.Say(hub_, "put");
  lane_.Turn();
  lane_.store->FailStep(StoreStatus::kFenced);
  EXPECT_THAT(lane_.fenced, ElementsAre(ShardEpoch{shard_, 1}));
  EXPECT_THAT(lane_.links->disowned, ElementsAre(shard_));
  EXPECT_EQ(lane_.host().hubs().Find(shard_), nullptr);
  lane_.Turn();
  EXPECT_THAT(lane_.links->released, IsEmpty()) << "the owner answers";
}

TEST_F(ShardServiceTest, ADroppedShardIsForgottenUnlessItIsServedInALaterEpoch) {
  lane_.Serve(5);
  lane_.host().shards().Drop({{shard_, 4}});
  EXPECT_NE(lane_.host().hubs().Find(shard_), nullptr);
  lane_.host().shards().Drop({{shard_, 5}});
  EXPECT_EQ(lane_.host().hubs().Find(shard_), nullptr);
}

}  // namespace
}  // namespace dormouse
