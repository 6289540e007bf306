#include "gateway/link/batch_receiver.h"

#include <gmock/gmock.h>

#include "gateway/link/testing/lane_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr GatewayId kHere = 1;
constexpr GatewayId kElsewhere = 2;

class BatchReceiverTest : public LaneFixture, private StatekeeperLinks::Edge {
 protected:
  // A delivery of that event.
  static std::string Delivery(GatewayId gateway, uint64_t sequence, std::string_view payload,
                              DeliveryToAppend rest = {.cause = {}, .recipients = {}, .payload = {}}) {
    std::string record;
    rest.shard = kShard;
    if (rest.epoch == 0) rest.epoch = 1;
    rest.cause = {gateway, kShard, sequence};
    rest.payload = payload;
    AppendDelivery(rest, &record);
    return record;
  }
  bool Receive(std::string_view deliveries, const link::ToGateway& batch = {}) {
    return receiver_.Receive(&lane_, batch, deliveries);
  }
  static link::ToGateway Settled(uint64_t first, uint64_t last) {
    link::ToGateway batch;
    link::Settled* settled = batch.add_settled();
    settled->set_shard(kShard);
    settled->set_epoch(1);
    settled->set_first(first);
    settled->set_last(last);
    return batch;
  }

  void OnDelivery(const DeliveryView& delivery) override { delivered_.emplace_back(delivery.payload); }
  void OnProfiles(const std::vector<link::ClassProfile>&, uint32_t) override {}
  void OnUncongested() override {}
  void OnSettled(const EventView& event) override { settled_.emplace_back(event.payload); }
  void OnUnreadable(const EventView&) override {}

  BatchReceiver receiver_{kHere, &buffer_, this, nullptr};
  std::vector<std::string> delivered_;
  std::vector<std::string> settled_;
};

TEST_F(BatchReceiverTest, EachDeliveryReachesTheEdgeOnce) {
  Append(kShard, "event");
  const std::string own = Delivery(kHere, 1, "own");
  const std::string foreign = Delivery(kElsewhere, 9, "foreign");
  const std::string alarm = Delivery(0, 0, "alarm");
  EXPECT_TRUE(Receive(own + foreign + alarm));
  EXPECT_TRUE(Receive(own + foreign + alarm));  // an alarm that runs twice has happened twice
  EXPECT_THAT(delivered_, ElementsAre("own", "foreign", "alarm", "alarm"));
  EXPECT_THAT(settled_, IsEmpty());
}

TEST_F(BatchReceiverTest, TheFinalDeliverySettlesItsEvent) {
  Append(kShard, "event");
  EXPECT_TRUE(
      Receive(Delivery(kHere, 1, "own", {.final = true, .cause = {}, .recipients = {}, .payload = {}})));
  EXPECT_THAT(delivered_, ElementsAre("own"));
  EXPECT_THAT(settled_, ElementsAre("event"));
}

TEST_F(BatchReceiverTest, ANoteSettlesEventsAndOthersAreForgotten) {
  Append(kShard, "a");
  Append(kShard, "b");
  link::ToGateway batch = Settled(1, 2);
  link::Forget* forget = batch.add_forget();
  forget->set_gateway(kElsewhere);
  forget->set_shard(kShard);
  forget->set_first(9);
  forget->set_last(9);
  EXPECT_TRUE(Receive(Delivery(kElsewhere, 9, "x"), batch));
  EXPECT_THAT(settled_, ElementsAre("a", "b"));
  EXPECT_EQ(buffer_[kShard].foreign.size(), 0u);
}

TEST_F(BatchReceiverTest, WhatIsSaidInAnEpochThatIsOverIsIgnoredAndTheLaneHearsSo) {
  Append(kShard, "event");
  buffer_.Assign(&buffer_[kShard], &unassigned_, 2);
  EXPECT_FALSE(stream().HasToSay());
  EXPECT_TRUE(Receive(Delivery(kHere, 1, "own"), Settled(1, 1)));
  EXPECT_THAT(delivered_, IsEmpty());
  EXPECT_THAT(settled_, IsEmpty());
  EXPECT_TRUE(stream().HasToSay());
}

TEST_F(BatchReceiverTest, WhatMakesNoSenseIsPassedOverAndAllElseDone) {
  Append(kShard, "event");
  EXPECT_FALSE(Receive(Delivery(kHere, 5, "of no event") + Delivery(kHere, 1, "own")));
  EXPECT_THAT(delivered_, ElementsAre("own"));
  EXPECT_FALSE(Receive({}, Settled(1, 9)));
  EXPECT_THAT(settled_, IsEmpty());
  link::ToGateway no_shard = Settled(1, 1);
  no_shard.mutable_settled(0)->set_shard(99);
  EXPECT_FALSE(Receive({}, no_shard));
}

TEST_F(BatchReceiverTest, NothingIsSettledBehindADeliveryThatCannotBeRead) {
  Append(kShard, "event");
  const std::string whole = Delivery(kHere, 1, "own");
  EXPECT_FALSE(Receive(whole.substr(0, whole.size() - 1), Settled(1, 1)));
  EXPECT_THAT(settled_, IsEmpty());
}

TEST_F(BatchReceiverTest, ABarrierAsksForItsAcknowledgement) {
  EXPECT_TRUE(Receive(
      Delivery(0, 0, {}, {.kind = DeliveryKind::kBarrier, .cause = {}, .recipients = {}, .payload = {}})));
  EXPECT_TRUE(receiver_.TakeBarrier());
  EXPECT_FALSE(receiver_.TakeBarrier());
}

}  // namespace
}  // namespace dormouse
