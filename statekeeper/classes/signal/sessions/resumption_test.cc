// Sessions that come back to another socket: with which token, what of the session they find, and when.
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ResumptionTest : public ResumeStage {};

TEST_F(ResumptionTest, ASessionSurvivesItsSocket) {
  const Welcome me = Me();
  EXPECT_EQ(me.token().size(), 69u);
  hub().ConnectionBreaks(me.client);
  const Welcome back = Arrive(me.token());
  EXPECT_TRUE(back.resumed());
  EXPECT_EQ(back.connected["payload.missed"], "0");
  EXPECT_EQ(back.session(), me.session());
  EXPECT_NE(back.token(), me.token());
  EXPECT_EQ(back.connected.String("correlationId"), "1");
  ExpectNoTraces();

  EXPECT_EQ(Send(1).type(), "hub:delivery_ack");
  EXPECT_EQ(Publish(2).Number("payload.subscriberCount"), 1);
  EXPECT_THAT(Numbers(Frames(back.client)), ElementsAre("1", "2"));
}

TEST_F(ResumptionTest, AnOperatorSeesWhatTheHubHolds) {
  using Counts = std::vector<std::pair<std::string, int64_t>>;
  const Welcome me = Me();
  const Counts open = {
      {"registrations", 1}, {"subscriptions", 1}, {"absent_sessions", 0}, {"kept_messages", 0}};
  EXPECT_EQ(hub().Describe(), open);
  hub().ConnectionBreaks(me.client);
  Send(1);
  Publish(2);
  const Counts absent = {
      {"registrations", 1}, {"subscriptions", 1}, {"absent_sessions", 1}, {"kept_messages", 2}};
  EXPECT_EQ(hub().Describe(), absent);
  hub().Sleep();
  EXPECT_EQ(hub().Describe(), absent);
  Arrive(me.token());
  EXPECT_EQ(hub().Describe(), open);
}

TEST_F(ResumptionTest, AFreshSessionSaysSo) {
  const Welcome me = Arrive();
  EXPECT_FALSE(me.resumed());
  EXPECT_EQ(me.connected["payload.missed"], "");
}

TEST_F(ResumptionTest, WhatIsSentMeanwhileIsKeptAndComesInOrder) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  EXPECT_EQ(Send(1)["payload.status"], R"("queued")");
  const Frame published = Publish(2);
  EXPECT_EQ(published.Number("payload.subscriberCount"), 1);
  EXPECT_EQ(published["payload.delivered"], "false");
  EXPECT_EQ(published["payload.queued"], "1");
  const Frame broadcast = Ask(Sender(), "hub:broadcast", "browser/sender", R"({"type":"n","data":3})");
  EXPECT_EQ(broadcast.Number("payload.deliveredCount"), 0) << "open sockets only";
  EXPECT_EQ(broadcast.Number("payload.queuedCount"), 1);
  EXPECT_EQ(broadcast.Number("payload.failedCount"), 0);
  const Frame sent = Send(4);
  EXPECT_EQ(sent["payload.delivered"], "false");
  EXPECT_EQ(sent["payload.queued"], "true");
  const Welcome back = Arrive(me.token());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2", "3", "4"));
  EXPECT_EQ(back.connected["payload.missed"], "0");
  EXPECT_EQ(Frame{back.texts[0]}.String("to"), "browser/me");
  EXPECT_EQ(Frame{back.texts[0]}.String("from"), "browser/sender");
  ExpectNoTraces();
}

TEST_F(ResumptionTest, TheHubMaySleepBetweenAnyTwoSteps) {
  hub().HoldRecalls();
  const Welcome me = Me();
  Sender();
  hub().Sleep();
  hub().ConnectionBreaks(me.client);
  hub().Sleep();
  Send(1);
  hub().Sleep();
  Send(2);
  hub().Sleep();
  const ConnectionId next = Come(me.token());
  hub().FinishRecalls();
  const Welcome back = Read(next);
  EXPECT_TRUE(back.resumed());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  hub().Sleep();
  Send(3);
  EXPECT_THAT(Numbers(Frames(back.client)), ElementsAre("3"));
  hub().Sleep();
  hub().ConnectionBreaks(back.client);
  hub().Sleep();
  const ConnectionId third = Come(back.token());
  hub().Sleep();
  Ask(Sender(), "hub:heartbeat", "browser/sender", "{}");
  hub().FinishRecalls();
  EXPECT_TRUE(Read(third).resumed());
}

