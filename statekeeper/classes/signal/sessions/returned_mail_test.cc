// What was sent to a socket that is lost, and comes back; and how clients say what they have got.
#include <gmock/gmock.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReturnedMailTest : public ResumeStage {};

TEST_F(ReturnedMailTest, WhatComesBackIsWaitedForAndComesFirst) {
  hub().HoldRecalls();
  const Welcome me = Me();
  Send(1);
  Send(2);
  const std::vector<Frame> lost = Frames(me.client);
  const Welcome early = Arrive(me.token());
  EXPECT_EQ(early.connected.text, "") << "no answer yet";
  Send(3);
  hub().ReturnUndelivered(me.client, lost[0].text);
  hub().ReturnUndelivered(me.client, lost[1].text);
  hub().ReturnUndelivered(me.client, lost[1].text);
  EXPECT_THAT(Frames(early.client), IsEmpty());
  hub().FinishRecalls();
  const Welcome back = Read(early.client);
  EXPECT_TRUE(back.resumed());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2", "3"));
  EXPECT_EQ(back.texts[0], lost[0].text) << "as it was, id included";
  ExpectNoTraces();
}

TEST_F(ReturnedMailTest, WhatComesBackBeforeTheCloseIsKeptToo) {
  hub().HoldRecalls();
  const Welcome me = Arrive();
  Register(me.client, "browser/me");
  Send(1);
  const std::vector<Frame> lost = Frames(me.client);
  hub().ReturnUndelivered(me.client, lost[0].text);
  hub().Sleep();
  hub().ConnectionBreaks(me.client);
  hub().FinishRecalls();
  EXPECT_THAT(Arrive(me.token()).numbers, ElementsAre("1"));
}

TEST_F(ReturnedMailTest, WhatComesBackToASessionThatEndedGoes) {
  const Welcome me = Me();
  Send(1);
  const std::vector<Frame> lost = Frames(me.client);
  hub().ReturnUndelivered(me.client, lost[0].text);
  hub().ClientCloses(me.client);
  EXPECT_THAT(hub().rows(), IsEmpty());
  hub().ReturnUndelivered(me.client, lost[0].text);
  EXPECT_THAT(hub().rows(), IsEmpty());
}

class SmallMailboxTest : public ResumeStage {
 protected:
  SmallMailboxTest()
      : ResumeStage([] {
          Options options;
          options.resume_messages = 2;
          return options;
        }()) {}
};

TEST_F(SmallMailboxTest, AFullMailboxRefusesAndCounts) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  Send(2);
  const Frame full = Send(3);
  EXPECT_EQ(full.type(), "hub:error");
  EXPECT_EQ(full.String("payload.code"), "rate_limited");
  EXPECT_EQ(full.String("payload.details.code"), "MAILBOX_FULL");
  const Frame broadcast = Ask(Sender(), "hub:broadcast", "browser/sender", R"({"type":"n","data":4})");
  EXPECT_EQ(broadcast.Number("payload.deliveredCount"), 0);
  EXPECT_EQ(broadcast.Number("payload.failedCount"), 1);
  EXPECT_EQ(Publish(5).Number("payload.subscriberCount"), 0);
  const Welcome back = Arrive(me.token());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  EXPECT_EQ(back.connected["payload.missed"], "3");
  hub().ConnectionBreaks(back.client);
  EXPECT_EQ(Send(6).type(), "hub:delivery_ack") << "there is room again";
  const Welcome again = Arrive(back.token());
  EXPECT_THAT(again.numbers, ElementsAre("6"));
  EXPECT_EQ(again.connected["payload.missed"], "0");
}

TEST_F(SmallMailboxTest, WhatWasMissedIsSaidAgainToWhoDidNotHearIt) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  for (const int n : {1, 2, 3}) Send(n);
  const Welcome lost = Arrive(me.token());
  hub().ConnectionBreaks(lost.client);
  hub().ReturnUndelivered(lost.client, lost.connected.text);
  hub().ReturnUndelivered(lost.client, lost.texts[0]);
  hub().ReturnUndelivered(lost.client, lost.texts[1]);
  const Welcome back = Arrive(me.token());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  EXPECT_EQ(back.connected["payload.missed"], "1");
}

TEST_F(ReturnedMailTest, LargeMessagesAreKeptWhole) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const std::string large = "\"" + std::string(700'000, 'x') + "\"";
  Ask(Sender(), "hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":)" + large + "}");
  Send(2);
  EXPECT_THAT(Arrive(me.token()).numbers, ElementsAre(large, "2"));
  ExpectNoTraces();
}

TEST_F(ReturnedMailTest, LastMessageIdBringsWhatWasLostInTheSocketAndNothingTwice) {
  const Welcome me = Me();
  for (const int n : {1, 2, 3}) Send(n);
  const std::vector<Frame> written = Frames(me.client);
  hub().ConnectionBreaks(me.client);
  hub().ReturnUndelivered(me.client, written[2].text);
  Send(4);
  const Welcome back = Arrive(me.token(), "browser/me", written[0].String("id"));
  EXPECT_THAT(back.numbers, ElementsAre("2", "3", "4"));
  // And once more, with nothing of it received: what was written to the last socket counts as well.
  Send(5);
  Frames(back.client);
  hub().ConnectionBreaks(back.client);
  const Welcome again = Arrive(back.token(), "browser/me", Frame{back.texts[0]}.String("id"));
  EXPECT_THAT(again.numbers, ElementsAre("3", "4", "5"));
}

