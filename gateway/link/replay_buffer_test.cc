#include "gateway/link/replay_buffer.h"

#include <gtest/gtest.h>

#include <string>

#include "gateway/link/statekeeper_lane.h"

namespace dormouse {
namespace {

class ReplayBufferTest : public testing::Test {
 protected:
  ReplayBufferTest() { buffer_.Open(4, &nobody_); }

  // True: the shard is congested then.
  bool Append(size_t shard, size_t bytes) {
    const std::string payload(bytes, 'x');
    buffer_.Append(&buffer_[shard], {.hub = "echo/a", .payload = payload}, {});
    return buffer_.Congest(&buffer_[shard]);
  }
  void Settle(size_t shard, uint64_t first, uint64_t last) {
    buffer_.Settle(&buffer_[shard], first, last, [](const EventView&) {});
  }

  ReplayBuffer buffer_{100'000};
  StatekeeperLane nobody_{&buffer_};
  StatekeeperLane lane_{&buffer_};
};

TEST_F(ReplayBufferTest, AShardAloneTakesHalfAndLeavesRoomForOthers) {
  size_t taken = 1;
  while (!Append(0, 1'000)) ++taken;
  EXPECT_GT(taken, 40u);
  EXPECT_LT(taken, 50u);
  EXPECT_FALSE(Append(1, 1'000));
  EXPECT_TRUE(buffer_[0].congested);
  EXPECT_EQ(buffer_.unsettled(), taken + 1);
}

TEST_F(ReplayBufferTest, ACongestedShardIsRelievedOnceThereIsMuchRoom) {
  while (!Append(0, 1'000)) {
  }
  Settle(0, 1, 1);
  EXPECT_FALSE(buffer_.TakeRelieved());
  Settle(0, 2, 30);
  EXPECT_TRUE(buffer_.TakeRelieved());
  EXPECT_FALSE(buffer_.TakeRelieved());
  EXPECT_FALSE(buffer_[0].congested);
}

TEST_F(ReplayBufferTest, AnotherOwnerHasOtherRoom) {
  while (!Append(0, 1'000)) {
  }
  while (!Append(1, 1'000)) {
  }
  const uint64_t bytes = buffer_[0].bytes();
  buffer_.Assign(&buffer_[0], &lane_, 1);
  EXPECT_EQ(lane_.share()->bytes, bytes);
  EXPECT_EQ(lane_.share()->shards, 1u);
  EXPECT_EQ(nobody_.share()->shards, 3u);
  Settle(0, 1, 1'000);
  EXPECT_EQ(lane_.share()->bytes, 0u);
  EXPECT_TRUE(buffer_.TakeRelieved());
}

TEST_F(ReplayBufferTest, WhatIsQueuedCountsOnce) {
  buffer_.AddQueued(&buffer_[0], 60'000);
  EXPECT_TRUE(buffer_.Congest(&buffer_[0]));
  EXPECT_EQ(buffer_.unsettled(), 1u);
  buffer_.AppendQueued(&buffer_[0], 60'000, {.hub = "echo/a", .payload = "short"}, {});
  EXPECT_EQ(buffer_.unsettled(), 1u);
  EXPECT_LT(nobody_.share()->bytes, 1'000u);
  Settle(0, 1, 1);
  EXPECT_EQ(buffer_.unsettled(), 0u);
  EXPECT_EQ(nobody_.share()->bytes, 0u);
}

}  // namespace
}  // namespace dormouse
