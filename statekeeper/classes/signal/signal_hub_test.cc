// The protocol as clients see it: every message in both dialects and both forms of address, ask and tell.
#include "statekeeper/classes/signal/signal_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/signal_class.h"
#include "statekeeper/classes/testing/fake_edge.h"
#include "statekeeper/classes/testing/frame.h"
#include "statekeeper/hub/fake_context.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

struct Style {
  bool legacy = false;     // dialect 0.1
  bool canonical = false;  // @(...)
};

class SignalHubTest : public testing::TestWithParam<Style> {
 protected:
  explicit SignalHubTest(Options options = {}) : options_(std::move(options)) {}

  bool legacy() const { return GetParam().legacy; }
  // An address as this run writes them, and the same as JSON.
  std::string A(const std::string& bare) const { return GetParam().canonical ? "@(" + bare + ")" : bare; }
  std::string Q(const std::string& bare) const { return JsonQuoted(A(bare)); }

  // All frames that a client has got, each checked to be a whole envelope.
  std::vector<Frame> Frames(const ConnectionId& client) {
    std::vector<Frame> frames;
    for (std::string& text : hub_.TakeFrames(client)) {
      frames.push_back(Frame{std::move(text)});
      const Frame& frame = frames.back();
      EXPECT_TRUE(IsValidJson(frame.text)) << frame;
      std::vector<std::string> keys;
      const JsonObject fields(frame.text);
      for (const JsonMember& member : fields.members()) keys.push_back(member.key());
      EXPECT_THAT(keys, UnorderedElementsAre("id", "from", "to", "type", "payload", "pattern",
                                             "correlationId", "timestamp", "metadata", "ttl", "signature"));
      EXPECT_EQ(frame.String("id").size(), 36u) << frame;
      EXPECT_EQ(frame["pattern"], "\"tell\"") << frame;
      EXPECT_EQ(frame.Number("timestamp"), hub_.now_ms()) << frame;
      EXPECT_EQ(frame["signature"], "null") << frame;
    }
    return frames;
  }
  Frame One(const ConnectionId& client) {
    const std::vector<Frame> frames = Frames(client);
    EXPECT_THAT(frames, SizeIs(1));
    return frames.empty() ? Frame{"{}"} : frames[0];
  }

  std::string Envelope(const std::string& type, const std::string& from, const std::string& payload,
                       const std::string& pattern, const std::string& more = "") {
    last_id_ = "m" + std::to_string(++messages_);
    return R"({"id":")" + last_id_ + R"(","type":")" + type + R"(","from":)" + Q(from) + R"(,"to":)" + to_ +
           R"(,"payload":)" + payload + R"(,"pattern":")" + pattern + "\"" + more + "}";
  }
  // Sends an ask and returns its one answer, its addressing checked.
  Frame Ask(const ConnectionId& client, const std::string& type, const std::string& from,
            const std::string& payload, const std::string& more = "") {
    hub_.ClientSends(client, Envelope(type, from, payload, "ask", more));
    Frame reply = One(client);
    ExpectAddressed(reply, from);
    return reply;
  }
  void ExpectAddressed(const Frame& reply, const std::string& from) {
    EXPECT_EQ(reply["to"], Q(from)) << reply;
    EXPECT_EQ(reply["from"], to_) << reply;
    EXPECT_EQ(reply.String("correlationId"), last_id_) << reply;
  }
  std::vector<Frame> Tell(const ConnectionId& client, const std::string& type, const std::string& from,
                          const std::string& payload, const std::string& more = "") {
    hub_.ClientSends(client, Envelope(type, from, payload, "tell", more));
    return Frames(client);
  }

  std::string ConnectFrame(const std::string& from) {
    return legacy() ? Envelope("hub:connect", from, "null", "ask",
                               R"(,"metadata":{"protocolVersion":"0.1.0","capabilities":["send","receive"]})")
                    : Envelope("hub:connect", from, R"({"version":"1.0"})", "ask");
  }
  ConnectionId Connect(const std::string& from = "browser/unknown") {
    const ConnectionId client = hub_.ClientConnects();
    hub_.ClientSends(client, ConnectFrame(from));
    EXPECT_EQ(One(client).type(), "hub:connected");
    return client;
  }
  Frame Register(const ConnectionId& client, const std::string& address, const std::string& more = "") {
    Frame reply = Ask(client, "hub:register", address,
                      R"({"actorAddress":)" + Q(address) + R"(,"capabilities":["chat"])" + more + "}");
    EXPECT_EQ(reply.type(), "hub:registered") << reply;
    return reply;
  }
  ConnectionId Actor(const std::string& address, const std::string& more = "") {
    const ConnectionId client = Connect();
    Register(client, address, more);
    return client;
  }
  std::string Subscribe(const ConnectionId& client, const std::string& from, const std::string& topic) {
    const Frame reply = Ask(client, "hub:subscribe", from, R"({"topic":")" + topic + R"(","durable":false})");
    EXPECT_EQ(reply.type(), "hub:subscribed") << reply;
    EXPECT_EQ(reply.String("payload.topic"), topic);
    return reply.String("payload.subscriptionId");
  }
  // Who gets a publication to the topic.
  double Subscribers(const std::string& topic) {
    const ConnectionId someone = Connect();
    const Frame ack =
        Ask(someone, "hub:publish", "x/y", R"({"topic":")" + topic + R"(","type":"t","data":1})");
    hub_.ClientCloses(someone);
    return ack.Number("payload.subscriberCount");
  }
  void ExpectError(const Frame& frame, const std::string& code) {
    EXPECT_EQ(frame.type(), "hub:error") << frame;
    EXPECT_EQ(frame.String("payload.code"), code) << frame;
    EXPECT_THAT(frame.Keys("payload"), UnorderedElementsAre("code", "message", "resolution", "details"));
    EXPECT_GT(frame.String("payload.message").size(), 10u);
    EXPECT_GT(frame.String("payload.resolution").size(), 10u);
  }
  std::string Addresses(const Frame& listing) {
    std::string all;
    const std::string actors = listing["payload.actors"];
    for (const JsonSlice actor : JsonElements(actors).value_or(std::vector<JsonSlice>{})) {
      all += *JsonString(JsonObject(actor).Find("actorAddress")) + " ";
    }
    return all;
  }

  Options options_;
  const std::unique_ptr<HubClass> class_ = NewSignalClass(options_);
  FakeContext hub_{*class_};
  std::string to_ = Q("cloudflare/signal-hub");
  int messages_ = 0;
  std::string last_id_;
};

INSTANTIATE_TEST_SUITE_P(Styles, SignalHubTest,
                         testing::Values(Style{false, false}, Style{false, true}, Style{true, false},
                                         Style{true, true}),
                         [](const testing::TestParamInfo<Style>& style) {
                           return std::string(style.param.legacy ? "V01" : "V10") +
                                  (style.param.canonical ? "Canonical" : "Bare");
                         });

// --- Connection life cycle.

