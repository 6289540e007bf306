// hub:subscribe, hub:unsubscribe and hub:publish, as clients see them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "statekeeper/classes/signal/testing/protocol_stage.h"

namespace dormouse::signal {
namespace {

using testing::SizeIs;

class PublishingTest : public ProtocolStage {};
INSTANTIATE_TEST_SUITE_P(Styles, PublishingTest, kStyles, NameOfStyle);

TEST_P(PublishingTest, PublishToSubscribers) {
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

TEST_P(PublishingTest, SubscribersAreActors) {
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

TEST_P(PublishingTest, TwoActorsOfOneSessionGetTheirOwnCopies) {
  const ConnectionId client = Actor("browser/a");
  Register(client, "browser/b");
  Subscribe(client, "browser/a", "news");
  Subscribe(client, "browser/b", "news");
  Ask(Connect(), "hub:publish", "x/y", R"({"topic":"news","type":"t"})");
  EXPECT_THAT(Frames(client), SizeIs(2));
}

TEST_P(PublishingTest, Unsubscribe) {
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

TEST_P(PublishingTest, OthersDoNotUnsubscribeMe) {
  const ConnectionId client = Actor("browser/me");
  const std::string id = Subscribe(client, "browser/me", "news");
  const ConnectionId other = Actor("browser/other");
  Ask(other, "hub:unsubscribe", "browser/me", R"({"topic":"news"})");
  Ask(other, "hub:unsubscribe", "browser/me", R"({"subscriptionId":")" + id + "\"}");
  EXPECT_EQ(Subscribers("news"), 1);
}

TEST_P(PublishingTest, TopicsThatAreNone) {
  const ConnectionId client = Actor("browser/me");
  for (const char* topic : {"", "null", "7", R"("")", R"("a b")", R"("a/#")", R"("+")"}) {
    const std::string payload = *topic == 0 ? "{}" : std::string(R"({"type":"t","topic":)") + topic + "}";
    ExpectError(Ask(client, "hub:subscribe", "browser/me", payload), "internal_error");
    ExpectError(Ask(client, "hub:publish", "browser/me", payload), "internal_error");
  }
}

}  // namespace
}  // namespace dormouse::signal
