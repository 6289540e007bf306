#include "statekeeper/link/settlement_tracker.h"

#include <gmock/gmock.h>

#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

class SettlementTrackerTest : public GatewayFixture {
 protected:
  SettlementTrackerTest() {
    owned_.Own({kShard, 1});
    Link(kOwn);
    Link(kOther);
  }

  // Event `sequence` of kOwn, with output to these.
  void Release(uint64_t sequence, const std::vector<GatewayId>& to) {
    Receive(kOwn, sequence);
    Track({.cause = {kOwn, kShard, sequence}, .shard = kShard, .epoch = 1}, to);
  }
  void Track(EventOutput event, const std::vector<GatewayId>& to) {
    Output output;
    output.payload = "x";
    for (const GatewayId id : to) output.to.push_back({{id, 1}, {}});
    event.outputs.push_back(std::move(output));
    tracker_.Track(&event, fanout_.Send(event, false));
    Write();
  }
  void Acknowledged(GatewayId id) { tracker_.OnAcknowledged(id, Acknowledge(id)); }
  // That kOwn was told are settled, and kOther that they can be forgotten.
  uint64_t Settled() {
    WriteAll();
    uint64_t last = 0;
    for (const link::ToGateway& message : StreamOf(kOwn).written) {
      for (const link::Settled& settled : message.settled()) last = settled.last();
    }
    return last;
  }
  uint64_t Forgotten() {
    WriteAll();
    uint64_t last = 0;
    for (const link::ToGateway& message : StreamOf(kOther).written) {
      for (const link::Forget& forget : message.forget()) last = forget.last();
    }
    return last;
  }

  DeliveryFanout fanout_{&gateways_, [](const EventOutput&, const Output&, const Output::To&) {}};
  SettlementTracker tracker_{&gateways_, &owned_};
};

TEST_F(SettlementTrackerTest, AnEventIsSettledWhenOthersHaveItsOutputAndForgottenWhenItsGatewayKnows) {
  Release(1, {kOwn, kOther});
  EXPECT_TRUE(tracker_.HasUnsettled(kOwn, kShard));
  Acknowledged(kOwn);
  EXPECT_EQ(Settled(), 0u);
  Acknowledged(kOther);
  EXPECT_EQ(Settled(), 1u);
  EXPECT_FALSE(tracker_.HasUnsettled(kOwn, kShard));
  EXPECT_EQ(Forgotten(), 0u);
  Acknowledged(kOwn);
  EXPECT_EQ(Forgotten(), 1u);
}

TEST_F(SettlementTrackerTest, EventsOfAShardAreSettledInOrder) {
  Release(1, {kOther});
  Release(2, {});
  EXPECT_EQ(Settled(), 0u);
  Acknowledged(kOther);
  EXPECT_EQ(Settled(), 2u);
}

TEST_F(SettlementTrackerTest, WhatAGatewayIgnoresIsNotSettledHere) {
  Release(1, {kOther});
  tracker_.OnStale(kOther, kShard, 2);
  Acknowledged(kOther);
  EXPECT_EQ(Settled(), 0u);
  EXPECT_FALSE(tracker_.HasUnsettled(kOwn, kShard));
}

TEST_F(SettlementTrackerTest, WhoIsGivenUpIsNotWaitedFor) {
  Release(1, {kOther});
  EXPECT_GT(tracker_.BytesOf(kOther), 0u);
  gateways_.Remove(kOther);
  tracker_.OnGivenUp(kOther);
  EXPECT_EQ(Settled(), 1u);
  EXPECT_EQ(tracker_.BytesOf(kOther), 0u);
}

TEST_F(SettlementTrackerTest, OthersForgetWhatAGatewayThatIsGivenUpWillNotHearOf) {
  Release(1, {kOther});
  Release(2, {kOther});
  Acknowledged(kOther);
  gateways_.Remove(kOwn);
  tracker_.OnGivenUp(kOwn);
  EXPECT_EQ(Forgotten(), 2u);
}

TEST_F(SettlementTrackerTest, AfterAFreshStartNothingThatComesAgainIsForgotten) {
  Release(1, {kOther});
  Acknowledged(kOther);
  EXPECT_EQ(Settled(), 1u);
  tracker_.OnAfresh(kOwn);  // it has not heard of that
  Acknowledged(kOwn);
  EXPECT_EQ(Forgotten(), 0u);
}

TEST_F(SettlementTrackerTest, ShardsOfAnotherOwnerAreNotSettledHere) {
  Release(1, {kOther});
  owned_.Disown(kShard);
  gateways_.Find(kOwn)->received().Forget(kShard);
  tracker_.Forget(kOwn, kShard);
  Acknowledged(kOther);
  EXPECT_EQ(Settled(), 0u);
}

TEST_F(SettlementTrackerTest, WhatIsNoEventTellsItsCallerWhileTheShardIsOwned) {
  int told = 0;
  const auto release = [&] {
    Track({.cause = {}, .shard = kShard, .epoch = 1, .acknowledged = [&] { ++told; }}, {kOwn, kOther});
  };
  release();
  Acknowledged(kOwn);
  EXPECT_EQ(told, 0);
  Acknowledged(kOther);
  EXPECT_EQ(told, 1);
  release();
  owned_.Disown(kShard);
  Acknowledged(kOwn);
  Acknowledged(kOther);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace dormouse