TEST_P(SignalHubTest, Connect) {
  const ConnectionId client = hub_.ClientConnects();
  EXPECT_THAT(Frames(client), IsEmpty()) << "the hub waits for the client to begin";
  hub_.ClientSends(client, ConnectFrame("browser/me"));
  const Frame reply = One(client);
  ExpectAddressed(reply, "browser/me");
  EXPECT_EQ(reply.type(), "hub:connected");
  EXPECT_THAT(
      reply.Keys("payload"),
      UnorderedElementsAre("sessionId", "serverVersion", "serverTime", "actorIdentity", "maxMessageSize",
                           "heartbeatInterval", "resumeToken", "resumed", "capabilities"));
  EXPECT_EQ(reply["payload.actorIdentity"], Q("browser/me"));
  EXPECT_EQ(reply["metadata.actorIdentity"], Q("browser/me"));
  EXPECT_EQ(reply.Number("payload.maxMessageSize"), 1 << 20);
  EXPECT_EQ(reply.Number("payload.heartbeatInterval"), 30'000);
  EXPECT_EQ(reply.Number("payload.serverTime"), hub_.now_ms());
  EXPECT_EQ(reply["payload.resumed"], "false");
  if (legacy()) {
    EXPECT_EQ(
        reply["payload.capabilities"],
        R"({"maxActorsPerInstance":50000,"supportsBackpressure":true,"supportedContentTypes":["application/json"]})");
  } else {
    const std::string granted = reply["payload.capabilities"];
    EXPECT_GE(JsonElements(granted)->size(), 3u);
  }
}

TEST_P(SignalHubTest, ConnectingAgainIsTheSameSessionAndANewSocketIsANewOne) {
  const ConnectionId client = hub_.ClientConnects();
  hub_.ClientSends(client, ConnectFrame("browser/me"));
  const std::string session = One(client).String("payload.sessionId");
  hub_.Sleep();
  hub_.ClientSends(client, ConnectFrame("browser/me"));
  EXPECT_EQ(One(client).String("payload.sessionId"), session);
  const ConnectionId other = hub_.ClientConnects();
  hub_.ClientSends(other, ConnectFrame("browser/me"));
  EXPECT_NE(One(other).String("payload.sessionId"), session);
}

TEST_P(SignalHubTest, ConnectRefusesOtherVersions) {
  const ConnectionId client = hub_.ClientConnects();
  const Frame other =
      legacy() ? Ask(client, "hub:connect", "a/b", "null", R"(,"metadata":{"protocolVersion":"2.0.0"})")
               : Ask(client, "hub:connect", "a/b", R"({"version":"2.0"})");
  ExpectError(other, "version_mismatch");
  EXPECT_EQ(other["payload.details"], legacy() ? R"({"expected":"0.1.0","received":"2.0.0"})"
                                               : R"({"expected":"1.0","received":"2.0"})");
  const Frame none = Ask(client, "hub:connect", "a/b", "null");
  ExpectError(none, "version_mismatch");
  EXPECT_EQ(none["payload.details.received"], "null");
  for (const char* version : {"\"10.0\"", "\"x\"", "\"\"", "[]"}) {
    ExpectError(Ask(client, "hub:connect", "a/b", std::string(R"({"version":)") + version + "}"),
                "version_mismatch");
  }
  EXPECT_EQ(hub_.FindConnection(client)->attachment, "");
}

TEST_P(SignalHubTest, ConnectOfTheOlderDialectNeedsCapabilities) {
  const ConnectionId client = hub_.ClientConnects();
  for (const char* capabilities : {"", R"(,"capabilities":[])", R"(,"capabilities":"send")"}) {
    ExpectError(Ask(client, "hub:connect", "a/b", "null",
                    std::string(R"(,"metadata":{"protocolVersion":"0.1.0")") + capabilities + "}"),
                "unauthorized");
  }
}

TEST_P(SignalHubTest, ConnectNeedsAnAddress) {
  const ConnectionId client = hub_.ClientConnects();
  hub_.ClientSends(client, R"({"type":"hub:connect","from":"","payload":{"version":"1.0"}})");
  ExpectError(One(client), "internal_error");
}

TEST_P(SignalHubTest, HeartbeatForAskAndTell) {
  const ConnectionId client = Connect("browser/me");
  const Frame reply = Ask(client, "hub:heartbeat", "browser/me", R"({"timestamp":1.0e3})");
  EXPECT_EQ(reply.type(), "hub:heartbeat_ack");
  EXPECT_EQ(reply["payload"], R"({"timestamp":1.0e3,"serverTime":)" + std::to_string(hub_.now_ms()) + "}");
  const std::vector<Frame> told = Tell(client, "hub:heartbeat", "some/body-else", "null");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0]["payload"], R"({"serverTime":)" + std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(hub_.rows_written() + hub_.attachments_written() + hub_.rows_read(), 0u);
}

TEST_P(SignalHubTest, Seed002LiterallyWithoutConnecting) {
  const ConnectionId client = hub_.ClientConnects();
  hub_.Sleep();
  hub_.ClientSends(client,
                   R"({"type":"hub:heartbeat","from":"browser/client-ui","to":"cloudflare/signal-hub",)"
                   R"("payload":{"timestamp":1708272030000}})");
  const Frame reply = One(client);
  EXPECT_EQ(reply.type(), "hub:heartbeat_ack");
  EXPECT_EQ(reply["from"], "\"cloudflare/signal-hub\"");
  EXPECT_EQ(reply["to"], "\"browser/client-ui\"");
  EXPECT_EQ(reply["correlationId"], "null");
  EXPECT_EQ(reply.Number("payload.serverTime"), hub_.now_ms());
}

TEST_P(SignalHubTest, TheEdgeAnswersHeartbeatsAsTheHubDoes) {
  const ConnectionId client = Connect("browser/me");
  for (const char* rest :
       {"", R"(,"payload":null)", R"(,"payload":{"timestamp":17})",
        R"(,"id":null,"payload":{"timestamp":null})",
        R"(,"id":"x","payload":{"timestamp":1.0e2},"pattern":"tell","ttl":null,"metadata":{})",
        R"(,"id":"y","payload":{"a":1},"timestamp":3)"}) {
    const std::string frame =
        R"({"type":"hub:heartbeat","from":)" + Q("browser/me") + R"(,"to":)" + to_ + rest + "}";
    hub_.ClientSends(client, frame);
    const Frame own = One(client);
    const std::optional<std::string> edge =
        EdgeReply(class_->profile(), frame,
                  {{link::Template::NOW_MS, std::to_string(hub_.now_ms())},
                   {link::Template::NEW_UUID, own.String("id")}});
    EXPECT_EQ(edge, own.text) << frame;
  }
}

TEST_P(SignalHubTest, TheEdgeLeavesTheHubWhatItCannotJudge) {
  for (const char* frame :
       {R"({"type":"hub:heartbeat","from":"a/b","to":"c/d","ttl":5000})",
        R"({"type":"hub:heartbeat","from":"a/b"})", R"({"type":"hub:heartbeat","to":"c/d"})",
        R"({"type":"hub:heartbeat","from":"a/b","to":null})",
        R"({"type":"hub:heartbeat","from":7,"to":"c/d"})",
        R"({"type":"hub:renew","from":"a/b","to":"c/d"})"}) {
    EXPECT_FALSE(EdgeReply(class_->profile(), frame, {}).has_value()) << frame;
  }
}

TEST_P(SignalHubTest, AReplyWithoutARequestsToComesFromTheHubInTheClientsForm) {
  const ConnectionId client = Connect();
  hub_.ClientSends(client, R"({"type":"hub:heartbeat","from":)" + Q("browser/me") + "}");
  EXPECT_EQ(One(client)["from"], Q("cloudflare/signal-hub"));
  to_ = "\"any/name-of-it\"";
  Ask(client, "hub:heartbeat", "browser/me", "null");  // checks that it answers under that name
}

