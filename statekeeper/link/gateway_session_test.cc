#include "statekeeper/link/gateway_session.h"

#include <gmock/gmock.h>

#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class GatewaySessionTest : public GatewayFixture {};

TEST_F(GatewaySessionTest, GreetsWithWhatTheLaneOwnsAndIsToldOfMoreBeforeAnythingElse) {
  owned_.Own({kShard, 4});
  GatewaySession* const session = Link(kOwn);
  ASSERT_THAT(StreamOf(kOwn).written, SizeIs(1));
  EXPECT_EQ(StreamOf(kOwn).written[0].hello().incarnation(), 77u);
  EXPECT_EQ(StreamOf(kOwn).written[0].owned(0).epoch(), 4u);
  owned_.Own({kShard, 5});
  Deliver(kOwn, "a");
  session->Own(kShard);
  StreamOf(kOwn).busy = true;
  Write();
  EXPECT_THAT(StreamOf(kOwn).written, SizeIs(1));
  StreamOf(kOwn).busy = false;
  session->WantWrite();
  Write();
  ASSERT_THAT(StreamOf(kOwn).written, SizeIs(3));
  EXPECT_EQ(StreamOf(kOwn).written[1].owned(0).epoch(), 5u);
  EXPECT_EQ(StreamOf(kOwn).written[2].batch(), 1u);
  EXPECT_EQ(messages_sent_, 3u);
}

TEST_F(GatewaySessionTest, WhatWasNotAcknowledgedIsWrittenToTheNextStream) {
  GatewaySession* const session = Link(kOwn);
  Deliver(kOwn, "a");
  Write();
  Acknowledge(kOwn);
  Deliver(kOwn, "b");
  Write();
  session->OnLost();
  EXPECT_FALSE(session->linked());
  Deliver(kOwn, "c");
  Write();
  Link(kOwn);
  Write();
  EXPECT_TRUE(StreamOf(kOwn).written[0].hello().resumed());
  EXPECT_EQ(StreamOf(kOwn).written[0].hello().after(), 1u);
  EXPECT_THAT(StreamOf(kOwn).Payloads(), ElementsAre("b", "c"));
}

TEST_F(GatewaySessionTest, ASecondStreamReplacesTheFirst) {
  Link(kOwn);
  const auto first = streams_[kOwn];
  Link(kOwn);
  EXPECT_EQ(first->ended, grpc::StatusCode::ABORTED);
  EXPECT_EQ(first->context(), nullptr);
}

TEST_F(GatewaySessionTest, NotesWaitForDeliveriesOrTheirTime) {
  GatewaySession* const session = Link(kOwn);
  session->Settled(kShard, 1, 1);
  Write();
  EXPECT_THAT(StreamOf(kOwn).written, SizeIs(1));
  WriteAll();
  ASSERT_THAT(StreamOf(kOwn).written, SizeIs(2));
  EXPECT_EQ(StreamOf(kOwn).written[1].settled_size(), 1);
  session->Settled(kShard, 1, 2);
  Deliver(kOwn, "a");
  Write();
  EXPECT_EQ(StreamOf(kOwn).written[2].settled_size(), 1);
}

TEST_F(GatewaySessionTest, AFreshStartForgetsWhatWasReceivedAndIsRare) {
  GatewaySession* const session = Link(kOwn);
  Receive(kOwn, 1);
  EXPECT_TRUE(session->StartAfresh());
  EXPECT_FALSE(session->received().Has(kShard, 1));
  EXPECT_FALSE(session->StartAfresh());
}

TEST_F(GatewaySessionTest, HangsWhenItAcknowledgesNothingForManyLooks) {
  GatewaySession* const session = Link(kOwn);
  const auto look = [&](uint32_t times) {
    for (uint32_t i = 0; i < times; ++i) session->Tick();
  };
  look(100);
  EXPECT_FALSE(session->hangs());  // it owes nothing
  Deliver(kOwn, "a");
  Write();
  look(GatewaySession::kTicks);
  EXPECT_TRUE(session->stands());
  EXPECT_FALSE(session->hangs());
  session->SeenAtWork();
  look(GatewaySession::kTicks);
  EXPECT_FALSE(session->hangs());
  Acknowledge(kOwn);
  Deliver(kOwn, "b");
  Write();
  look(GatewaySession::kTicks);
  EXPECT_FALSE(session->hangs());
  look(1);
  EXPECT_TRUE(session->hangs());
}

TEST_F(GatewaySessionTest, AnAbandonedOneHearsWhyIfItReads) {
  Link(kOwn)->Abandon("test");
  EXPECT_EQ(StreamOf(kOwn).ended, grpc::StatusCode::RESOURCE_EXHAUSTED);
  GatewaySession* const hanging = Link(kOther);
  StreamOf(kOther).busy = true;
  hanging->Abandon("test");
  EXPECT_TRUE(StreamOf(kOther).aborted);
  EXPECT_FALSE(hanging->linked());
}

TEST_F(GatewaySessionTest, AnswersAreLostWithTheStream) {
  GatewaySession* const session = Link(kOwn);
  session->Answer({});
  session->OnLost();
  Link(kOwn);
  Write();
  EXPECT_THAT(StreamOf(kOwn).written, SizeIs(1));
  session->Answer({});
  Write();
  EXPECT_EQ(StreamOf(kOwn).written.back().looks_size(), 1);
}

}  // namespace
}  // namespace dormouse
