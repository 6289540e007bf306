// What a hub does with a message before and beside its handler: frames that are none, unknown types, what is
// late or fails.
#include "statekeeper/classes/signal/signal_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "statekeeper/classes/signal/testing/protocol_stage.h"

namespace dormouse::signal {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class SignalHubTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, SignalHubTest, kStyles, NameOfStyle);

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
}  // namespace dormouse::signal