TEST_P(SignalHubTest, DisconnectAnswersThenCloses) {
  const ConnectionId client = hub_.ClientConnects();
  hub_.ClientSends(client, ConnectFrame("browser/me"));
  const std::string session = One(client).String("payload.sessionId");
  Register(client, "browser/me");
  Subscribe(client, "browser/me", "news");
  hub_.ClientSends(client, Envelope("hub:disconnect", "browser/me", R"({"reason":"bye"})", "tell"));
  const Frame reply = One(client);
  ExpectAddressed(reply, "browser/me");
  EXPECT_EQ(reply.type(), legacy() ? "hub:disconnect" : "hub:disconnect_ack");
  EXPECT_EQ(reply["payload"], R"({"acknowledged":true,"sessionId":")" + session + R"(","cleanedUp":true})");
  ASSERT_TRUE(hub_.ClosedByHub(client).has_value());
  EXPECT_EQ(hub_.ClosedByHub(client)->code, 1000);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_P(SignalHubTest, TheEndOfASessionRemovesWhatItHad) {
  const ConnectionId stays = Actor("browser/stays");
  Subscribe(stays, "browser/stays", "news");
  const auto before = hub_.rows();
  const ConnectionId client = Actor("browser/me");
  Register(client, "browser/me-too");
  Subscribe(client, "browser/me", "news");
  Subscribe(client, "browser/me-too", "other");
  hub_.Sleep();
  hub_.ClientCloses(client);
  EXPECT_EQ(hub_.rows(), before);
  EXPECT_THAT(Frames(stays), IsEmpty()) << "nobody is told";
}

TEST_P(SignalHubTest, ASessionThatHadNothingEndsWithoutTheStore) {
  const ConnectionId client = Connect();
  hub_.ClientCloses(client);
  EXPECT_EQ(hub_.rows_read() + hub_.rows_written(), 0u);
}

TEST_P(SignalHubTest, RefreshTokenKnowsNoTokens) {
  ExpectError(Ask(Connect(), "hub:refresh_token", "a/b", R"({"token":"x"})"), "invalid_token");
}

// --- Registry.

TEST_P(SignalHubTest, Register) {
  const ConnectionId client = Connect();
  const Frame reply = Register(client, "browser/me", R"(,"metadata":{"v":1.0})");
  EXPECT_THAT(reply.Keys("payload"),
              UnorderedElementsAre("actorAddress", "renewalToken", "expiresAt", "version", "renewalNeeded"));
  EXPECT_EQ(reply["payload.actorAddress"], Q("browser/me"));
  EXPECT_EQ(reply.Number("payload.version"), 1);
  EXPECT_EQ(reply.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 300'000);
  EXPECT_GE(reply.String("payload.renewalToken").size(), 32u);
  EXPECT_THAT(
      Tell(client, "hub:register", "browser/me", R"({"actorAddress":"browser/x","capabilities":["c"]})"),
      SizeIs(1))
      << "tells are answered, too";
}

TEST_P(SignalHubTest, RegisterClampsTheTtl) {
  const ConnectionId client = Connect();
  const auto ttl = [&](const std::string& field) {
    return Register(client, "browser/me", "," + field).Number("payload.expiresAt") -
           static_cast<double>(hub_.now_ms());
  };
  EXPECT_EQ(ttl(R"("ttl":60000)"), 60'000);
  EXPECT_EQ(ttl(R"("ttlSeconds":60)"), 60'000);
  EXPECT_EQ(ttl(R"("ttlSeconds":1.5)"), 1500);
  EXPECT_EQ(ttl(R"("ttl":1)"), 1000);
  EXPECT_EQ(ttl(R"("ttl":-5)"), 1000);
  EXPECT_EQ(ttl(R"("ttlSeconds":1e300)"), 3'600'000);
  EXPECT_EQ(ttl(R"("ttl":null)"), 300'000);
}

TEST_P(SignalHubTest, RegisterRefusesBadPayloads) {
  const ConnectionId client = Connect();
  for (const char* payload :
       {"null", "[]", "{}", R"({"actorAddress":7})", R"({"actorAddress":""})", R"j({"actorAddress":"@()"})j",
        R"({"actorAddress":"a/b","capabilities":"chat"})", R"({"actorAddress":"a/b","capabilities":[1]})",
        R"({"actorAddress":"a/b","capabilities":["c"],"metadata":[]})",
        R"({"actorAddress":"a/b","capabilities":["c"],"ttl":"5"})"}) {
    ExpectError(Ask(client, "hub:register", "a/b", payload), "internal_error");
  }
  ExpectError(
      Ask(client, "hub:register", "a/b", R"({"actorAddress":"cloudflare/signal-hub","capabilities":["c"]})"),
      "unauthorized");
  const std::string big =
      R"({"actorAddress":"a/b","capabilities":["c"],"metadata":{"x":")" + std::string(17'000, 'x') + "\"}}";
  const Frame large = Ask(client, "hub:register", "a/b", big);
  ExpectError(large, "message_too_large");
  EXPECT_THAT(large.Keys("payload.details"), UnorderedElementsAre("actualSize", "maxSize", "size", "limit"));
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_P(SignalHubTest, CapabilitiesAreRequiredInTheOlderDialectOnly) {
  const ConnectionId client = Connect();
  for (const char* payload : {R"({"actorAddress":"a/b"})", R"({"actorAddress":"a/b","capabilities":[]})"}) {
    const Frame reply = Ask(client, "hub:register", "a/b", payload);
    EXPECT_EQ(reply.type(), legacy() ? "hub:error" : "hub:registered") << reply;
  }
}

TEST_P(SignalHubTest, ReRegistrationCountsVersions) {
  const ConnectionId client = Connect();
  const Frame first = Register(client, "browser/me");
  hub_.Advance(5);
  const Frame second = Register(client, "browser/me");
  EXPECT_EQ(second.Number("payload.version"), 2);
  EXPECT_NE(second["payload.renewalToken"], first["payload.renewalToken"]);
  EXPECT_FALSE(hub_.ClosedByHub(client).has_value()) << "its own session is not a duplicate";
  hub_.Advance(300'000);
  EXPECT_EQ(Register(client, "browser/me").Number("payload.version"), 3) << "its socket keeps it";
  Register(client, "browser/me", R"(,"ttl":1000)");
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Register(client, "browser/me").Number("payload.version"), 1)
      << "the expired one is not there any more";
}

// One of two answers to the same event is lost; so the token of either must do, until one is used.
TEST_P(SignalHubTest, TheSameEventAgainIsAnsweredTheSameButForTheToken) {
  const ConnectionId client = Connect();
  const auto send_twice = [&](const std::string& frame) {
    const Message message{frame, false, hub_.now_ms()};
    hub_.ClientSends(client, message);
    const Frame first = One(client);
    hub_.Advance(40);
    hub_.Sleep();
    hub_.ClientSends(client, message);
    const Frame second = One(client);
    EXPECT_EQ(second.type(), first.type());
    for (const char* field : {"payload.actorAddress", "payload.expiresAt", "payload.version"}) {
      EXPECT_EQ(second[field], first[field]);
    }
    EXPECT_NE(second["payload.renewalToken"], first["payload.renewalToken"]);
    return std::pair(first["payload.renewalToken"], second["payload.renewalToken"]);
  };
  const auto renewal = [&](const std::string& token) {
    return Envelope("hub:renew", "browser/me", R"({"renewalToken":)" + token + "}", "ask");
  };
  const auto renew = [&](const std::string& token) {
    hub_.ClientSends(client, renewal(token));
    return One(client);
  };
  const std::string registration =
      Envelope("hub:register", "browser/me", R"({"actorAddress":"browser/me","capabilities":["c"]})", "ask");

  auto [first, second] = send_twice(registration);
  EXPECT_EQ(renew(first).type(), "hub:renewed");
  ExpectError(renew(second), "unauthorized");

  std::tie(first, second) = send_twice(registration);
  EXPECT_EQ(renew(second).type(), "hub:renewed");
  ExpectError(renew(first), "unauthorized");

  std::tie(first, second) = send_twice(renewal(send_twice(registration).first));
  EXPECT_EQ(renew(first).type(), "hub:renewed");
  ExpectError(renew(second), "unauthorized");
}

TEST_P(SignalHubTest, SeveralEventsThatComeAgainEndNoTokenThatTheClientMayHave) {
  for (const bool first_answers_arrived : {true, false}) {
    const ConnectionId client = Connect();
    const std::string registration = Envelope("hub:register", "browser/me",
                                              R"({"actorAddress":"browser/me","capabilities":["c"]})", "ask");
    Message register_it{registration, false, hub_.now_ms()};
    hub_.ClientSends(client, register_it);
    const Frame registered = One(client);
    hub_.Advance(40);
    const std::string renewal = Envelope(
        "hub:renew", "browser/me", R"({"renewalToken":)" + registered["payload.renewalToken"] + "}", "ask");
    Message renew_it{renewal, false, hub_.now_ms()};
    hub_.ClientSends(client, renew_it);
    const Frame renewed = One(client);
    hub_.Sleep();
    register_it.repeated = true;
    renew_it.repeated = true;
    hub_.ClientSends(client, register_it);
    EXPECT_EQ(One(client).type(), "hub:registered");
    hub_.ClientSends(client, renew_it);
    const Frame renewed_again = One(client);
    EXPECT_EQ(renewed_again.type(), "hub:renewed");
    const std::string token = (first_answers_arrived ? renewed : renewed_again)["payload.renewalToken"];
    EXPECT_EQ(Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + "}").type(),
              "hub:renewed");
    hub_.ClientCloses(client);
  }
}

TEST_P(SignalHubTest, TheLastToRegisterAnAddressHasIt) {
  const ConnectionId older = Actor("browser/me");
  Register(older, "browser/other");
  const std::string subscription = Subscribe(older, "browser/me", "news");
  Subscribe(older, "browser/other", "news");
  const ConnectionId newer = Connect();
  EXPECT_EQ(Register(newer, "browser/me").Number("payload.version"), 2);

  const Frame told = One(older);
  EXPECT_EQ(told.type(), "hub:disconnect");
  EXPECT_EQ(told["to"], Q("browser/me"));
  EXPECT_EQ(told["from"], Q("cloudflare/signal-hub"));
  EXPECT_EQ(told.String("payload.reason"), "duplicate_connection");
  EXPECT_TRUE(IsJsonString(told["payload.message"]));
  ASSERT_TRUE(hub_.ClosedByHub(older).has_value());
  EXPECT_EQ(hub_.ClosedByHub(older)->code, 1000);

  // The subscriptions of the address came along; all else of the older session is gone.
  const ConnectionId publisher = Connect();
  Ask(publisher, "hub:publish", "x/y", R"({"topic":"news","type":"t","data":1})");
  EXPECT_EQ(One(newer)["to"], Q("browser/me"));
  EXPECT_EQ(Ask(publisher, "hub:list_actors", "x/y", "{}").Number("payload.total"), 1);
  Ask(newer, "hub:unsubscribe", "browser/me", R"({"subscriptionId":")" + subscription + "\"}");
  EXPECT_EQ(Subscribers("news"), 0);
}

TEST_P(SignalHubTest, TheFullRegistryTakesKnownAddressesOnly) {
  Options options;
  options.max_actors = 2;
  const auto small = NewSignalClass(options);
  FakeContext hub(*small);
  const ConnectionId client = hub.ClientConnects();
  const auto code = [&](const std::string& address) {
    hub.ClientSends(
        client, Envelope("hub:register", address,
                         R"({"actorAddress":)" + Q(address) + R"(,"capabilities":["c"],"ttl":1000})", "ask"));
    const Frame reply{hub.TakeFrames(client).at(0)};
    return reply.type() == "hub:registered" ? "ok" : reply.String("payload.code");
  };
  EXPECT_EQ(code("a/1"), "ok");
  EXPECT_EQ(code("a/2"), "ok");
  EXPECT_EQ(code("a/3"), "rate_limited");
  EXPECT_EQ(code("a/2"), "ok");
  hub.Advance(1000);
  EXPECT_TRUE(hub.RunDueAlarm());
  EXPECT_EQ(code("a/3"), "ok");
}

TEST_P(SignalHubTest, RenewRotatesTheToken) {
  const ConnectionId client = Connect();
  const Frame registered = Register(client, "browser/me", R"(,"ttl":60000)");
  hub_.Advance(50'000);
  // In the way of its dialect; `from` is not the registered actor, as in today's clients.
  const auto renew = [&](const std::string& token) {
    return legacy() ? Ask(client, "hub:renew", "browser/unknown", "null",
                          R"(,"metadata":{"renewalToken":)" + token + "}")
                    : Ask(client, "hub:renew", "browser/me",
                          R"({"actorAddress":)" + Q("browser/me") + R"(,"renewalToken":)" + token + "}");
  };
  const std::string token = registered["payload.renewalToken"];
  const Frame renewed = renew(token);
  EXPECT_EQ(renewed.type(), "hub:renewed") << renewed;
  EXPECT_THAT(renewed.Keys("payload"), UnorderedElementsAre("actorAddress", "expiresAt", "renewalToken",
                                                            "newRenewalToken", "renewalNeeded"));
  EXPECT_EQ(renewed["payload.actorAddress"], Q("browser/me"));
  EXPECT_EQ(renewed.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 60'000);
  EXPECT_EQ(renewed["payload.renewalToken"], renewed["payload.newRenewalToken"]);
  EXPECT_NE(renewed["payload.renewalToken"], token);
  hub_.Advance(50'000);
  EXPECT_EQ(Ask(client, "hub:list_actors", "x/y", "{}").Number("payload.total"), 1) << "it lives longer";
  ExpectError(renew(token), "unauthorized");
  EXPECT_EQ(renew(renewed["payload.newRenewalToken"]).type(), "hub:renewed");
}

TEST_P(SignalHubTest, RenewWithAWrongTokenIsUnauthorized) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me").String("payload.renewalToken");
  const std::string other = Register(client, "browser/other").String("payload.renewalToken");
  const auto error = [&](const std::string& payload) {
    return Ask(client, "hub:renew", "browser/me", payload);
  };
  std::string wrong = token;
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  for (const std::string& bad :
       std::vector<std::string>{wrong, "x", "x.browser/me", ".browser/me", token.substr(0, 32)}) {
    ExpectError(error(R"({"renewalToken":")" + bad + "\"}"), "unauthorized");
  }
  ExpectError(error(R"({"actorAddress":"browser/me","renewalToken":")" + other + "\"}"), "unauthorized");
  ExpectError(error("{}"), "internal_error");
  ExpectError(error(R"({"renewalToken":7})"), "internal_error");
}

TEST_P(SignalHubTest, RenewOfAnActorThatIsNotRegistered) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me", R"(,"ttl":1000)").String("payload.renewalToken");
  const std::string renewal = R"({"renewalToken":")" + token + "\"}";
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  ExpectError(Ask(client, "hub:renew", "browser/me", renewal), legacy() ? "unauthorized" : "unknown_actor");
  Register(client, "browser/me");
  ExpectError(Ask(client, "hub:renew", "browser/me", renewal), "unauthorized");
}

TEST_P(SignalHubTest, UpkeepDoesNotKeepTheHubAwake) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me", R"(,"ttl":1000)")["payload.renewalToken"];
  EXPECT_TRUE(hub_.stays_awake());
  Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + "}");
  EXPECT_FALSE(hub_.stays_awake());
  Ask(client, "hub:heartbeat", "browser/me", "null");
  EXPECT_FALSE(hub_.stays_awake());
  hub_.ClientIsHeard(client);
  hub_.Advance(1000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Ask(client, "hub:list_actors", "x/y", "{}").Number("payload.total"), 0);
  EXPECT_TRUE(hub_.stays_awake());
}

