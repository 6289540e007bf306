// Which tokens get a session back, whose, and how often.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "statekeeper/classes/signal/testing/resume_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ResumeTokenTest : public ResumeStage {};

TEST_F(ResumeTokenTest, ATokenWorksOnce) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const Welcome back = Arrive(me.token());
  const Welcome thief = Arrive(me.token());
  EXPECT_FALSE(thief.resumed());
  EXPECT_NE(thief.session(), me.session());
  EXPECT_FALSE(hub().ClosedByHub(back.client).has_value());
  Say(back.client);
  hub().ConnectionBreaks(back.client);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  hub().Sleep();
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(Arrive(back.token()).resumed());
}

// What the client's machine was sent need not have come to the client.
TEST_F(ResumeTokenTest, ATokenWorksUntilItsUserHasSaidSomethingWithTheNext) {
  for (const bool rebuilt : {false, true}) {
    const Welcome me = Me();
    hub().ConnectionBreaks(me.client);
    Send(1);
    const Welcome lost = Arrive(me.token(), "browser/me", std::string(kNone));
    EXPECT_THAT(lost.numbers, ElementsAre("1"));
    hub().ConnectionBreaks(lost.client);
    hub().ReturnUndelivered(lost.client, lost.texts[0], /*unconfirmed=*/true);
    if (rebuilt) hub().Sleep();
    Send(2);
    const Welcome back = Arrive(me.token(), "browser/me", std::string(kNone));
    EXPECT_TRUE(back.resumed()) << rebuilt;
    EXPECT_EQ(back.session(), me.session());
    EXPECT_EQ(back.connected["payload.missed"], "0");
    EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
    EXPECT_FALSE(Arrive(lost.token()).resumed()) << "who shows the other one has not got it";
    Say(back.client);
    ExpectNoTraces();
    ExpectNoUsedTokens();
    EXPECT_FALSE(Arrive(me.token()).resumed());
    EXPECT_TRUE(Arrive(back.token()).resumed());
  }
}

// It may be a thief who comes with a token that was used.
TEST_F(ResumeTokenTest, WhereTheSocketSeemsOpenAnHeirGetsWhatWasSentToIt) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome lost = Arrive(me.token(), "browser/me", std::string(kNone));
  Send(2);
  std::vector<std::string> written = lost.texts;
  for (const Frame& frame : Frames(lost.client)) written.push_back(frame.text);
  hub().Sleep();
  const Welcome heir = Arrive(me.token(), "browser/me", std::string(kNone));
  EXPECT_FALSE(heir.resumed());
  EXPECT_FALSE(hub().ClosedByHub(lost.client).has_value());
  hub().HoldRecalls();
  EXPECT_THAT(AskAll(heir.client, "hub:register", "browser/me",
                     R"({"actorAddress":"browser/me","capabilities":["chat"]})"),
              IsEmpty());
  for (const std::string& frame : written) hub().ReturnUndelivered(lost.client, frame, /*unconfirmed=*/true);
  hub().FinishRecalls();
  std::vector<Frame> frames = Frames(heir.client);
  EXPECT_EQ(frames.at(0).type(), "hub:registered");
  frames.erase(frames.begin());
  EXPECT_THAT(Numbers(frames), ElementsAre("1", "2"));
}

TEST_F(ResumeTokenTest, ASessionThatEndsLeavesNothingOfTheTokenThatItUsed) {
  for (const bool breaks : {false, true}) {
    const Welcome me = Me();
    hub().ConnectionBreaks(me.client);
    const Welcome back = Arrive(me.token());
    if (breaks) {
      hub().ConnectionBreaks(back.client);
      hub().Advance(kWindow + 1);
      hub().RunDueAlarm();
    } else {
      hub().ClientCloses(back.client);
    }
    ExpectNoTraces();
    ExpectNoUsedTokens();
  }
}

