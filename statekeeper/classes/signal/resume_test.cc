// Sessions that outlive their sockets.
#include <gmock/gmock.h>

#include <tuple>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kWindow = 120'000;
// For a last message id: the client says that it has got none.
constexpr std::string_view kNone = "none";

// One hub, a client `me` that comes and goes, and a sender.
class Stand : public HubStage {
 public:
  using HubStage::HubStage;

  static std::string ConnectFrame(const std::string& token, const std::string& from = "browser/me",
                                  const std::string& last = "") {
    JsonWriter payload;
    payload.String("version", "1.0");
    if (!token.empty()) payload.String("resumeToken", token);
    if (last == kNone) {
      payload.Raw("lastMessageId", "null");
    } else if (!last.empty()) {
      payload.String("lastMessageId", last);
    }
    return Envelope("hub:connect", from, payload.Finish());
  }
  // Opens a socket and sends hub:connect; what comes back stays to be taken.
  ConnectionId Come(const std::string& token, const std::string& from = "browser/me",
                    const std::string& last = "") {
    const ConnectionId client = hub().ClientConnects();
    hub().ClientSends(client, ConnectFrame(token, from, last));
    return client;
  }
  // A sends a numbered message to browser/me; the type of the answer.
  Frame Send(int number) {
    return Ask(Sender(), "hub:send", "browser/sender",
               R"({"to":"browser/me","type":"n","data":)" + std::to_string(number) + "}");
  }
  ConnectionId Sender() {
    if (!sender_.has_value()) {
      sender_ = Come("", "browser/sender");
      Frames(*sender_);
    }
    return *sender_;
  }

 private:
  std::optional<ConnectionId> sender_;
};

// What a client sees when it comes: hub:connected, and the numbers of the messages after it.
struct Welcome {
  ConnectionId client;
  Frame connected;
  std::vector<std::string> numbers;
  std::vector<std::string> texts;

  bool resumed() const { return connected["payload.resumed"] == "true"; }
  std::string token() const { return connected.String("payload.resumeToken"); }
  std::string session() const { return connected.String("payload.sessionId"); }
};

class ResumeTest : public testing::Test, protected Stand {
 protected:
  explicit ResumeTest(const Options& options = {}) : Stand(options) {}

  static std::vector<std::string> Numbers(const std::vector<Frame>& frames) {
    std::vector<std::string> numbers;
    numbers.reserve(frames.size());
    for (const Frame& frame : frames) numbers.push_back(frame["payload"]);
    return numbers;
  }
  Welcome Read(const ConnectionId& client) {
    Welcome welcome{client, {}, {}, {}};
    std::vector<Frame> frames = Frames(client);
    if (frames.empty()) return welcome;
    welcome.connected = frames[0];
    EXPECT_EQ(welcome.connected.type(), "hub:connected") << welcome.connected;
    frames.erase(frames.begin());
    welcome.numbers = Numbers(frames);
    for (Frame& frame : frames) welcome.texts.push_back(frame.text);
    return welcome;
  }
  Welcome Arrive(const std::string& token = "", const std::string& from = "browser/me",
                 const std::string& last = "") {
    return Read(Come(token, from, last));
  }
  // A registered and subscribed `me`.
  Welcome Me() {
    Welcome me = Arrive();
    EXPECT_FALSE(me.resumed());
    Register(me.client, "browser/me");
    EXPECT_EQ(Ask(me.client, "hub:subscribe", "browser/me", R"({"topic":"news"})").type(), "hub:subscribed");
    return me;
  }
  Frame Publish(int number) {
    return Ask(Sender(), "hub:publish", "browser/sender",
               R"({"topic":"news","type":"n","data":)" + std::to_string(number) + "}");
  }
  // Nothing of a session that was absent is left. The rows of sessions that are there may be.
  void ExpectNoTraces() {
    for (const char* prefix : {"d/", "m/", "b/", "f/"}) EXPECT_THAT(hub().KeysWithPrefix(prefix), IsEmpty());
  }
};

