#include "statekeeper/link/lost_output.h"

#include <gmock/gmock.h>

#include <limits>
#include <set>

#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LostOutputTest : public GatewayFixture {
 protected:
  LostOutputTest() {
    owned_.Own({kShard, 1});
    Link(kOwn);
  }

  void GiveUp() {
    const auto session = gateways_.Remove(kOwn);
    session->Abandon("test");
    lost_.OnGivenUp(session.get(), 0);
  }
  // The sockets that are closed once it is back, having got this much.
  std::set<uint64_t> ComeBack(uint64_t received_through) {
    lost_.OnBack(Link(kOwn), received_through, owned_);
    std::set<uint64_t> closed;
    Outbox::Seen seen;
    gateways_.Find(kOwn)->mutable_outbox()->VisitUnseen(&seen, [&](std::string_view deliveries) {
      DeliveryView delivery;
      while (ReadDelivery(&deliveries, &delivery)) {
        EXPECT_EQ(delivery.kind, DeliveryKind::kOutputLost);
        EXPECT_EQ(delivery.epoch, 1u);
        for (uint32_t i = 0; i < delivery.recipient_count; ++i) closed.insert(delivery.recipient(i));
      }
    });
    return closed;
  }

  LostOutput lost_;
};

TEST_F(LostOutputTest, WhoLacksSomethingIsClosedWhenTheGatewayIsBack) {
  Deliver(kOwn, "acknowledged", {}, 4);
  Write();
  Acknowledge(kOwn);
  Deliver(kOwn, "written", {}, 5);
  Write();
  Deliver(kOwn, "not written", {}, 6);
  GiveUp();
  EXPECT_THAT(ComeBack(1), ElementsAre(5, 6));
}

TEST_F(LostOutputTest, WhatTheGatewayHadGotIsNotLost) {
  Deliver(kOwn, "first", {}, 4);
  Write();
  Deliver(kOwn, "second", {}, 5);
  Write();
  Deliver(kOwn, "third", {}, 4);
  Write();
  GiveUp();
  EXPECT_THAT(ComeBack(2), ElementsAre(4));
}

TEST_F(LostOutputTest, WhatComesAgainIsNotLost) {
  const Recipient recipient{7, {}};
  gateways_.Find(kOwn)->Deliver({.shard = kShard,
                                 .epoch = 1,
                                 .cause = {kOwn, kShard, 12},
                                 .recipients = {&recipient, 1},
                                 .payload = "an answer"});
  GiveUp();
  EXPECT_THAT(ComeBack(0), IsEmpty());
}

TEST_F(LostOutputTest, WhatWasReleasedSinceIsLost) {
  GiveUp();
  lost_.Add(kOwn, 8, kShard, 0);
  EXPECT_THAT(ComeBack(1'000), ElementsAre(8));
}

TEST_F(LostOutputTest, OnceIsEnough) {
  Deliver(kOwn, "lost");
  GiveUp();
  EXPECT_THAT(ComeBack(0), ElementsAre(5));
  gateways_.Remove(kOwn);
  EXPECT_THAT(ComeBack(0), IsEmpty());
}

TEST_F(LostOutputTest, OfShardsThatAreSomebodyElsesItSaysNothing) {
  Deliver(kOwn, "lost");
  GiveUp();
  owned_.Disown(kShard);
  EXPECT_THAT(ComeBack(0), IsEmpty());
}

TEST_F(LostOutputTest, IsForgottenInTheEnd) {
  Deliver(kOwn, "lost");
  GiveUp();
  EXPECT_EQ(lost_.NextExpiryMs(), LostOutput::kRememberMs);
  lost_.Expire(LostOutput::kRememberMs - 1);
  EXPECT_EQ(lost_.NextExpiryMs(), LostOutput::kRememberMs);
  lost_.Expire(LostOutput::kRememberMs);
  EXPECT_EQ(lost_.NextExpiryMs(), std::numeric_limits<int64_t>::max());
  EXPECT_THAT(ComeBack(0), IsEmpty());
}

}  // namespace
}  // namespace dormouse
