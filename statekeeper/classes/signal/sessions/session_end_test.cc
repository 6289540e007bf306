// Which ends of a socket are the end of its session, and when sessions without a socket end.
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class SessionEndTest : public ResumeStage {};

TEST_F(SessionEndTest, AClientThatLeavesIsGone) {
  const Welcome me = Me();
  hub().ClientCloses(me.client, 1000);
  EXPECT_THAT(hub().rows(), IsEmpty());
  EXPECT_FALSE(Arrive(me.token()).resumed());

  const Welcome second = Me();
  Ask(second.client, "hub:disconnect", "browser/me", "{}");
  EXPECT_THAT(hub().rows(), IsEmpty());
  EXPECT_FALSE(Arrive(second.token()).resumed());
}

TEST_F(SessionEndTest, OtherEndsAreNot) {
  std::string token = Me().token();
  const std::vector<std::function<void(const ConnectionId&)>> ends = {
      [&](const ConnectionId& c) { hub().ConnectionBreaks(c, 1000); },  // the edge's heartbeat timeout
      [&](const ConnectionId& c) { hub().ConnectionBreaks(c, 1001); },
      [&](const ConnectionId& c) { hub().ConnectionBreaks(c, 1013); },
      [&](const ConnectionId& c) { hub().ClientCloses(c, 1001); },
  };
  Welcome me = Arrive(token);
  for (const auto& end : ends) {
    end(me.client);
    me = Arrive(me.token());
    EXPECT_TRUE(me.resumed());
  }
}

TEST_F(SessionEndTest, ALosingDuplicateIsGoneWithOrWithoutASocket) {
  const Welcome me = Me();
  const Welcome rival = Arrive("", "browser/rival");
  Register(rival.client, "browser/me");
  EXPECT_EQ(hub().ClosedByHub(me.client)->code, 1000);
  EXPECT_FALSE(Arrive(me.token()).resumed());

  hub().ConnectionBreaks(rival.client);
  Send(1);
  const Welcome third = Arrive("", "browser/third");
  Register(third.client, "browser/me");
  ExpectNoTraces();
  EXPECT_FALSE(Arrive(rival.token(), "browser/rival").resumed());
  EXPECT_EQ(Publish(2).Number("payload.subscriberCount"), 1) << "the subscription follows the actor";
  EXPECT_THAT(Numbers(Frames(third.client)), ElementsAre("2"));
}

TEST_F(SessionEndTest, AConnectionThatNeverConnectedLeavesNothing) {
  const ConnectionId client = hub().ClientConnects();
  Register(client, "browser/me");
  hub().ConnectionBreaks(client);
  EXPECT_THAT(hub().rows(), IsEmpty());
}

TEST_F(SessionEndTest, TheWindowEndsByTheAlarm) {
  const Welcome me = Me();
  Send(1);
  Frames(me.client);
  hub().ConnectionBreaks(me.client);
  Send(2);
  EXPECT_LE(*hub().alarm(), hub().now_ms() + kWindow);
  hub().Sleep();
  hub().Advance(kWindow - 1);
  while (hub().RunDueAlarm()) continue;
  EXPECT_EQ(Send(3).type(), "hub:delivery_ack");
  hub().Advance(1);
  EXPECT_TRUE(hub().RunDueAlarm());
  EXPECT_EQ(Send(4).type(), "hub:unknown_actor");
  EXPECT_THAT(hub().rows(), IsEmpty());
  EXPECT_FALSE(hub().alarm().has_value());
  EXPECT_FALSE(Arrive(me.token()).resumed());
}

TEST_F(SessionEndTest, AnExpiredTokenIsRefusedBeforeTheAlarmHasRun) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  hub().Advance(kWindow);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(hub().RunDueAlarm());
  ExpectNoTraces();
}

TEST_F(SessionEndTest, ARegistrationMayExpireMeanwhile) {
  const Welcome me = Arrive();
  Register(me.client, "browser/me", R"(,"ttl":10000)");
  Register(me.client, "browser/stays");
  hub().ConnectionBreaks(me.client);
  Send(1);
  hub().Advance(10'000);
  EXPECT_EQ(Send(2).type(), "hub:unknown_actor");
  EXPECT_TRUE(hub().RunDueAlarm());
  const Welcome back = Arrive(me.token());
  EXPECT_THAT(back.numbers, ElementsAre("1"));
  EXPECT_EQ(Ask(back.client, "hub:list_actors", "browser/me", "{}").Number("payload.total"), 1);
  EXPECT_THAT(hub().KeysWithPrefix("a/"), ElementsAre("a/browser/stays"));
  hub().Advance(290'000);
  EXPECT_FALSE(hub().RunDueAlarm());
  EXPECT_THAT(hub().KeysWithPrefix("a/"), ElementsAre("a/browser/stays")) << "its socket keeps it";
}

TEST_F(SessionEndTest, ACloseWithoutACodeIsAGoodBye) {
  const Welcome me = Me();
  hub().ClientCloses(me.client, 1005);
  EXPECT_THAT(hub().KeysWithPrefix("a/"), IsEmpty());
  ExpectNoTraces();
}

TEST_F(SessionEndTest, ASessionThatEndsLeavesNoForwarding) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const Welcome lost = Arrive(me.token());
  hub().ConnectionBreaks(lost.client);
  hub().ReturnUndelivered(lost.client, lost.connected.text);
  EXPECT_THAT(hub().KeysWithPrefix("f/"), SizeIs(1));
  hub().Advance(kWindow);
  while (hub().RunDueAlarm()) continue;
  ExpectNoTraces();
}

class NoResumeTest : public ResumeStage {
 protected:
  NoResumeTest()
      : ResumeStage([] {
          Options options;
          options.resume_window = Duration(0);
          return options;
        }()) {}
};

TEST_F(NoResumeTest, ASessionEndsWithItsSocket) {
  const Welcome me = Arrive();
  EXPECT_EQ(me.connected["payload.resumeToken"], "null");
  Register(me.client, "browser/me");
  EXPECT_EQ(Ask(me.client, "hub:refresh_token", "browser/me", R"({"token":""})").String("payload.code"),
            "invalid_token");
  hub().ConnectionBreaks(me.client);
  EXPECT_THAT(hub().rows(), IsEmpty());
}

}  // namespace
}  // namespace dormouse::signal