TEST_F(ReturnedMailTest, LastMessageIdPassesOverWhatTheClientHas) {
  const Welcome me = Me();
  Send(1);
  const Frame got = One(me.client);
  Send(2);
  const Frame got_too = One(me.client);
  hub().ConnectionBreaks(me.client);
  hub().ReturnUndelivered(me.client, got.text);  // as after a gateway's death: nobody knows that it arrived
  hub().ReturnUndelivered(me.client, got_too.text);
  Send(3);
  EXPECT_THAT(Arrive(me.token(), "browser/me", got_too.String("id")).numbers, ElementsAre("3"));
}

TEST_F(ReturnedMailTest, ALastMessageIdThatIsNoneCountsForNothing) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  EXPECT_THAT(Arrive(me.token(), "browser/me", "zzz").numbers, ElementsAre("1"));
}

TEST_F(ReturnedMailTest, WhatWasWrittenToADeadSocketComesToWhoHasNothingYet) {
  for (const bool says : {true, false}) {
    SCOPED_TRACE(says);
    const Welcome me = Me();
    for (int i = 1; i <= 3; ++i) Send(i);
    const std::vector<Frame> written = Frames(me.client);
    hub().Sleep();
    hub().Advance(61'000);
    hub().ConnectionBreaks(me.client, 1000);  // for want of heartbeats
    for (const Frame& frame : written) hub().ReturnUndelivered(me.client, frame.text);
    hub().Sleep();
    const Welcome back = Arrive(me.token(), "browser/me", says ? std::string(kNone) : "");
    EXPECT_EQ(back.connected["payload.missed"], "0");
    EXPECT_THAT(back.numbers, ElementsAre("1", "2", "3"));
    hub().ClientCloses(back.client);
  }
}

TEST_F(ReturnedMailTest, WhatAClientMayHaveComesToThoseWhoSayThatTheyHaveNot) {
  const auto lose_three = [&] {
    const Welcome me = Me();
    for (int i = 1; i <= 3; ++i) Send(i);
    const std::vector<Frame> written = Frames(me.client);
    hub().Sleep();
    hub().ConnectionBreaks(me.client);
    for (const Frame& frame : written) hub().ReturnUndelivered(me.client, frame.text, /*unconfirmed=*/true);
    return std::pair(me.token(), written[1].String("id"));
  };
  auto [token, second] = lose_three();
  Welcome back = Arrive(token);
  EXPECT_THAT(back.numbers, IsEmpty());
  hub().ClientCloses(back.client);
  std::tie(token, second) = lose_three();
  back = Arrive(token, "browser/me", second);
  EXPECT_THAT(back.numbers, ElementsAre("3"));
  hub().ClientCloses(back.client);
  std::tie(token, second) = lose_three();
  back = Arrive(token, "browser/me", std::string(kNone));
  EXPECT_THAT(back.numbers, ElementsAre("1", "2", "3"));
}

TEST_F(ReturnedMailTest, WhatTheGatewayCouldNotKeepIsNotMissedWhereTheHubHasIt) {
  for (const bool rebuilt : {false, true}) {
    const Welcome me = Me();
    for (int i = 1; i <= 6; ++i) Send(i);
    const std::vector<Frame> written = Frames(me.client);
    hub().ConnectionBreaks(me.client);
    hub().ReturnLost(me.client, {.count = 3, .older = true, .unconfirmed = true});
    for (int i = 4; i <= 6; ++i)
      hub().ReturnUndelivered(me.client, written[i - 1].text, /*unconfirmed=*/true);
    if (rebuilt) hub().Sleep();
    const Welcome back = Arrive(me.token(), "browser/me", written[1].String("id"));
    EXPECT_EQ(back.connected["payload.missed"], rebuilt ? "3" : "0") << "at most";
    std::vector<std::string> rest = {"4", "5", "6"};
    if (!rebuilt) rest.insert(rest.begin(), "3");
    EXPECT_EQ(back.numbers, rest);
    hub().ClientCloses(back.client);
  }
}

TEST_F(ReturnedMailTest, WhatTheGatewayCouldNotKeepIsCounted) {
  const Welcome me = Me();
  Send(1);
  const std::vector<Frame> written = Frames(me.client);
  hub().ConnectionBreaks(me.client);
  hub().ReturnLost(me.client, {.count = 4, .older = true});
  hub().ReturnUndelivered(me.client, written[0].text);
  hub().ReturnLost(me.client, {.count = 2});
  EXPECT_EQ(Send(2).code(), "rate_limited") << "nothing is kept behind a gap";
  const Welcome back = Arrive(me.token(), "browser/me", std::string(kNone));
  EXPECT_EQ(back.connected["payload.missed"], "7");
  EXPECT_THAT(back.numbers, ElementsAre("1"));
}

TEST_F(ReturnedMailTest, WhatTheGatewayCouldNotKeepOfASessionThatEndedIsNobodys) {
  const Welcome me = Me();
  hub().ClientCloses(me.client);
  hub().ReturnLost(me.client, {.count = 4, .older = true});
  ExpectNoTraces();
}

TEST_F(ReturnedMailTest, AWelcomeThatComesBackIsNoMail) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome lost = Arrive(me.token());
  EXPECT_THAT(lost.numbers, ElementsAre("1"));
  hub().ReturnUndelivered(lost.client, lost.connected.text);  // as versions before sent it
  hub().ReturnUndelivered(lost.client, lost.texts[0]);
  hub().ConnectionBreaks(lost.client);
  hub().Sleep();
  Send(2);
  const Welcome back = Arrive(me.token());
  EXPECT_TRUE(back.resumed());
  EXPECT_EQ(back.session(), me.session());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  Say(back.client);
  ExpectNoTraces();
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_FALSE(Arrive(lost.token()).resumed());
}

}  // namespace
}  // namespace dormouse::signal