TEST_F(ResumptionTest, WhatCannotBeCommittedDidNotHappenAtAnyStep) {
  const Welcome me = Me();
  Sender();
  hub().ConnectionBreaks(me.client);
  hub().FailNextCommit();
  EXPECT_EQ(Send(1).String("payload.code"), "timeout");
  Send(2);
  const ConnectionId next = hub().ClientConnects();
  hub().FailNextCommit();
  hub().ClientSends(next, ConnectFrame(me.token()));
  EXPECT_EQ(One(next).String("payload.code"), "timeout");
  hub().ClientSends(next, ConnectFrame(me.token()));
  const Welcome back = Read(next);
  EXPECT_TRUE(back.resumed()) << "the token was not used up";
  EXPECT_THAT(back.numbers, ElementsAre("2"));
}

TEST_F(ResumptionTest, NobodyAwayCostsNothing) {
  Me();
  Send(1);
  hub().ClientSends(Sender(),
                    Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})"));
  EXPECT_LE(hub().rows_read(), 1u) << "the registration";
  EXPECT_EQ(hub().rows_written(), 0u);
}

TEST_F(ResumptionTest, TheTokenTakesASessionFromASocketThatSeemsAlive) {
  const Welcome me = Me();
  const Welcome back = Arrive(me.token());
  EXPECT_TRUE(back.resumed());
  EXPECT_EQ(back.session(), me.session());
  ASSERT_TRUE(hub().ClosedByHub(me.client).has_value());
  EXPECT_EQ(hub().ClosedByHub(me.client)->code, 1000);
  EXPECT_EQ(hub().ClosedByHub(me.client)->reason, "Session resumed elsewhere");
  Send(1);
  EXPECT_THAT(Numbers(Frames(back.client)), ElementsAre("1"));
  ExpectNoTraces();
}

TEST_F(ResumptionTest, WhileItWaitsAClientIsToldToWait) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  EXPECT_EQ(Ask(next, "hub:list_actors", "browser/me", "{}").String("payload.code"), "unauthorized");
  EXPECT_EQ(Ask(next, "hub:heartbeat", "browser/me", "{}").type(), "hub:heartbeat_ack");
  hub().ClientSends(next, ConnectFrame(me.token()));
  EXPECT_THAT(Frames(next), IsEmpty());
  hub().FinishRecalls();
  EXPECT_TRUE(Read(next).resumed());
}

TEST_F(ResumptionTest, AClientThatLeavesWhileItWaitsCanComeAgain) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  hub().ConnectionBreaks(next);
  hub().FinishRecalls();
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumptionTest, TheSessionOfAClientThatLeftWhileItWaitedEndsInTime) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  hub().Advance(kWindow + 1);
  EXPECT_TRUE(hub().RunDueAlarm()) << "it is waited for, however long that takes";
  hub().ConnectionBreaks(next);
  EXPECT_TRUE(hub().RunDueAlarm());
  ExpectNoTraces();
  EXPECT_FALSE(Arrive(me.token()).resumed());
}

TEST_F(ResumptionTest, TheLastToWaitGetsIt) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId first = Come(me.token());
  const ConnectionId second = Come(me.token());
  EXPECT_EQ(hub().ClosedByHub(first)->reason, "Session resumed elsewhere");
  hub().FinishRecalls();
  EXPECT_TRUE(Read(second).resumed());
}

TEST_F(ResumptionTest, ARivalEndsASessionThatIsWaitedFor) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  Register(Sender(), "browser/me");
  const Welcome fresh = Read(next);
  EXPECT_FALSE(fresh.resumed());
  EXPECT_NE(fresh.session(), me.session());
  ExpectNoTraces();
  hub().FinishRecalls();
  EXPECT_THAT(Frames(next), IsEmpty());
}

