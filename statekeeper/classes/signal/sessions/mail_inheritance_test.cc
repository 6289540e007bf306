// A new session of the same identity that registers the address.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class MailInheritanceTest : public ResumeStage {};

TEST_F(MailInheritanceTest, ANewSessionOfTheActorInheritsWhatWaits) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  EXPECT_EQ(Send(1)["payload.status"], R"("queued")");
  EXPECT_EQ(Send(2)["payload.delivered"], "false");
  hub().Sleep();
  hub().HoldRecalls();
  hub().HoldConfirms();
  const Welcome next = Arrive();
  EXPECT_FALSE(next.resumed());
  EXPECT_THAT(AskAll(next.client, "hub:register", "browser/me",
                     R"({"actorAddress":"browser/me","capabilities":["chat"]})"),
              IsEmpty())
      << "what is on its way comes first";
  Send(3);
  hub().FinishRecalls();
  std::vector<Frame> frames = Frames(next.client);
  ASSERT_THAT(frames, SizeIs(4));
  EXPECT_EQ(frames[0].type(), "hub:registered");
  EXPECT_EQ(frames[0].Number("payload.version"), 2);
  frames.erase(frames.begin());
  EXPECT_THAT(Numbers(frames), ElementsAre("1", "2", "3"));
  hub().FinishConfirms();
  ExpectNoTraces();
  EXPECT_EQ(Send(4)["payload.status"], R"("delivered")");
  EXPECT_EQ(One(next.client)["payload"], "4");
  EXPECT_EQ(Publish(5).Number("payload.subscriberCount"), 1) << "the subscription follows the actor";
  EXPECT_FALSE(Arrive(me.token()).resumed());
}

TEST_F(MailInheritanceTest, AnHeirThatSaysWhatItHasGetsTheRest) {
  for (const bool says : {true, false}) {
    const Welcome me = Me();
    hub().ConnectionBreaks(me.client);
    Send(1);
    Send(2);
    const auto inherit = [this](const Welcome& heir) {
      std::vector<Frame> frames = AskAll(heir.client, "hub:register", "browser/me",
                                         R"({"actorAddress":"browser/me","capabilities":["chat"]})");
      EXPECT_EQ(frames.at(0).type(), "hub:registered");
      frames.erase(frames.begin());
      return frames;
    };
    const Welcome heir = Arrive();
    const std::vector<Frame> written = inherit(heir);
    EXPECT_THAT(Numbers(written), ElementsAre("1", "2"));
    // Its path was silent: neither has come.
    hub().ConnectionBreaks(heir.client);
    for (const Frame& frame : written) hub().ReturnUndelivered(heir.client, frame.text, /*unconfirmed=*/true);
    hub().Sleep();
    const Welcome next = Arrive("", "browser/me", says ? std::string(kNone) : "");
    EXPECT_THAT(inherit(next), SizeIs(says ? 2 : 0));
    hub().ClientCloses(next.client);
  }
}

TEST_F(MailInheritanceTest, WhatIsInheritedSurvivesTheHubBeforeItHasArrived) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome next = Arrive();
  hub().HoldConfirms();
  hub().ClientSends(next.client, Envelope("hub:register", "browser/me",
                                          R"({"actorAddress":"browser/me","capabilities":["chat"]})"));
  EXPECT_THAT(Frames(next.client), SizeIs(2));
  hub().Sleep();  // as after a crash: what was sent may be lost
  Send(2);
  hub().FinishConfirms();
  hub().FinishConfirms();
  EXPECT_THAT(Numbers(Frames(next.client)), ElementsAre("2", "1"));
  hub().FinishConfirms();
  ExpectNoTraces();
}

TEST_F(MailInheritanceTest, AnHeirWhoseSocketIsLostAtOnceFindsItInItsOwnSession) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome next = Arrive();
  hub().HoldConfirms();
  hub().ClientSends(next.client, Envelope("hub:register", "browser/me",
                                          R"({"actorAddress":"browser/me","capabilities":["chat"]})"));
  const std::vector<Frame> frames = Frames(next.client);
  ASSERT_THAT(frames, SizeIs(2));
  hub().ReturnUndelivered(next.client, frames[1].text);
  hub().ConnectionBreaks(next.client);
  hub().FinishConfirms();
  EXPECT_THAT(Arrive(next.token()).numbers, ElementsAre("1"));
}

TEST_F(MailInheritanceTest, ASocketThatSeemsAliveIsInheritedFrom) {
  const Welcome me = Me();
  hub().HoldRecalls();
  const Welcome next = Arrive();
  hub().ClientSends(next.client, Envelope("hub:register", "browser/me",
                                          R"({"actorAddress":"browser/me","capabilities":["chat"]})"));
  EXPECT_EQ(hub().ClosedByHub(me.client)->code, 1000);
  EXPECT_EQ(Send(1)["payload.status"], R"("queued")");
  hub().Sleep();  // nobody calls OnRecalled then
  hub().Advance(1000);
  EXPECT_TRUE(hub().RunDueAlarm());
  hub().FinishRecalls();
  const std::vector<Frame> frames = Frames(next.client);
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_EQ(frames[0].type(), "hub:registered");
  EXPECT_EQ(frames[1]["payload"], "1");
}

TEST_F(MailInheritanceTest, NobodyElseInherits) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome other = Arrive("", "browser/other");
  Register(other.client, "browser/me");
  EXPECT_THAT(Frames(other.client), IsEmpty());
  ExpectNoTraces();
}

}  // namespace
}  // namespace dormouse::signal