TEST_F(ResumeTokenTest, WhatAClientHasMissedItIsToldUntilItHasHeardIt) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  hub().ReturnLost(me.client, {.count = 3});
  const Welcome lost = Arrive(me.token());
  EXPECT_EQ(lost.connected["payload.missed"], "3");
  hub().ConnectionBreaks(lost.client);
  const Welcome again = Arrive(me.token());
  EXPECT_EQ(again.connected["payload.missed"], "3");
  hub().ConnectionBreaks(again.client);
  EXPECT_EQ(Arrive(again.token()).connected["payload.missed"], "0");
}

TEST_F(ResumeTokenTest, ARefreshedTokenThatMayBeLostLeavesTheOneBeforeGood) {
  const Welcome me = Me();
  const std::string refresh = R"({"token":")" + me.token() + R"("})";
  EXPECT_EQ(Ask(me.client, "hub:refresh_token", "browser/me", refresh).type(), "hub:token_refreshed");
  hub().ConnectionBreaks(me.client);
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumeTokenTest, ATokenIsOfUseToItsActorOnly) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  EXPECT_FALSE(Arrive(me.token(), "browser/other").resumed());
  EXPECT_THAT(Arrive(me.token(), "@(browser/me)").numbers, ElementsAre("1"))
      << "either form is the same actor";
}

TEST_F(ResumeTokenTest, ATokenIsOfUseAtItsHubOnly) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  ResumeHub other({}, "other");
  const ConnectionId there = other.Come(me.token());
  EXPECT_EQ(other.One(there)["payload.resumed"], "false");
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumeTokenTest, GarbageForATokenIsAFreshSession) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const auto rows = hub().rows();
  std::string altered = me.token();
  altered.back() = altered.back() == '0' ? '1' : '0';
  for (const std::string& token :
       {std::string("x"), altered, me.token() + "0", me.token().substr(0, 36), std::string(69, '0'),
        std::string(1000, 'z'), me.client.ToString() + "." + std::string(32, '0')}) {
    const Welcome fresh = Arrive(token);
    EXPECT_FALSE(fresh.resumed()) << token;
    EXPECT_NE(fresh.session(), me.session());
    hub().ClientCloses(fresh.client);
  }
  for (const char* token : {"7", "null", "{}", "[]"}) {
    const ConnectionId client = hub().ClientConnects();
    hub().ClientSends(client, Envelope("hub:connect", "browser/me",
                                       std::string(R"({"version":"1.0","resumeToken":)") + token + "}"));
    EXPECT_FALSE(Read(client).resumed());
    hub().ClientCloses(client);
  }
  EXPECT_EQ(hub().rows(), rows);
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumeTokenTest, OnlyHashesOfTokensAreKept) {
  std::vector<std::string> secrets;
  const auto expect_hashes_only = [&](const Welcome& at) {
    if (at.token().size() > 37) secrets.push_back(at.token().substr(37));  // after the connection
    for (const std::string& secret : secrets) {
      for (const auto& [key, value] : hub().rows()) EXPECT_EQ(value.find(secret), std::string::npos) << key;
      if (const auto open = hub().FindConnection(at.client)) {
        EXPECT_EQ(open->attachment.find(secret), std::string::npos);
      }
    }
  };
  const auto with_renewal_token = [&](const Frame& reply) {
    const std::string token = reply.String("payload.renewalToken");
    EXPECT_GT(token.size(), 32u) << reply;
    secrets.push_back(token.substr(0, token.find('.')));
    return token;
  };
  const Welcome me = Me();
  const std::string renewal = with_renewal_token(Ask(
      me.client, "hub:register", "browser/me", R"({"actorAddress":"browser/me","capabilities":["chat"]})"));
  expect_hashes_only(me);
  with_renewal_token(Ask(me.client, "hub:renew", "browser/me", R"({"renewalToken":")" + renewal + "\"}"));
  expect_hashes_only(me);
  hub().ConnectionBreaks(me.client);
  expect_hashes_only(me);
  hub().HoldConfirms();
  const Welcome unconfirmed = Arrive(me.token());
  expect_hashes_only(unconfirmed);
  hub().Sleep();
  Send(1);  // any event
  Frames(unconfirmed.client);
  hub().FinishConfirms();
  expect_hashes_only(Read(unconfirmed.client));
}

