// A hub that is rebuilt before it is known whether who resumed was told.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class HandOverTest : public ResumeStage {};

TEST_F(HandOverTest, WhatMayHaveBeenLostWithTheHubIsToldAgain) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  Send(2);
  hub().HoldConfirms();
  const Welcome lost = Arrive(me.token());
  EXPECT_THAT(lost.numbers, ElementsAre("1", "2"));
  hub().Sleep();
  Send(3);  // any event
  EXPECT_THAT(Numbers(Frames(lost.client)), ElementsAre("3"));
  hub().FinishConfirms();
  const Welcome again = Read(lost.client);
  EXPECT_TRUE(again.resumed());
  EXPECT_EQ(again.session(), me.session());
  EXPECT_NE(again.token(), lost.token()) << "only its hash is known";
  EXPECT_THAT(again.numbers, ElementsAre("1", "2"));
  hub().FinishConfirms();
  EXPECT_THAT(Frames(lost.client), IsEmpty());
  Say(lost.client);
  ExpectNoTraces();
  ExpectNoUsedTokens();
  hub().ConnectionBreaks(lost.client);
  EXPECT_TRUE(Arrive(again.token()).resumed());
}

// The client may have got any of several hub:connected, though all but one were lost.
TEST_F(HandOverTest, TheTokenOfEachTimeThatItWasToldIsGood) {
  for (const size_t got : {0, 1, 2}) {
    for (const bool welcome_comes_back : {false, true}) {
      const Welcome me = Me();
      hub().ConnectionBreaks(me.client);
      hub().HoldConfirms();
      const ConnectionId client = Come(me.token());
      std::vector<std::string> welcomes = hub().TakeFrames(client);
      for (int rebuilt = 0; rebuilt < 2; ++rebuilt) {
        hub().Sleep();
        Send(1);  // any event
        hub().FinishConfirms();
        for (std::string& frame : hub().TakeFrames(client)) {
          if (Frame{frame}.type() == "hub:connected") welcomes.push_back(std::move(frame));
        }
      }
      ASSERT_THAT(welcomes, SizeIs(3));
      hub().ConnectionBreaks(client);
      if (welcome_comes_back) hub().ReturnUndelivered(client, welcomes[2]);
      const Welcome back = Arrive(Frame{welcomes[got]}.String("payload.resumeToken"));
      EXPECT_TRUE(back.resumed()) << got << welcome_comes_back;
      EXPECT_EQ(back.session(), me.session());
      hub().FinishConfirms();
      hub().ClientCloses(back.client);
    }
  }
}

TEST_F(HandOverTest, TheAlarmSeesToItWhereNoEventComes) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  hub().HoldConfirms();
  const Welcome lost = Arrive(me.token());
  hub().Sleep();
  hub().Advance(1000);
  EXPECT_TRUE(hub().RunDueAlarm());
  hub().FinishConfirms();
  EXPECT_THAT(Read(lost.client).numbers, ElementsAre("1"));
}

TEST_F(HandOverTest, WhoLosesTheSocketAsWellComesBackWithTheOldToken) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  hub().HoldConfirms();
  const Welcome lost = Arrive(me.token());
  hub().Sleep();
  hub().ConnectionBreaks(lost.client);
  Send(2);
  hub().FinishConfirms();
  const Welcome back = Arrive(me.token());
  EXPECT_TRUE(back.resumed());
  EXPECT_EQ(back.session(), me.session());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  hub().FinishConfirms();
  hub().FinishConfirms();
  Say(back.client);
  ExpectNoTraces();
  ExpectNoUsedTokens();
}

TEST_F(HandOverTest, ATokenIsUsedUpOnceItsUserIsThereAndWasToldTheNext) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  hub().HoldConfirms();
  const Welcome first = Arrive(me.token());
  const Welcome second = Arrive(me.token());  // the first one's gateway may be gone, and nobody knows it
  EXPECT_TRUE(second.resumed());
  EXPECT_EQ(hub().ClosedByHub(first.client)->reason, "Session resumed elsewhere");
  hub().FinishConfirms();
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_FALSE(Arrive(first.token()).resumed());
  EXPECT_FALSE(hub().ClosedByHub(second.client).has_value());
}

}  // namespace
}  // namespace dormouse::signal