TEST_F(ResumeTest, ASessionSurvivesItsSocket) {
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

TEST_F(ResumeTest, AnOperatorSeesWhatTheHubHolds) {
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

TEST_F(ResumeTest, AFreshSessionSaysSo) {
  const Welcome me = Arrive();
  EXPECT_FALSE(me.resumed());
  EXPECT_EQ(me.connected["payload.missed"], "");
}

TEST_F(ResumeTest, WhatIsSentMeanwhileIsKeptAndComesInOrder) {
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

TEST_F(ResumeTest, TheHubMaySleepBetweenAnyTwoSteps) {
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

TEST_F(ResumeTest, WhatCannotBeCommittedDidNotHappenAtAnyStep) {
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

// --- Tokens.

TEST_F(ResumeTest, ATokenWorksOnce) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const Welcome back = Arrive(me.token());
  const Welcome thief = Arrive(me.token());
  EXPECT_FALSE(thief.resumed());
  EXPECT_NE(thief.session(), me.session());
  EXPECT_FALSE(hub().ClosedByHub(back.client).has_value());
  hub().ConnectionBreaks(back.client);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  hub().Sleep();
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(Arrive(back.token()).resumed());
}

TEST_F(ResumeTest, ATokenIsOfUseToItsActorOnly) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  EXPECT_FALSE(Arrive(me.token(), "browser/other").resumed());
  EXPECT_THAT(Arrive(me.token(), "@(browser/me)").numbers, ElementsAre("1"))
      << "either form is the same actor";
}

TEST_F(ResumeTest, ATokenIsOfUseAtItsHubOnly) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Stand other({}, "other");
  const ConnectionId there = other.Come(me.token());
  EXPECT_EQ(other.One(there)["payload.resumed"], "false");
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumeTest, GarbageForATokenIsAFreshSession) {
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

TEST_F(ResumeTest, OnlyHashesOfTokensAreKept) {
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

TEST_F(ResumeTest, TheOlderDialectHasItsFieldsInTheMetadata) {
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

TEST_F(ResumeTest, RefreshingRotatesTheToken) {
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
  hub().ConnectionBreaks(me.client);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(Arrive(refreshed.String("payload.token")).resumed());
}

TEST_F(ResumeTest, OthersTokensRefreshNothing) {
  const Welcome me = Me();
  EXPECT_EQ(Ask(Sender(), "hub:refresh_token", "browser/sender", R"({"token":")" + me.token() + R"("})")
                .String("payload.code"),
            "invalid_token");
}

TEST_F(ResumeTest, ConnectingOrRefreshingAgainLeavesEveryTokenGoodThatTheClientMayHave) {
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
  hub().ConnectionBreaks(client);
  EXPECT_FALSE(Arrive(first.token()).resumed());
  EXPECT_FALSE(Arrive(again.token()).resumed());
  const Welcome back = Arrive(one);
  EXPECT_TRUE(back.resumed());
  hub().ConnectionBreaks(back.client);
  EXPECT_FALSE(Arrive(two).resumed()) << "one of them is used, so none is left";
}

// --- Which ends of a socket are the end of the session.

TEST_F(ResumeTest, AClientThatLeavesIsGone) {
  const Welcome me = Me();
  hub().ClientCloses(me.client, 1000);
  EXPECT_THAT(hub().rows(), IsEmpty());
  EXPECT_FALSE(Arrive(me.token()).resumed());

  const Welcome second = Me();
  Ask(second.client, "hub:disconnect", "browser/me", "{}");
  EXPECT_THAT(hub().rows(), IsEmpty());
  EXPECT_FALSE(Arrive(second.token()).resumed());
}

TEST_F(ResumeTest, OtherEndsAreNot) {
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

TEST_F(ResumeTest, ALosingDuplicateIsGoneWithOrWithoutASocket) {
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

TEST_F(ResumeTest, AConnectionThatNeverConnectedLeavesNothing) {
  const ConnectionId client = hub().ClientConnects();
  Register(client, "browser/me");
  hub().ConnectionBreaks(client);
  EXPECT_THAT(hub().rows(), IsEmpty());
}

// --- Time.

TEST_F(ResumeTest, TheWindowEndsByTheAlarm) {
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

TEST_F(ResumeTest, AnExpiredTokenIsRefusedBeforeTheAlarmHasRun) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  hub().Advance(kWindow);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(hub().RunDueAlarm());
  ExpectNoTraces();
}

TEST_F(ResumeTest, ARegistrationMayExpireMeanwhile) {
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

// --- A new session of the same identity that registers the address.

TEST_F(ResumeTest, ANewSessionOfTheActorInheritsWhatWaits) {
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

TEST_F(ResumeTest, WhatIsInheritedSurvivesTheHubBeforeItHasArrived) {
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

TEST_F(ResumeTest, AnHeirWhoseSocketIsLostAtOnceFindsItInItsOwnSession) {
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

TEST_F(ResumeTest, ASocketThatSeemsAliveIsInheritedFrom) {
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

TEST_F(ResumeTest, NobodyElseInherits) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome other = Arrive("", "browser/other");
  Register(other.client, "browser/me");
  EXPECT_THAT(Frames(other.client), IsEmpty());
  ExpectNoTraces();
}

TEST_F(ResumeTest, ACloseWithoutACodeIsAGoodBye) {
  const Welcome me = Me();
  hub().ClientCloses(me.client, 1005);
  EXPECT_THAT(hub().KeysWithPrefix("a/"), IsEmpty());
  ExpectNoTraces();
}

// --- Sockets that died unnoticed.

TEST_F(ResumeTest, TheTokenTakesASessionFromASocketThatSeemsAlive) {
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

TEST_F(ResumeTest, WhatComesBackIsWaitedForAndComesFirst) {
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

TEST_F(ResumeTest, WhatComesBackBeforeTheCloseIsKeptToo) {
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

TEST_F(ResumeTest, WhatComesBackToASessionThatEndedGoes) {
  const Welcome me = Me();
  Send(1);
  const std::vector<Frame> lost = Frames(me.client);
  hub().ReturnUndelivered(me.client, lost[0].text);
  hub().ClientCloses(me.client);
  EXPECT_THAT(hub().rows(), IsEmpty());
  hub().ReturnUndelivered(me.client, lost[0].text);
  EXPECT_THAT(hub().rows(), IsEmpty());
}

TEST_F(ResumeTest, WhileItWaitsAClientIsToldToWait) {
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

TEST_F(ResumeTest, AClientThatLeavesWhileItWaitsCanComeAgain) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  hub().ConnectionBreaks(next);
  hub().FinishRecalls();
  EXPECT_TRUE(Arrive(me.token()).resumed());
}

TEST_F(ResumeTest, TheSessionOfAClientThatLeftWhileItWaitedEndsInTime) {
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

TEST_F(ResumeTest, TheLastToWaitGetsIt) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId first = Come(me.token());
  const ConnectionId second = Come(me.token());
  EXPECT_EQ(hub().ClosedByHub(first)->reason, "Session resumed elsewhere");
  hub().FinishRecalls();
  EXPECT_TRUE(Read(second).resumed());
}

TEST_F(ResumeTest, ARivalEndsASessionThatIsWaitedFor) {
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

TEST_F(ResumeTest, ARebuiltHubFinishesWithTheNextEventOrTheAlarm) {
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

TEST_F(ResumeTest, ARebuiltHubAnswersARepeatedConnectOnce) {
  hub().HoldRecalls();
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const ConnectionId next = Come(me.token());
  hub().Sleep();
  hub().ClientSends(next, ConnectFrame(me.token()));
  hub().FinishRecalls();
  EXPECT_TRUE(Read(next).resumed());
}

TEST_F(ResumeTest, AWelcomeThatComesBackMakesTheOldTokenGoodAgain) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  const Welcome lost = Arrive(me.token());
  EXPECT_THAT(lost.numbers, ElementsAre("1"));
  hub().ReturnUndelivered(lost.client, lost.connected.text);
  hub().ReturnUndelivered(lost.client, lost.texts[0]);
  hub().ConnectionBreaks(lost.client);
  hub().Sleep();
  Send(2);
  const Welcome back = Arrive(me.token());
  EXPECT_TRUE(back.resumed());
  EXPECT_EQ(back.session(), me.session());
  EXPECT_THAT(back.numbers, ElementsAre("1", "2"));
  ExpectNoTraces();
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_FALSE(Arrive(lost.token()).resumed());
}

TEST_F(ResumeTest, AWelcomeMayComeBackAfterTheClose) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const Welcome lost = Arrive(me.token());
  hub().ConnectionBreaks(lost.client);
  hub().ReturnUndelivered(lost.client, lost.connected.text);
  EXPECT_TRUE(Arrive(me.token()).resumed());
  ExpectNoTraces();
}

TEST_F(ResumeTest, ASessionThatEndsLeavesNoForwarding) {
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

// --- Bounds.

class SmallMailboxTest : public ResumeTest {
 protected:
  SmallMailboxTest()
      : ResumeTest([] {
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

TEST_F(ResumeTest, LargeMessagesAreKeptWhole) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const std::string large = "\"" + std::string(700'000, 'x') + "\"";
  Ask(Sender(), "hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":)" + large + "}");
  Send(2);
  EXPECT_THAT(Arrive(me.token()).numbers, ElementsAre(large, "2"));
  ExpectNoTraces();
}

TEST_F(ResumeTest, NobodyAwayCostsNothing) {
  Me();
  Send(1);
  hub().ClientSends(Sender(),
                    Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})"));
  EXPECT_LE(hub().rows_read(), 1u) << "the registration";
  EXPECT_EQ(hub().rows_written(), 0u);
}

// --- Events that come again.

TEST_F(ResumeTest, ARepeatedEventKeepsNoSecondCopy) {
  const Welcome me = Me();
  const ConnectionId sender = Sender();
  hub().ConnectionBreaks(me.client);
  const std::string one =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})");
  Message message = Message::Text(one);
  message.received_ms = hub().now_ms();
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);  // the same id in the same millisecond, and yet another
  hub().Sleep();
  hub().Advance(500);
  message.repeated = true;
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);
  hub().ClientSends(sender, message);  // this one was not handled before
  EXPECT_THAT(Frames(sender), SizeIs(5));
  EXPECT_THAT(Arrive(me.token()).numbers, SizeIs(3));
}

TEST_F(ResumeTest, ARepeatedEventFindsItsMessageAlsoWhenThatCameBack) {
  const Welcome me = Me();
  const ConnectionId sender = Sender();
  Message message;
  const std::string one =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":1})");
  message.data = one;
  message.received_ms = hub().now_ms();
  hub().ClientSends(sender, message);
  const std::string lost = One(me.client).text;
  hub().ConnectionBreaks(me.client);
  hub().ReturnUndelivered(me.client, lost);
  hub().Sleep();
  message.repeated = true;
  hub().ClientSends(sender, message);
  EXPECT_THAT(Arrive(me.token()).numbers, ElementsAre("1"));
}

TEST_F(ResumeTest, ARepeatedEventsMessageStandsWhereItWasSentAndIsNoSecondOneWhenTheFirstComesBack) {
  const Welcome me = Me();
  Message message;
  const std::string zero =
      Envelope("hub:send", "browser/sender", R"({"to":"browser/me","type":"n","data":0})");
  message.data = zero;
  message.received_ms = hub().now_ms();
  hub().ClientSends(Sender(), message);
  const std::string lost = One(me.client).text;
  Frames(Sender());
  hub().HoldRecalls();
  hub().ConnectionBreaks(me.client);
  hub().Advance(5);
  Send(1);
  hub().Sleep();
  message.repeated = true;
  hub().ClientSends(Sender(), message);
  hub().ReturnUndelivered(me.client, lost);
  Frames(Sender());
  const ConnectionId client = Come(me.token());
  hub().FinishRecalls();
  EXPECT_THAT(Read(client).numbers, ElementsAre("0", "1"));
}

// --- A hub that is rebuilt before it is known whether who resumed was told.

TEST_F(ResumeTest, WhatMayHaveBeenLostWithTheHubIsToldAgain) {
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
  for (const char* prefix : {"d/", "m/", "b/", "f/"}) EXPECT_THAT(hub().KeysWithPrefix(prefix), IsEmpty());
  hub().ConnectionBreaks(lost.client);
  EXPECT_TRUE(Arrive(again.token()).resumed());
}

// The client may have got any of several hub:connected, though all but one were lost.
TEST_F(ResumeTest, TheTokenOfEachTimeThatItWasToldIsGood) {
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

TEST_F(ResumeTest, TheAlarmSeesToItWhereNoEventComes) {
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

TEST_F(ResumeTest, WhoLosesTheSocketAsWellComesBackWithTheOldToken) {
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
  for (const char* prefix : {"d/", "m/", "b/", "f/"}) EXPECT_THAT(hub().KeysWithPrefix(prefix), IsEmpty());
}

TEST_F(ResumeTest, ATokenIsUsedUpOnceItsUserIsKnownToHaveTheNext) {
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

// --- Clients that say what they have got.

TEST_F(ResumeTest, LastMessageIdBringsWhatWasLostInTheSocketAndNothingTwice) {
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

TEST_F(ResumeTest, LastMessageIdPassesOverWhatTheClientHas) {
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

TEST_F(ResumeTest, ALastMessageIdThatIsNoneCountsForNothing) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  Send(1);
  EXPECT_THAT(Arrive(me.token(), "browser/me", "zzz").numbers, ElementsAre("1"));
}

TEST_F(ResumeTest, WhatWasWrittenToADeadSocketComesToWhoHasNothingYet) {
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

TEST_F(ResumeTest, WhatAClientMayHaveComesToThoseWhoSayThatTheyHaveNot) {
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

TEST_F(ResumeTest, AWelcomeThatTheClientMayHaveUsesItsTokenUp) {
  const Welcome me = Me();
  hub().ConnectionBreaks(me.client);
  const Welcome back = Arrive(me.token());
  hub().ConnectionBreaks(back.client);
  hub().ReturnUndelivered(back.client, back.connected.text, /*unconfirmed=*/true);
  EXPECT_FALSE(Arrive(me.token()).resumed());
  EXPECT_TRUE(Arrive(back.token()).resumed());
}

TEST_F(ResumeTest, WhatTheGatewayCouldNotKeepIsCounted) {
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

TEST_F(ResumeTest, WhatTheGatewayCouldNotKeepOfASessionThatEndedIsNobodys) {
  const Welcome me = Me();
  hub().ClientCloses(me.client);
  hub().ReturnLost(me.client, {.count = 4, .older = true});
  ExpectNoTraces();
}

TEST_F(ResumeTest, MessagesHaveAscendingIds) {
  const Welcome me = Me();
  std::string last;
  for (int n = 0; n < 50; ++n) {
    if (n % 7 == 0) hub().Advance(1);
    Send(n);
    const std::string id = One(me.client).String("id");
    EXPECT_LT(last, id);
    last = id;
  }
}

// --- Many rows.

TEST_F(ResumeTest, ALargeSessionEndsAndMovesInSteps) {
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

TEST_F(ResumeTest, AMoveThatLosesItsGoalGoesToTheNext) {
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

TEST_F(ResumeTest, AMoveThatLosesItsGoalEndsInTime) {
  const Welcome me = Arrive();
  for (int n = 0; n < 400; ++n) Register(me.client, "many/" + std::to_string(n), R"(,"ttl":3600000)");
  hub().ConnectionBreaks(me.client);
  hub().ConnectionBreaks(Come(me.token()));
  hub().Sleep();
  hub().Advance(kWindow);
  while (hub().RunDueAlarm()) continue;
  EXPECT_THAT(hub().rows(), IsEmpty());
}

// --- Off.

class NoResumeTest : public ResumeTest {
 protected:
  NoResumeTest()
      : ResumeTest([] {
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
