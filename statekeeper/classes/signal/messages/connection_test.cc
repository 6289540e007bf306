// hub:connect, hub:heartbeat, hub:disconnect, hub:refresh_token, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/testing/protocol_stage.h"
#include "statekeeper/classes/testing/fake_edge.h"

namespace dormouse::signal {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class ConnectionMessagesTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, ConnectionMessagesTest, kStyles, NameOfStyle);

TEST_P(ConnectionMessagesTest, Connect) {
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

TEST_P(ConnectionMessagesTest, ConnectingAgainIsTheSameSessionAndANewSocketIsANewOne) {
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

TEST_P(ConnectionMessagesTest, ConnectRefusesOtherVersions) {
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

TEST_P(ConnectionMessagesTest, ConnectOfTheOlderDialectNeedsCapabilities) {
  const ConnectionId client = hub_.ClientConnects();
  for (const char* capabilities : {"", R"(,"capabilities":[])", R"(,"capabilities":"send")"}) {
    ExpectError(Ask(client, "hub:connect", "a/b", "null",
                    std::string(R"(,"metadata":{"protocolVersion":"0.1.0")") + capabilities + "}"),
                "unauthorized");
  }
}

TEST_P(ConnectionMessagesTest, ConnectNeedsAnAddress) {
  const ConnectionId client = hub_.ClientConnects();
  hub_.ClientSends(client, R"({"type":"hub:connect","from":"","payload":{"version":"1.0"}})");
  ExpectError(One(client), "internal_error");
}

TEST_P(ConnectionMessagesTest, HeartbeatForAskAndTell) {
  const ConnectionId client = Connect("browser/me");
  const Frame reply = Ask(client, "hub:heartbeat", "browser/me", R"({"timestamp":1.0e3})");
  EXPECT_EQ(reply.type(), "hub:heartbeat_ack");
  EXPECT_EQ(reply["payload"], R"({"timestamp":1.0e3,"serverTime":)" + std::to_string(hub_.now_ms()) + "}");
  const std::vector<Frame> told = Tell(client, "hub:heartbeat", "some/body-else", "null");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0]["payload"], R"({"serverTime":)" + std::to_string(hub_.now_ms()) + "}");
  EXPECT_EQ(hub_.rows_written() + hub_.attachments_written() + hub_.rows_read(), 0u);
}

TEST_P(ConnectionMessagesTest, Seed002LiterallyWithoutConnecting) {
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

TEST_P(ConnectionMessagesTest, TheEdgeAnswersHeartbeatsAsTheHubDoes) {
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

TEST_P(ConnectionMessagesTest, TheEdgeLeavesTheHubWhatItCannotJudge) {
  for (const char* frame :
       {R"({"type":"hub:heartbeat","from":"a/b","to":"c/d","ttl":5000})",
        R"({"type":"hub:heartbeat","from":"a/b"})", R"({"type":"hub:heartbeat","to":"c/d"})",
        R"({"type":"hub:heartbeat","from":"a/b","to":null})",
        R"({"type":"hub:heartbeat","from":7,"to":"c/d"})",
        R"({"type":"hub:renew","from":"a/b","to":"c/d"})"}) {
    EXPECT_FALSE(EdgeReply(class_->profile(), frame, {}).has_value()) << frame;
  }
}

TEST_P(ConnectionMessagesTest, AReplyWithoutARequestsToComesFromTheHubInTheClientsForm) {
  const ConnectionId client = Connect();
  hub_.ClientSends(client, R"({"type":"hub:heartbeat","from":)" + Q("browser/me") + "}");
  EXPECT_EQ(One(client)["from"], Q("cloudflare/signal-hub"));
  to_ = "\"any/name-of-it\"";
  Ask(client, "hub:heartbeat", "browser/me", "null");  // checks that it answers under that name
}

TEST_P(ConnectionMessagesTest, DisconnectAnswersThenCloses) {
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

TEST_P(ConnectionMessagesTest, TheEndOfASessionRemovesWhatItHad) {
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

TEST_P(ConnectionMessagesTest, ASessionThatHadNothingEndsWithoutTheStore) {
  const ConnectionId client = Connect();
  hub_.ClientCloses(client);
  EXPECT_EQ(hub_.rows_read() + hub_.rows_written(), 0u);
}

TEST_P(ConnectionMessagesTest, RefreshTokenKnowsNoTokens) {
  ExpectError(Ask(Connect(), "hub:refresh_token", "a/b", R"({"token":"x"})"), "invalid_token");
}

}  // namespace
}  // namespace dormouse::signal
