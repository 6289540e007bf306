#include "statekeeper/runtime/lane/hub_reader.h"

#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

class HubReaderTest : public testing::Test {
 protected:
  HubReaderTest() {
    lane_.Serve();
    lane_.store->hubs["test/large"][kMetaRow] = "";
    for (int i = 0; i < 1500; ++i) lane_.store->hubs["test/large"]["u/" + std::to_string(10'000 + i)] = "old";
  }
  HubPage Read(uint64_t reading, uint32_t number) {
    HubPage read;
    lane_.host().reader().ReadHub("test/large", reading, number, [&](OperatorStatus status, HubPage page) {
      EXPECT_EQ(status, OperatorStatus::kOk);
      read = std::move(page);
    });
    lane_.Settle();
    return read;
  }
  StoreStatus Write(StoreStatus answer) {
    const ShardEpoch shard = lane_.EpochOf("test/large");
    ShardCommit commit{shard.shard, shard.epoch, {{"test/large", {{"u/10000", "new"}}, {}}}};
    lane_.host().accounts().OnLeaving(commit);
    lane_.host().accounts().OnAnswered(shard, answer);
    return answer;
  }

  HostedLane lane_;
};

TEST_F(HubReaderTest, ALargeHubIsReadInPagesWithWhatIsWrittenMeanwhile) {
  const HubPage first = Read(0, 0);
  EXPECT_EQ(first.rows.size(), 1000u);
  EXPECT_FALSE(first.complete);
  Write(StoreStatus::kOk);
  const HubPage second = Read(first.reading, 1);
  EXPECT_EQ(second.rows.size(), 501u);
  EXPECT_TRUE(second.complete);
  ASSERT_EQ(second.changes.size(), 1u);
  EXPECT_EQ(second.changes[0].value, "new");
  EXPECT_FALSE(second.lost);
}

TEST_F(HubReaderTest, WhereACommitFailedMeanwhileItIsLost) {
  const HubPage first = Read(0, 0);
  Write(StoreStatus::kUnavailable);
  EXPECT_TRUE(Read(first.reading, 1).lost);
  EXPECT_TRUE(Read(first.reading, 2).lost) << "and forgotten";
}

TEST_F(HubReaderTest, AllHubsOfAShardAreReadAndALargeOneIsNamed) {
  HubsPage read;
  lane_.host().reader().ReadHubs(HostedLane::ShardOfHub("test/large"), "",
                                 [&](OperatorStatus, HubsPage page) { read = std::move(page); });
  lane_.Settle();
  EXPECT_EQ(read.large, "test/large");
  EXPECT_FALSE(read.complete);
}

TEST_F(HubReaderTest, WithoutRoomForOneMoreFiberItIsCrowded) {
  HostedLane lane;
  lane.config.max_handlers = 1;
  lane.Serve();
  lane.Open("test/a");
  ShardEpoch shard;
  EXPECT_EQ(lane.host().reader().MayBegin(0, &shard), OperatorStatus::kCrowded);
  lane.Settle();
  EXPECT_EQ(lane.host().reader().MayBegin(0, &shard), OperatorStatus::kOk);
  EXPECT_EQ(lane.host().reader().MayBegin(HostedLane::kShards, &shard), OperatorStatus::kNotOwner);
}

}  // namespace
}  // namespace dormouse