TEST_P(SignalHubTest, ASocketThatIsHeardKeepsItsRegistrations) {
  const ConnectionId client = Connect();
  EXPECT_EQ(Register(client, "browser/me")["payload.renewalNeeded"], "false");
  EXPECT_FALSE(hub_.alarm().has_value()) << "there is nothing to wake for";
  EXPECT_EQ(Register(client, "browser/short", R"(,"ttl":10000)")["payload.renewalNeeded"], "true");
  for (int i = 0; i < 5; ++i) {
    hub_.Sleep();
    hub_.Advance(7'000);
    hub_.ClientIsHeard(client);
    hub_.Advance(3'000);
    hub_.RunDueAlarm();
  }
  const ConnectionId other = Connect();
  EXPECT_EQ(Ask(other, "hub:list_actors", "x/y", "{}").Number("payload.total"), 2);
  hub_.Advance(7'000);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_THAT(hub_.KeysWithPrefix("a/"), ElementsAre("a/browser/me")) << "10 s after the last sign of life";
  EXPECT_FALSE(hub_.alarm().has_value());
}

TEST_P(SignalHubTest, RenewTakesAnotherTtl) {
  const ConnectionId client = Connect();
  const std::string token = Register(client, "browser/me")["payload.renewalToken"];
  const Frame reply =
      Ask(client, "hub:renew", "browser/me", R"({"renewalToken":)" + token + R"(,"ttl":5000})");
  EXPECT_EQ(reply.Number("payload.expiresAt"), static_cast<double>(hub_.now_ms()) + 5000);
  EXPECT_EQ(hub_.alarm(), hub_.now_ms() + 5000);
}

TEST_P(SignalHubTest, Unregister) {
  const ConnectionId client = Actor("browser/me");
  Subscribe(client, "browser/me", "news");
  const std::string payload = R"({"actorAddress":)" + Q("browser/me") + "}";
  const Frame reply = Ask(client, "hub:unregister", "browser/me", payload);
  EXPECT_EQ(reply.type(), "hub:unregistered");
  EXPECT_EQ(reply["payload"], R"({"actorAddress":)" + Q("browser/me") + R"(,"unregisteredAt":)" +
                                  std::to_string(hub_.now_ms()) + "}");
  EXPECT_THAT(hub_.rows(), IsEmpty()) << "its subscriptions belong to it";
  EXPECT_EQ(Ask(client, "hub:unregister", "browser/me", payload).type(), "hub:unregistered")
      << "twice is once";
  Register(client, "browser/me");
  EXPECT_THAT(Tell(client, "hub:unregister", "browser/me", payload), SizeIs(legacy() ? 0 : 1));
  EXPECT_THAT(hub_.rows(), IsEmpty());
  ExpectError(Ask(client, "hub:unregister", "browser/me", "{}"), "internal_error");
}

TEST_P(SignalHubTest, OthersDoNotUnregisterMe) {
  Actor("browser/me");
  const ConnectionId other = Actor("browser/other");
  ExpectError(Ask(other, "hub:unregister", "browser/other", R"({"actorAddress":"browser/me"})"),
              "unauthorized");
  EXPECT_EQ(Ask(other, "hub:list_actors", "x/y", "{}").Number("payload.total"), 2);
}

TEST_P(SignalHubTest, ExpiryHidesAndLeavesTheSocketOpen) {
  const ConnectionId client = Actor("browser/me", R"(,"ttl":1000)");
  const ConnectionId other = Actor("browser/other");
  hub_.Advance(1000);
  hub_.Sleep();
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_EQ(Ask(other, "hub:send", "browser/other", R"({"to":"browser/me","type":"t"})").type(),
            "hub:unknown_actor");
  EXPECT_EQ(Ask(other, "hub:discover", "browser/other", R"({"pattern":"*"})").Number("payload.totalMatches"),
            1);
  EXPECT_EQ(Ask(other, "hub:list_actors", "browser/other", "{}").Number("payload.total"), 1);
  EXPECT_EQ(Ask(other, "hub:broadcast", "browser/other", R"({"type":"t","excludeSelf":true})")
                .Number("payload.count"),
            0);
  EXPECT_THAT(hub_.KeysWithPrefix("a/"), ElementsAre("a/browser/other"));
  EXPECT_THAT(hub_.KeysWithPrefix("x/"), IsEmpty());
  EXPECT_FALSE(hub_.ClosedByHub(client).has_value()) << "the socket stays open";
  EXPECT_FALSE(hub_.alarm().has_value());
}

// --- Discovery.

TEST_P(SignalHubTest, Discover) {
  const ConnectionId client = Connect();
  Register(client, "browser/a", R"(,"metadata":{"zone":"eu","n":1.0,"o":{"x":[1]}})");
  Register(client, "browser/b", R"(,"metadata":{"zone":"us"})");
  Ask(client, "hub:register", "x/y", R"({"actorAddress":"worker/c","capabilities":["chat","gpu"]})");
  const auto find = [&](const std::string& payload) {
    return Addresses(Ask(client, "hub:discover", "x/y", payload));
  };
  const std::string a = A("browser/a") + " ";
  const std::string b = A("browser/b") + " ";
  const std::string c = A("worker/c") + " ";

  const Frame reply = Ask(client, "hub:discover", "x/y", R"({"pattern":"browser/a"})");
  EXPECT_EQ(reply.type(), legacy() ? "hub:discovered" : "hub:discovery_result");
  EXPECT_EQ(reply["payload"],
            R"({"actors":[{"address":)" + Q("browser/a") + R"(,"actorAddress":)" + Q("browser/a") +
                R"(,"capabilities":["chat"],"metadata":{"zone":"eu","n":1.0,"o":{"x":[1]}},"registeredAt":)" +
                std::to_string(hub_.now_ms()) +
                R"(,"online":true}],"count":1,"hasMore":false,"totalMatches":1})");

  EXPECT_EQ(find("null"), a + b + c);
  EXPECT_EQ(find(R"({"pattern":"*"})"), a + b + c);
  EXPECT_EQ(find(R"({"pattern":"browser/*"})"), a + b);
  EXPECT_EQ(find(R"j({"pattern":"@(*/c)"})j"), c);
  EXPECT_EQ(find(R"({"capability":"gpu"})"), c);
  EXPECT_EQ(find(R"({"capabilities":["gpu","chat"]})"), c);
  EXPECT_EQ(find(R"({"capabilities":["gpu","none"]})"), "");
  EXPECT_EQ(find(R"({"metadata":{"zone":"\u0065u","n":1}})"), a);
  EXPECT_EQ(find(R"({"metadata":{"zone":"eu","n":2}})"), "");
  EXPECT_EQ(find(R"({"metadata":{"o":{"x":[1]}}})"), a);
  EXPECT_EQ(find(R"({"pattern":"^@\\((browser|worker)/[bc]"})"), legacy() ? "" : b + c);
  for (const char* bad :
       {R"({"pattern":7})", R"({"pattern":""})", R"({"capability":7})", R"({"capabilities":[7]})",
        R"({"metadata":[]})", R"({"limit":"5"})", R"({"offset":[]})"}) {
    ExpectError(Ask(client, "hub:discover", "x/y", bad), "internal_error");
  }
  if (!legacy()) ExpectError(Ask(client, "hub:discover", "x/y", R"({"pattern":"("})"), "internal_error");
}

TEST_P(SignalHubTest, DiscoveryAndListingComeInPages) {
  const ConnectionId client = Connect();
  for (int i = 100; i < 230; ++i) Register(client, "a/" + std::to_string(i));
  const auto page = [&](const std::string& type, const std::string& payload) {
    return Ask(client, type, "x/y", payload);
  };
  const Frame all = page("hub:discover", R"({"limit":5000})");
  EXPECT_EQ(all.Number("payload.count"), legacy() ? 100 : 130);
  EXPECT_EQ(all["payload.hasMore"], legacy() ? "true" : "false");
  EXPECT_EQ(page("hub:discover", "{}").Number("payload.count"), 100);
  const Frame middle = page("hub:discover", R"({"limit":2,"offset":10})");
  EXPECT_EQ(Addresses(middle), A("a/110") + " " + A("a/111") + " ");
  EXPECT_EQ(middle.Number("payload.totalMatches"), 130);
  EXPECT_EQ(middle["payload.hasMore"], "true");

  const Frame listed = page("hub:list_actors", R"({"limit":5000,"offset":50})");
  EXPECT_EQ(listed.type(), "hub:actor_list");
  EXPECT_EQ(listed.Number("payload.total"), 130);
  EXPECT_EQ(listed.Number("payload.offset"), 50);
  EXPECT_EQ(listed.Number("payload.limit"), legacy() ? 100 : 1000);
  EXPECT_EQ(listed["payload.hasMore"], "false");
  const std::string actors = listed["payload.actors"];
  EXPECT_THAT(*JsonElements(actors), SizeIs(80));
  const Frame first{std::string(JsonElements(actors)->at(0))};
  EXPECT_EQ(first.String("actorAddress"), A("a/150"));
  EXPECT_EQ(first.Number("version"), 1);
  EXPECT_EQ(first.Number("expiresAt"), static_cast<double>(hub_.now_ms()) + 300'000);
  EXPECT_EQ(first.text.find("oken"), std::string::npos) << "no renewal token leaves the hub";
  const Frame more = page("hub:list_actors", R"({"limit":10})");
  EXPECT_EQ(more["payload.hasMore"], "true");
  EXPECT_LT(hub_.rows_read(), 20u) << "the rest is not read";
  EXPECT_EQ(page("hub:list_actors", R"({"offset":999})")["payload.actors"], "[]");
  ExpectError(page("hub:list_actors", R"({"limit":{}})"), "internal_error");
}

// --- Delivery.

TEST_P(SignalHubTest, SendForAsk) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  const std::string data = R"({"z": 1.0e2,"a":"\u0041","a":[ ]})";
  const Frame ack = Ask(alice, "hub:send", "browser/alice",
                        R"({"to":)" + Q("browser/bob") + R"(,"type":"chat","data":)" + data + "}",
                        R"(,"ttl":30000,"metadata":{"traceId":"t","via":"forged"})");
  EXPECT_EQ(ack.type(), "hub:delivery_ack");
  const std::string now = std::to_string(hub_.now_ms());
  EXPECT_EQ(ack["payload"], R"({"messageId":")" + last_id_ + R"(","deliveredAt":)" + now +
                                R"(,"status":"delivered","delivered":true,"timestamp":)" + now + "}");
  EXPECT_EQ(hub_.rows_written() + hub_.attachments_written(), 0u) << "a message writes nothing";
  EXPECT_EQ(hub_.rows_read(), 1u);

  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "chat");
  EXPECT_EQ(got["from"], Q("browser/alice"));
  EXPECT_EQ(got["to"], Q("browser/bob"));
  EXPECT_EQ(got["payload"], data) << "byte for byte";
  EXPECT_EQ(got["correlationId"], "null");
  EXPECT_EQ(got["ttl"], "30000");
  EXPECT_EQ(got["metadata"], R"({"traceId":"t","originalMessageId":")" + last_id_ +
                                 R"(","forwarded":true,"via":)" + Q("cloudflare/signal-hub") + "}");
}

TEST_P(SignalHubTest, SendForTellSaysNothing) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  EXPECT_THAT(Tell(alice, "hub:send", "browser/alice", R"({"to":"browser/bob","type":"chat"})"), IsEmpty());
  EXPECT_EQ(One(bob)["payload"], "null");
  EXPECT_THAT(Tell(alice, "hub:send", "browser/alice", R"({"to":"browser/nobody","type":"chat"})"),
              IsEmpty());
}

