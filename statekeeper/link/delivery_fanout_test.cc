#include "statekeeper/link/delivery_fanout.h"

#include <gmock/gmock.h>

#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DeliveryFanoutTest : public GatewayFixture {
 protected:
  static Output To(const std::vector<ConnectionId>& to, std::string payload) {
    Output output;
    for (const ConnectionId& id : to) output.to.push_back({id, {}});
    output.payload = std::move(payload);
    return output;
  }
  static EventOutput Event(std::vector<Output> outputs) {
    return {.cause = {kOwn, kShard, 9}, .shard = kShard, .epoch = 1, .outputs = std::move(outputs)};
  }
  std::vector<bool> Finals(GatewayId id) {
    std::vector<bool> finals;
    for (const link::ToGateway& message : StreamOf(id).written) {
      std::string_view rest = message.deliveries();
      for (DeliveryView delivery; ReadDelivery(&rest, &delivery);) finals.push_back(delivery.final);
    }
    return finals;
  }

  std::vector<std::string> undeliverable_;
  DeliveryFanout fanout_{&gateways_, [this](const EventOutput&, const Output& output, const Output::To&) {
                           undeliverable_.push_back(output.payload);
                         }};
};

TEST_F(DeliveryFanoutTest, EachGatewayGetsOneDeliveryForAllItsRecipients) {
  Link(kOwn);
  Link(kOther);
  const EventOutput event = Event({To({{kOwn, 1}, {kOther, 2}, {kOwn, 3}}, "a"), To({{kOther, 2}}, "b")});
  EXPECT_TRUE(fanout_.ReachesOthers(event));
  const auto parts = fanout_.Send(event, false);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[1].gateway->id(), kOther);
  EXPECT_EQ(parts[1].batch, 1u);
  Write();
  EXPECT_THAT(StreamOf(kOwn).Payloads(), ElementsAre("a"));
  EXPECT_THAT(StreamOf(kOther).Payloads(), ElementsAre("a", "b"));
  std::string_view rest = StreamOf(kOther).written.back().deliveries();
  DeliveryView delivery;
  for (uint32_t index : {0u, 1u}) {
    ASSERT_TRUE(ReadDelivery(&rest, &delivery));
    EXPECT_EQ(delivery.index, index);
    EXPECT_EQ(delivery.cause, event.cause);
  }
}

TEST_F(DeliveryFanoutTest, TheLastDeliveryToTheOwnGatewayIsMarkedFinal) {
  Link(kOwn);
  const EventOutput event = Event({To({{kOwn, 1}}, "a"), To({{kOwn, 1}}, "b"), To({}, "nobody")});
  EXPECT_FALSE(fanout_.ReachesOthers(event));
  fanout_.Send(event, true);
  Write();
  EXPECT_THAT(Finals(kOwn), ElementsAre(false, true));
}

TEST_F(DeliveryFanoutTest, WhoIsGoneGetsNothing) {
  Link(kOwn);
  gateways_.Add(kOther);
  gateways_.Remove(kOther);
  const EventOutput event = Event({To({{kOther, 1}}, "a")});
  EXPECT_FALSE(fanout_.ReachesOthers(event));
  EXPECT_THAT(fanout_.Send(event, true), IsEmpty());
  EXPECT_THAT(undeliverable_, ElementsAre("a"));
}

TEST_F(DeliveryFanoutTest, AGatewayWithoutRecipientsGetsItIfItIsNamed) {
  Link(kOwn);
  Link(kOther);
  Output output = To({{kOwn, 1}}, "a");
  output.also_to = {kOther};
  const EventOutput event = Event({output});
  EXPECT_TRUE(fanout_.ReachesOthers(event));
  EXPECT_THAT(fanout_.Send(event, false), SizeIs(2));
  Write();
  EXPECT_THAT(StreamOf(kOther).Payloads(), ElementsAre("a"));
}

}  // namespace
}  // namespace dormouse