TEST_F(ResumptionTest, ARebuiltHubFinishesWithTheNextEventOrTheAlarm) {
  hub().HoldRecalls();
  for (const bool by_alarm : {false, true}) {
    const Welcome me = Me();
    hub().ConnectionBreaks(me.client);
    Send(1);
    const ConnectionId next = Come(me.token());
    hub().Sleep();
    if (by_alarm) {
      hub().Advance(1000);
      EXPECT_TRUE(hub().RunDueAlarm());
    } else {
      Ask(Sender(), "hub:heartbeat", "browser/sender", "{}");
    }
    hub().FinishRecalls();
    const Welcome back = Read(next);
    EXPECT_TRUE(back.resumed());
    EXPECT_THAT(back.numbers, ElementsAre("1"));
    hub().ClientCloses(back.client);
    ExpectNoTraces();
  }
}

TEST_F(ResumptionTest, ARebuiltHubAnswersARepeatedConnectOnce) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  hub().Sleep();
  hub().ClientSends(next, ConnectFrame(me.token()));
  hub().FinishRecalls();
  EXPECT_TRUE(Read(next).resumed());
}

TEST_F(ResumptionTest, ALargeSessionEndsAndMovesInSteps) {
  Welcome me = Arrive();
  constexpr int kMany = 700;
  for (int n = 0; n < kMany; ++n) Register(me.client, "many/" + std::to_string(n), R"(,"ttl":3600000)");
  const ConnectionId sender = Sender();
  const auto actors = [&] {
    return Ask(sender, "hub:list_actors", "browser/sender", "{}").Number("payload.total");
  };
  const auto send = [&](int n) {
    return Ask(
        sender, "hub:send", "browser/sender",
        R"({"to":"many/)" + std::to_string(n * 100) + R"(","type":"n","data":)" + std::to_string(n) + "}");
  };
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  EXPECT_THAT(Frames(next), IsEmpty()) << "it takes steps";
  EXPECT_LE(hub().rows_written(), 1000u);
  hub().Sleep();
  for (int n = 0; n < 7; ++n) EXPECT_EQ(send(n).type(), "hub:delivery_ack");
  EXPECT_EQ(actors(), kMany);
  while (hub().RunDueAlarm()) EXPECT_LE(hub().rows_written(), 1000u);
  Welcome back = Read(next);
  EXPECT_TRUE(back.resumed());
  EXPECT_THAT(back.numbers, ElementsAre("0", "1", "2", "3", "4", "5", "6"));
  ExpectNoTraces();
  EXPECT_EQ(actors(), kMany);

  hub().ClientCloses(back.client);
  EXPECT_LE(hub().rows_written(), 1000u);
  EXPECT_EQ(actors(), 0) << "nobody sees what is left of it";
  hub().Sleep();
  EXPECT_EQ(actors(), 0);
  EXPECT_EQ(send(6).type(), "hub:unknown_actor");
  Register(sender, "many/600");
  while (hub().RunDueAlarm()) EXPECT_LE(hub().rows_written(), 1000u);
  EXPECT_EQ(actors(), 1);
  EXPECT_EQ(hub().KeysWithPrefix("a/").size(), 1u);
  EXPECT_EQ(hub().KeysWithPrefix("s/").size(), 1u);
  ExpectNoTraces();
}

TEST_F(ResumptionTest, AMoveThatLosesItsGoalGoesToTheNext) {
  const Welcome me = Arrive();
  for (int n = 0; n < 400; ++n) Register(me.client, "many/" + std::to_string(n), R"(,"ttl":3600000)");
  hub().ConnectionBreaks(me.client);
  const ConnectionId first = Come(me.token());
  hub().ConnectionBreaks(first);
  const ConnectionId second = Come(me.token());
  while (hub().RunDueAlarm()) continue;
  EXPECT_TRUE(Read(second).resumed());
  EXPECT_EQ(hub().KeysWithPrefix("s/" + second.ToString()).size(), 400u);
  EXPECT_EQ(hub().KeysWithPrefix("s/").size(), 400u);
  ExpectNoTraces();
}

TEST_F(ResumptionTest, AMoveThatLosesItsGoalEndsInTime) {
  const Welcome me = Arrive();
  for (int n = 0; n < 400; ++n) Register(me.client, "many/" + std::to_string(n), R"(,"ttl":3600000)");
  hub().ConnectionBreaks(me.client);
  hub().ConnectionBreaks(Come(me.token()));
  hub().Sleep();
  hub().Advance(kWindow);
  while (hub().RunDueAlarm()) continue;
  EXPECT_THAT(hub().rows(), IsEmpty());
}

}  // namespace
}  // namespace dormouse::signal