TEST_P(SignalHubTest, SendToTheEnvelopesAddressAndFlatAsThePublishedSpecificationHasIt) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  to_ = Q("browser/bob");
  EXPECT_EQ(Ask(alice, "hub:send", "browser/alice", R"({"type":"infer","prompt":"p"})").type(),
            "hub:delivery_ack");
  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "infer");
  EXPECT_EQ(got["payload"], R"({"type":"infer","prompt":"p"})");
}

TEST_P(SignalHubTest, SendToNobody) {
  const ConnectionId alice = Actor("browser/alice");
  const Frame reply = Ask(alice, "hub:send", "browser/alice", R"j({"to":"@(no/body)","type":"t"})j");
  EXPECT_EQ(reply.type(), "hub:unknown_actor");
  EXPECT_EQ(reply["payload.actorAddress"], "\"@(no/body)\"");
  EXPECT_TRUE(IsJsonString(reply["payload.message"]));
}

TEST_P(SignalHubTest, SendRefusesBadPayloads) {
  const ConnectionId alice = Actor("browser/alice");
  for (const char* payload : {"null", "{}", R"({"to":"browser/alice"})", R"({"to":"browser/alice","type":7})",
                              R"({"to":7,"type":"t"})", R"({"type":"t","data":1})"}) {
    ExpectError(Ask(alice, "hub:send", "browser/alice", payload), "internal_error");
  }
  ExpectError(Ask(alice, "hub:send", "browser/alice", R"({"to":"browser/alice","type":"hub:disconnect"})"),
              "unauthorized");
}

