// Topics as clients see them: limits and wildcards.
#include <gmock/gmock.h>

#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TopicsTest : public testing::Test, protected HubStage {
 protected:
  explicit TopicsTest(bool wildcards = false)
      : HubStage([wildcards] {
          Options options;
          options.max_subscriptions = 5;
          options.max_topics = 8;
          options.max_state = 12'345;
          options.topic_wildcards = wildcards;
          return options;
        }()) {}

  Frame Subscribe(const ConnectionId& client, const std::string& from, const std::string& topic) {
    return Ask(client, "hub:subscribe", from, R"({"topic":")" + topic + "\"}");
  }
  Frame Publish(const ConnectionId& client, const std::string& from, const std::string& topic) {
    return Ask(client, "hub:publish", from, R"({"topic":")" + topic + R"(","type":"x","data":1})");
  }
  static void ExpectLimit(const Frame& frame, const std::string& code, int limit) {
    EXPECT_EQ(frame.code(), "rate_limited") << frame;
    EXPECT_EQ(frame.String("payload.details.code"), code) << frame;
    EXPECT_EQ(frame["payload.details.limit"], std::to_string(limit)) << frame;
    EXPECT_GT(frame.Number("payload.details.retryAfter"), 0) << frame;
    EXPECT_FALSE(frame.String("payload.resolution").empty()) << frame;
  }

  const ConnectionId alice_ = Actor("a/1");
  const ConnectionId bob_ = Actor("b/1");
};

class WildcardTopicsTest : public TopicsTest {
 protected:
  WildcardTopicsTest() : TopicsTest(true) {}
};

TEST_F(TopicsTest, ASessionHasSoManySubscriptions) {
  for (int i = 0; i < 5; ++i) Subscribe(alice_, "a/1", "t" + std::to_string(i));
  ExpectLimit(Subscribe(alice_, "a/1", "one-more"), "SUBSCRIPTION_LIMIT", 5);
  EXPECT_EQ(Subscribe(alice_, "a/1", "t3").type(), "hub:subscribed") << "it has that one";
  EXPECT_EQ(Subscribe(bob_, "b/1", "one-more").type(), "hub:subscribed") << "another session";
  Ask(alice_, "hub:unsubscribe", "a/1", R"({"topic":"t0"})");
  EXPECT_EQ(Subscribe(alice_, "a/1", "one-more").type(), "hub:subscribed");
}

TEST_F(TopicsTest, AHubHasSoManyTopicsAndServesThemOn) {
  Subscribe(bob_, "b/1", "news");
  // Somebody who comes again and again.
  int refused = 0;
  std::vector<ConnectionId> flood;
  for (int i = 0; i < 30; ++i) {
    flood.push_back(Actor("flood/" + std::to_string(i)));
    const Frame frame = Subscribe(flood.back(), "flood/" + std::to_string(i), "flood/" + std::to_string(i));
    if (frame.type() == "hub:subscribed") continue;
    ExpectLimit(frame, "TOPIC_LIMIT", 8);
    ++refused;
  }
  EXPECT_EQ(refused, 30 - 7);
  EXPECT_EQ(Publish(alice_, "a/1", "news")["payload.subscriberCount"], "1");
  EXPECT_EQ(Types(Frames(bob_)), std::vector<std::string>{"x"});
  EXPECT_EQ(Subscribe(alice_, "a/1", "news").type(), "hub:subscribed") << "no new topic";
  EXPECT_EQ(Subscribe(bob_, "b/1", "news").type(), "hub:subscribed");
  hub().ClientCloses(flood[0]);
  EXPECT_EQ(Subscribe(alice_, "a/1", "fresh").type(), "hub:subscribed") << "there is room again";
}

TEST_F(TopicsTest, AFullHubSaysSo) {
  hub().FailNextCommit(Hub::Failure::kStateFull);
  ExpectLimit(Subscribe(alice_, "a/1", "news"), "STATE_FULL", 12'345);
  EXPECT_EQ(Subscribe(alice_, "a/1", "news").type(), "hub:subscribed") << "there is room again";
}

TEST_F(TopicsTest, WildcardsAreRefusedUnlessTheOperatorAllowsThem) {
  const Frame frame = Subscribe(alice_, "a/1", "a/+");
  EXPECT_EQ(frame.code(), "internal_error");
  EXPECT_THAT(frame.String("payload.resolution"), HasSubstr("topic-wildcards"));
}

TEST_F(WildcardTopicsTest, OneDeliveryPerSubscriber) {
  for (const char* topic : {"home/+/heat", "home/#", "home/kitchen/heat"}) Subscribe(alice_, "a/1", topic);
  Subscribe(bob_, "b/1", "+/+/+");
  hub().Sleep();
  const ConnectionId carol = Actor("c/1");
  EXPECT_EQ(Publish(carol, "c/1", "home/kitchen/heat")["payload.subscriberCount"], "2");
  EXPECT_THAT(Types(Frames(alice_)), ElementsAre("x"));
  const auto frames = Frames(bob_);
  ASSERT_THAT(Types(frames), ElementsAre("x"));
  EXPECT_EQ(frames[0].String("metadata.topic"), "home/kitchen/heat") << "not the pattern";
  Publish(carol, "c/1", "home");
  EXPECT_THAT(Types(Frames(alice_)), ElementsAre("x"));
  EXPECT_THAT(Frames(bob_), IsEmpty());
}

TEST_F(WildcardTopicsTest, CanBeUnsubscribedFrom) {
  Subscribe(alice_, "a/1", "a/#");
  Subscribe(alice_, "a/1", "a/+");
  EXPECT_EQ(Ask(alice_, "hub:unsubscribe", "a/1", R"({"topic":"a/#"})").String("payload.topic"), "a/#");
  EXPECT_EQ(Publish(bob_, "b/1", "a/x")["payload.subscriberCount"], "1");
  Frames(alice_);
  Ask(alice_, "hub:unsubscribe", "a/1", R"({"topic":"a/+"})");
  EXPECT_EQ(Publish(bob_, "b/1", "a/x")["payload.subscriberCount"], "0");
}

TEST_F(WildcardTopicsTest, EndWithTheirSessionAndFollowTheirActor) {
  Subscribe(alice_, "a/1", "a/#");
  Subscribe(bob_, "b/1", "a/+");
  hub().ClientCloses(bob_);
  const ConnectionId alices_next = Actor("a/1");
  hub().Sleep();
  const ConnectionId carol = Actor("c/1");
  EXPECT_EQ(Publish(carol, "c/1", "a/x")["payload.subscriberCount"], "1");
  EXPECT_THAT(Types(Frames(alices_next)), ElementsAre("x"));
}

TEST_F(WildcardTopicsTest, AreForSubscriptionsOnlyAndMustBeRight) {
  EXPECT_EQ(Publish(alice_, "a/1", "a/+").code(), "internal_error");
  const Frame frame = Subscribe(alice_, "a/1", "a/#/b");
  EXPECT_EQ(frame.code(), "internal_error");
  EXPECT_THAT(frame.String("payload.message"), HasSubstr("'#' must be the last level"));
}

TEST_F(WildcardTopicsTest, CountAsTopics) {
  for (int i = 0; i < 5; ++i) Subscribe(alice_, "a/1", "+/" + std::to_string(i));
  for (int i = 0; i < 3; ++i) Subscribe(bob_, "b/1", "x/" + std::to_string(i) + "/#");
  ExpectLimit(Subscribe(bob_, "b/1", "another/#"), "TOPIC_LIMIT", 8);
}

}  // namespace
}  // namespace dormouse::signal
