#include "statekeeper/link/hand_over_barrier.h"

#include <gmock/gmock.h>

#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::SizeIs;

class HandOverBarrierTest : public GatewayFixture {
 protected:
  void Quiesce() {
    barrier_.Quiesce({{kShard, 1}}, [this] { ++done_; });
  }
  // The loop's turn ends.
  void EndTurn() {
    barrier_.Send();
    Write();
  }
  void Acknowledged(GatewayId id) {
    Acknowledge(id);
    barrier_.OnAcknowledged(*gateways_.Find(id));
    Write();
  }

  HandOverBarrier barrier_{&gateways_};
  int done_ = 0;
};

TEST_F(HandOverBarrierTest, IsPassedWhenEveryGatewayHasAcknowledgedTwoMarks) {
  Link(kOwn);
  Link(kOther);
  Quiesce();
  EndTurn();
  EXPECT_THAT(StreamOf(kOwn).Payloads(), SizeIs(1));
  Acknowledged(kOwn);
  Acknowledged(kOwn);
  EXPECT_THAT(StreamOf(kOwn).Payloads(), SizeIs(1));  // the other has not passed the first
  Acknowledged(kOther);
  EXPECT_THAT(StreamOf(kOwn).Payloads(), SizeIs(2));
  Acknowledged(kOwn);
  EXPECT_EQ(done_, 0);
  Acknowledged(kOther);
  EXPECT_EQ(done_, 1);
}

TEST_F(HandOverBarrierTest, CallsOfOneTurnShareARound) {
  Link(kOwn);
  for (int i = 0; i < 5; ++i) Quiesce();
  EndTurn();
  Acknowledged(kOwn);
  Acknowledged(kOwn);
  EXPECT_EQ(done_, 5);
  EXPECT_THAT(StreamOf(kOwn).Payloads(), SizeIs(2));
}

TEST_F(HandOverBarrierTest, WhoIsLostIsNotWaitedFor) {
  Link(kOwn);
  Link(kOther);
  Quiesce();
  EndTurn();
  Acknowledged(kOwn);
  gateways_.Find(kOther)->OnLost();
  barrier_.OnLost(kOther);
  Write();
  Acknowledged(kOwn);
  EXPECT_EQ(done_, 1);
}

TEST_F(HandOverBarrierTest, WithoutGatewaysItIsPassedAtOnce) {
  Quiesce();
  EXPECT_EQ(done_, 1);
  Link(kOwn);
  Quiesce();
  gateways_.Find(kOwn)->OnLost();  // before it was sent the mark
  barrier_.OnLost(kOwn);
  EndTurn();
  EXPECT_EQ(done_, 2);
}

}  // namespace
}  // namespace dormouse