TEST_P(SignalHubTest, ARecipientGetsAddressesInItsOwnForm) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Connect();
  const bool other_canonical = !GetParam().canonical;
  const auto other = [&](const std::string& bare) {
    return JsonQuoted(other_canonical ? "@(" + bare + ")" : bare);
  };
  Ask(bob, "hub:register", "x/y", R"({"actorAddress":)" + other("browser/bob") + R"(,"capabilities":["c"]})");
  Tell(alice, "hub:send", "browser/alice", R"({"to":)" + Q("browser/bob") + R"(,"type":"t"})");
  const Frame got = One(bob);
  EXPECT_EQ(got["to"], other("browser/bob"));
  EXPECT_EQ(got["from"], other("browser/alice"));
  EXPECT_EQ(got["metadata.via"], other("cloudflare/signal-hub"));
}

TEST_P(SignalHubTest, ApplicationTypesAreSentAsTheyAre) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  to_ = Q("browser/bob");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", R"({"n":1.0e2})"), IsEmpty());
  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "chat");
  EXPECT_EQ(got["payload"], R"({"n":1.0e2})");
  EXPECT_EQ(got["metadata.forwarded"], "true");
  EXPECT_EQ(Ask(alice, "chat", "browser/alice", "1").type(), "hub:delivery_ack");
  One(bob);
  to_ = Q("browser/nobody");
  EXPECT_EQ(Ask(alice, "chat", "browser/alice", "1").type(), "hub:unknown_actor");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", "1"), IsEmpty());
  to_ = Q("cloudflare/signal-hub");
  ExpectError(Ask(alice, "chat", "browser/alice", "1"), "unknown_actor");
  EXPECT_THAT(Tell(alice, "chat", "browser/alice", "1"), IsEmpty());
}