TEST_F(ResumeTokenTest, TheOlderDialectHasItsFieldsInTheMetadata) {
  const auto connect = [&](const std::string& more) {
    const ConnectionId client = hub().ClientConnects();
    hub().ClientSends(client,
                      R"({"type":"hub:connect","from":"browser/me","metadata":{"protocolVersion":"0.1.0",)"
                      R"("capabilities":["send"])" +
                          more + "}}");
    return Read(client);
  };
  const Welcome me = connect("");
  Register(me.client, "browser/me");
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome back = connect(R"(,"resumeToken":")" + me.token() + "\"");
  EXPECT_TRUE(back.resumed());
  EXPECT_THAT(back.numbers, ElementsAre("1"));
  EXPECT_EQ(back.connected["payload.capabilities.supportsBackpressure"], "true");
  hub().ConnectionBreaks(back.client);
  const Welcome newer = Arrive(back.token());
  EXPECT_TRUE(newer.resumed());
  EXPECT_EQ(newer.connected["payload.capabilities"][0], '[') << "the dialect is that of the last hub:connect";
}

TEST_F(ResumeTokenTest, RefreshingRotatesTheToken) {
  const Welcome me = Me();
  const Frame refreshed =
      Ask(me.client, "hub:refresh_token", "browser/me", R"({"token":")" + me.token() + R"("})");
  EXPECT_EQ(refreshed.type(), "hub:token_refreshed");
  EXPECT_EQ(refreshed.Number("payload.expiresAt"), hub().now_ms() + 3'600'000);
  EXPECT_EQ(Ask(me.client, "hub:refresh_token", "browser/me", R"({"token":")" + me.token() + R"("})")
                .String("payload.code"),
            "invalid_token");
  for (const char* payload : {"null", "{}", R"({"token":""})", R"({"token":7})"}) {
    EXPECT_EQ(Ask(me.client, "hub:refresh_token", "browser/me", payload).String("payload.code"),
              "invalid_token");
  }
  Say(me.client);
  hub().ConnectionBreaks(me.client);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(Arrive(refreshed.String("payload.token")).resumed());
}

TEST_F(ResumeTokenTest, OthersTokensRefreshNothing) {
  const Welcome me = Me();
  EXPECT_EQ(Ask(Sender(), "hub:refresh_token", "browser/sender", R"({"token":")" + me.token() + R"("})")
                .String("payload.code"),
            "invalid_token");
}

TEST_F(ResumeTokenTest, ConnectingOrRefreshingAgainLeavesEveryTokenGoodThatTheClientMayHave) {
  const ConnectionId client = hub().ClientConnects();
  Message connect = Message::Text("");
  const std::string frame = ConnectFrame("");
  connect.data = frame;
  connect.received_ms = hub().now_ms();
  hub().ClientSends(client, connect);
  const Welcome first = Read(client);
  hub().Sleep();
  connect.repeated = true;
  hub().ClientSends(client, connect);
  const Welcome again = Read(client);
  EXPECT_EQ(again.session(), first.session());
  const std::string refresh =
      Envelope("hub:refresh_token", "browser/me", R"({"token":")" + first.token() + R"("})");
  Message message = Message::Text(refresh);
  hub().ClientSends(client, message);
  const std::string one = One(client).String("payload.token");
  message.repeated = true;
  hub().ClientSends(client, message);
  const std::string two = One(client).String("payload.token");
  Say(client);
  hub().ConnectionBreaks(client);
  EXPECT_FALSE(Arrive(first.token()).resumed());
  EXPECT_FALSE(Arrive(again.token()).resumed());
  const Welcome back = Arrive(one);
  EXPECT_TRUE(back.resumed());
  hub().ConnectionBreaks(back.client);
  EXPECT_FALSE(Arrive(two).resumed()) << "one of them is used, so none is left";
}

}  // namespace
}  // namespace dormouse::signal
