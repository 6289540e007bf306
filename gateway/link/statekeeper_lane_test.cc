#include "gateway/link/statekeeper_lane.h"

#include <gmock/gmock.h>

#include "gateway/link/testing/lane_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StatekeeperLaneTest : public LaneFixture {
 protected:
  void Queue(uint64_t connection, std::string_view payload, EventKind kind = EventKind::kText) {
    lane_.Queue(&buffer_[kShard],
                {.kind = kind,
                 .shard = kShard,
                 .epoch = 1,
                 .connection = connection,
                 .hub = "echo/a",
                 .payload = payload},
                {});
  }
};

TEST_F(StatekeeperLaneTest, ShardsTakeTurns) {
  OpenAndGreet();
  const std::string much(50'000, 'x');
  for (int i = 0; i < 4; ++i) Append(0, much);
  Append(1, "one word");
  const std::vector<std::string> sent = Payloads(Flush());
  ASSERT_EQ(sent.size(), 5u);
  EXPECT_EQ(sent[2], "one word");
}

TEST_F(StatekeeperLaneTest, WhatIsQueuedWaitsBehindAWindowAndOthersPass) {
  OpenAndGreet();
  const std::string much(SendWindow::kBytes, 'x');
  Queue(5, much);
  Queue(5, "behind it");
  Append(0, "numbered");
  EXPECT_THAT(Payloads(Flush()), ElementsAre("numbered", much));
  Append(0, "passes");
  EXPECT_THAT(Payloads(Flush()), ElementsAre("passes"));
  EXPECT_TRUE(lane_.HasQueued(5));
  lane_.DealtWith(buffer_[kShard], 1);
  EXPECT_THAT(Payloads(Flush()), ElementsAre("behind it"));
  EXPECT_FALSE(lane_.HasQueued());
}

TEST_F(StatekeeperLaneTest, ABatchIsNotAcknowledgedBeforeWhatCameBackOfItWasSent) {
  OpenAndGreet();
  const std::string much(SendWindow::kBytes, 'x');
  Queue(4, much);
  EXPECT_THAT(Payloads(Flush()), ElementsAre(much));
  Queue(5, "came back", EventKind::kUndelivered);  // while batch 1 is delivered
  far_->SayBatch(1);
  far_->Await([this] { return stream().received_through() == 1; });
  lane_.Flush(true);
  EXPECT_EQ(stream().acknowledged_through(), 0u);
  lane_.DealtWith(buffer_[kShard], 1);
  const link::ToLane message = Flush(true);
  EXPECT_THAT(Payloads(message), ElementsAre("came back"));
  EXPECT_EQ(message.received_through(), 1u);
}

TEST_F(StatekeeperLaneTest, ANewOwnerIsToldEverythingBeforeItsNextBatchIsAcknowledged) {
  OpenAndGreet();
  far_->SayBatch(1);
  far_->Await([this] { return stream().received_through() == 1; });
  lane_.HoldAcknowledgement(kShard, 2);  // of batch 2, which is of that epoch
  far_->SayBatch(2);
  far_->Await([this] { return stream().received_through() == 2; });
  EXPECT_EQ(Flush(true).received_through(), 1u);
  Append(kShard, "unsettled");
  buffer_.Assign(&buffer_[kShard], &lane_, 2);
  lane_.Resend(kShard, true);
  const link::ToLane message = Flush(true);
  EXPECT_THAT(Payloads(message), ElementsAre("unsettled"));
  EXPECT_EQ(message.received_through(), 2u);
}

TEST_F(StatekeeperLaneTest, FindsTheEventThatLiesAtAPosition) {
  OpenAndGreet();
  Append(0, "a");
  Append(1, "b");
  const link::ToLane message = Flush();
  const std::string_view batch = message.events();
  std::string_view rest = batch;
  EventView event;
  ASSERT_TRUE(ReadEvent(&rest, &event));
  const auto [shard, sequence] = lane_.FindSent(static_cast<uint32_t>(batch.size() - rest.size()));
  EXPECT_EQ(shard, &buffer_[1]);
  EXPECT_EQ(sequence, 1u);
  EXPECT_EQ(lane_.FindSent(1'000).first, nullptr);
}

TEST_F(StatekeeperLaneTest, WhatIsQueuedFollowsItsShard) {
  Queue(5, "queued");
  buffer_.Assign(&buffer_[kShard], &unassigned_, 2);
  unassigned_.TakeQueued(kShard, &lane_);
  EXPECT_FALSE(lane_.HasQueued());
  EXPECT_TRUE(unassigned_.HasQueued(5));
  EXPECT_EQ(unassigned_.share()->bytes, buffer_[kShard].bytes());
}

}  // namespace
}  // namespace dormouse