TEST_P(SignalHubTest, Broadcast) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  Register(bob, "browser/bob-too");
  Connect();  // no actor, no copy
  const size_t fan_outs = hub_.fan_outs();
  hub_.ClientSends(alice, Envelope("hub:broadcast", "browser/alice", R"({"type":"t","data":[1.0]})", "tell"));
  const std::vector<Frame> to_alice = Frames(alice);
  ASSERT_THAT(to_alice, SizeIs(2)) << "her own copy, then the answer";
  EXPECT_EQ(to_alice[0]["to"], Q("browser/alice"));
  const Frame& ack = to_alice[1];
  ExpectAddressed(ack, "browser/alice");
  EXPECT_EQ(ack.type(), legacy() ? "hub:broadcast_ack" : "hub:delivery_ack");
  EXPECT_EQ(
      ack["payload"],
      R"({"messageId":")" + last_id_ +
          R"(","deliveredCount":3,"failedCount":0,"queuedCount":0,"delivered":true,"count":3,"timestamp":)" +
          std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(hub_.fan_outs(), fan_outs + 1) << "all recipients share one message";
  EXPECT_EQ(hub_.rows_written(), 0u);

  const std::vector<Frame> to_bob = Frames(bob);
  ASSERT_THAT(to_bob, SizeIs(2)) << "one for each actor";
  EXPECT_EQ(to_bob[0]["to"], Q("browser/bob"));
  EXPECT_EQ(to_bob[1]["to"], Q("browser/bob-too"));
  EXPECT_EQ(to_bob[0].type(), "t");
  EXPECT_EQ(to_bob[0]["from"], Q("browser/alice"));
  EXPECT_EQ(to_bob[0]["payload"], "[1.0]");
  EXPECT_EQ(to_bob[0].String("correlationId"), last_id_);
  EXPECT_EQ(to_bob[0]["metadata"],
            R"({"broadcast":true,"forwarded":true,"via":)" + Q("cloudflare/signal-hub") + "}");
}

TEST_P(SignalHubTest, BroadcastToOthersAndToTheCapable) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Connect();
  Ask(bob, "hub:register", "x/y", R"({"actorAddress":"browser/bob","capabilities":["chat","gpu"]})");
  Actor("browser/carol");
  const auto reached = [&](const std::string& from, const std::string& payload,
                           const std::string& more = "") {
    hub_.ClientSends(alice, Envelope("hub:broadcast", from, payload, "ask", more));
    return Frames(alice).back().Number("payload.deliveredCount");
  };
  EXPECT_EQ(reached("browser/alice", R"({"type":"t","excludeSelf":true})"), 2);
  EXPECT_EQ(reached("browser/unknown", R"({"type":"t","excludeSelf":true})"), 2)
      << "it is alice under any name";
  EXPECT_EQ(reached("browser/alice", R"({"type":"t","excludeSelf":false})"), 3);
  EXPECT_EQ(reached("browser/alice", R"({"type":"t"})", R"(,"metadata":{"targetCapability":"gpu"})"), 1);
  EXPECT_EQ(reached("browser/alice", R"({"type":"t"})", R"(,"metadata":{"targetCapability":"none"})"), 0);
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"type":"t","excludeSelf":"yes"})"),
              "internal_error");
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"type":"t"})",
                  R"(,"metadata":{"targetCapability":1})"),
              "internal_error");
  ExpectError(Ask(alice, "hub:broadcast", "browser/alice", R"({"data":1})"), "internal_error");
}

TEST_P(SignalHubTest, BroadcastOverTheLimitReachesNobody) {
  Options options;
  options.broadcast_limit = 2;
  const auto limited = NewSignalClass(options);
  FakeContext hub(*limited);
  const ConnectionId client = hub.ClientConnects();
  const auto code = [&] {
    hub.TakeFrames(client);
    hub.ClientSends(client, Envelope("hub:broadcast", "a/1", R"({"type":"t"})", "ask"));
    const auto frames = hub.TakeFrames(client);
    return std::to_string(frames.size()) + " " + Frame{frames.back()}.String("payload.code");
  };
  for (const char* address : {"a/1", "a/2", "a/3"}) {
    hub.ClientSends(
        client,
        Envelope("hub:register", address,
                 std::string(R"({"actorAddress":")") + address + R"(","capabilities":["c"]})", "ask"));
    if (address == std::string("a/2")) {
      EXPECT_EQ(code(), "3 (no string)") << "the limit itself is allowed";
    }
  }
  EXPECT_EQ(code(), "1 BROADCAST_LIMIT_EXCEEDED");
}

// --- Topics.

TEST_P(SignalHubTest, PublishToSubscribers) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  Subscribe(alice, "browser/alice", "news");
  Subscribe(bob, "browser/bob", "news");
  Subscribe(bob, "browser/bob", "news/more");
  const ConnectionId paper = Connect();
  const size_t fan_outs = hub_.fan_outs();
  const Frame ack = Ask(paper, "hub:publish", "x/paper", R"({"topic":"news","type":"t","data":1.0e2})");
  EXPECT_EQ(ack.type(), legacy() ? "hub:published" : "hub:delivery_ack");
  EXPECT_EQ(ack["payload"],
            R"({"topic":"news","subscriberCount":2,"delivered":true,"queued":0,"timestamp":)" +
                std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(hub_.rows_read(), 2u) << "the rows of its topic and no others";
  EXPECT_EQ(hub_.rows_written(), 0u);
  EXPECT_EQ(hub_.fan_outs(), fan_outs + 1);
  const Frame got = One(bob);
  EXPECT_EQ(got.type(), "t");
  EXPECT_EQ(got["to"], Q("browser/bob"));
  EXPECT_EQ(got["from"], Q("x/paper"));
  EXPECT_EQ(got["payload"], "1.0e2");
  EXPECT_EQ(got.String("correlationId"), last_id_);
  EXPECT_EQ(got["metadata"], R"({"topic":"news","publication":true,"forwarded":true,"via":)" +
                                 Q("cloudflare/signal-hub") + "}");
  EXPECT_EQ(One(alice)["to"], Q("browser/alice"));
  EXPECT_THAT(Tell(paper, "hub:publish", "x/paper", R"({"topic":"none","type":"t"})"), SizeIs(1));
}

TEST_P(SignalHubTest, SubscribersAreActors) {
  // Connected under a temporary name, as published clients are; subscribing as the actor registered since.
  const ConnectionId alice = Connect("browser/unknown");
  Register(alice, "browser/alice");
  const std::string id = Subscribe(alice, "browser/unknown", "news");
  EXPECT_EQ(Subscribe(alice, "browser/alice", "news"), id);
  // Two sessions under the same temporary name are two subscribers.
  const ConnectionId one = Connect("browser/unknown");
  const ConnectionId two = Connect("browser/unknown");
  EXPECT_NE(Subscribe(one, "browser/unknown", "news"), Subscribe(two, "browser/unknown", "news"));
  Ask(Connect(), "hub:publish", "x/y", R"({"topic":"news","type":"t"})");
  EXPECT_EQ(One(alice)["to"], Q("browser/alice"));
  EXPECT_EQ(One(one)["to"], Q("browser/unknown"));
  EXPECT_EQ(One(two)["to"], Q("browser/unknown"));
}

TEST_P(SignalHubTest, TwoActorsOfOneSessionGetTheirOwnCopies) {
  const ConnectionId client = Actor("browser/a");
  Register(client, "browser/b");
  Subscribe(client, "browser/a", "news");
  Subscribe(client, "browser/b", "news");
  Ask(Connect(), "hub:publish", "x/y", R"({"topic":"news","type":"t"})");
  EXPECT_THAT(Frames(client), SizeIs(2));
}

TEST_P(SignalHubTest, Unsubscribe) {
  const ConnectionId client = Actor("browser/me");
  const auto unsubscribe = [&](const std::string& payload) {
    return Ask(client, "hub:unsubscribe", "browser/me", payload);
  };
  Subscribe(client, "browser/me", "news");
  Subscribe(client, "browser/me", "news");
  const Frame by_topic = unsubscribe(R"({"topic":"news"})");
  EXPECT_EQ(by_topic.type(), "hub:unsubscribed");
  EXPECT_EQ(by_topic["payload"],
            R"({"topic":"news","unsubscribedAt":)" + std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(Subscribers("news"), 0) << "subscribed twice was once";

  std::string id = Subscribe(client, "browser/me", "news");
  EXPECT_EQ(unsubscribe(R"({"subscriptionId":")" + id + "\"}").String("payload.topic"), "news");
  EXPECT_EQ(Subscribers("news"), 0);

  id = Subscribe(client, "browser/me", "news");
  EXPECT_EQ(unsubscribe(R"({"topic":")" + id + "\"}").String("payload.topic"), "news")
      << "the id in the topic's field";
  EXPECT_EQ(Subscribers("news"), 0);

  EXPECT_EQ(unsubscribe(R"({"topic":"news"})").type(), "hub:unsubscribed") << "twice is once";
  EXPECT_EQ(unsubscribe(R"({"subscriptionId":"gone"})")["payload.topic"], "null");
  Subscribe(client, "browser/me", "news");
  EXPECT_THAT(Tell(client, "hub:unsubscribe", "browser/me", R"({"topic":"news"})"), SizeIs(legacy() ? 0 : 1));
  EXPECT_EQ(Subscribers("news"), 0);
  ExpectError(unsubscribe("{}"), "internal_error");
}

TEST_P(SignalHubTest, OthersDoNotUnsubscribeMe) {
  const ConnectionId client = Actor("browser/me");
  const std::string id = Subscribe(client, "browser/me", "news");
  const ConnectionId other = Actor("browser/other");
  Ask(other, "hub:unsubscribe", "browser/me", R"({"topic":"news"})");
  Ask(other, "hub:unsubscribe", "browser/me", R"({"subscriptionId":")" + id + "\"}");
  EXPECT_EQ(Subscribers("news"), 1);
}

TEST_P(SignalHubTest, TopicsThatAreNone) {
  const ConnectionId client = Actor("browser/me");
  for (const char* topic : {"", "null", "7", R"("")", R"("a b")", R"("a/#")", R"("+")"}) {
    const std::string payload = *topic == 0 ? "{}" : std::string(R"({"type":"t","topic":)") + topic + "}";
    ExpectError(Ask(client, "hub:subscribe", "browser/me", payload), "internal_error");
    ExpectError(Ask(client, "hub:publish", "browser/me", payload), "internal_error");
  }
}

// --- What is wrong, late, or fails.

TEST_P(SignalHubTest, WhatIsNoEnvelopeIsSaidSoAndTheSocketStaysOpen) {
  const ConnectionId client = Connect("browser/me");
  for (const std::string& frame :
       {std::string("hello"), std::string(), std::string("[]"), std::string(R"({"type":"hub:send"})"),
        std::string(R"({"type":7,"from":"a/b"})"), std::string("{\"type\":\"a\xff\",\"from\":\"a/b\"}"),
        std::string(1 << 20, '[')}) {
    hub_.ClientSends(client, frame);
    const Frame error = One(client);
    ExpectError(error, "internal_error");
    EXPECT_EQ(error["correlationId"], "null");
    EXPECT_EQ(error["to"], Q("browser/me"));
    EXPECT_EQ(error["from"], Q("cloudflare/signal-hub"));
  }
  EXPECT_TRUE(hub_.FindConnection(client).has_value());
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_EQ(Ask(client, "hub:heartbeat", "browser/me", deep).type(), "hub:heartbeat_ack");
}

TEST_P(SignalHubTest, UnknownTypesOfTheHub) {
  const ConnectionId client = Connect();
  const Frame error = Ask(client, "hub:dance", "a/b", "{}");
  ExpectError(error, "internal_error");
  EXPECT_NE(error.String("payload.resolution").find("hub:subscribe"), std::string::npos);
  const auto told = Tell(client, "hub:dance", "a/b", "{}");
  ASSERT_THAT(told, SizeIs(1));
  ExpectError(told[0], "internal_error");
}

TEST_P(SignalHubTest, WhatArrivesTooLateIsNotDelivered) {
  const ConnectionId alice = Actor("browser/alice");
  const ConnectionId bob = Actor("browser/bob");
  const std::string payload = R"({"to":"browser/bob","type":"t"})";
  const auto send = [&](int64_t age, const std::string& ttl) {
    return Ask(alice, "hub:send", "browser/alice", payload,
               R"(,"timestamp":)" + std::to_string(hub_.now_ms() - age) + R"(,"ttl":)" + ttl);
  };
  ExpectError(send(5001, "5000"), "message_expired");
  EXPECT_THAT(Frames(bob), IsEmpty());
  EXPECT_EQ(send(5000, "5000").type(), "hub:delivery_ack");
  EXPECT_EQ(send(999'999, "null").type(), "hub:delivery_ack");
  EXPECT_EQ(Ask(alice, "hub:send", "browser/alice", payload, R"(,"ttl":1)").type(), "hub:delivery_ack")
      << "without a timestamp it is as old as its arrival";
  const std::string waited = Envelope("hub:send", "browser/alice", payload, "ask",
                                      R"(,"ttl":1000,"timestamp":)" + std::to_string(hub_.now_ms()));
  const Message message{waited, false, hub_.now_ms()};
  hub_.Advance(60'000);
  hub_.ClientSends(alice, message);
  EXPECT_EQ(One(alice).type(), "hub:delivery_ack") << "what counts is its arrival at the gateway";
}

TEST_P(SignalHubTest, WhatTheStoreDidNotTakeIsSaidSoAndDidNotHappen) {
  const ConnectionId client = Connect();
  hub_.FailNextCommit();
  const Frame error = Ask(client, "hub:register", "a/b", R"({"actorAddress":"a/b","capabilities":["c"]})");
  ExpectError(error, "timeout");
  EXPECT_THAT(hub_.rows(), IsEmpty());
  EXPECT_EQ(Register(client, "a/b").Number("payload.version"), 1);
  hub_.FailNextCommit();
  hub_.ClientSends(client, "hello");
  ExpectError(One(client), "timeout");
}

TEST_P(SignalHubTest, EverythingIsThereAfterSleep) {
  const ConnectionId alice = Actor("browser/alice");
  hub_.Sleep();
  const std::string id = Subscribe(alice, "browser/alice", "news");
  hub_.Sleep();
  EXPECT_EQ(Subscribe(alice, "browser/alice", "news"), id);
  const ConnectionId bob = Actor("browser/bob");
  hub_.Sleep();
  Tell(bob, "hub:send", "browser/bob", R"({"to":"browser/alice","type":"t"})");
  EXPECT_EQ(One(alice).type(), "t");
  hub_.Sleep();
  EXPECT_EQ(Subscribers("news"), 1);
}

}  // namespace
}  // namespace dormouse
