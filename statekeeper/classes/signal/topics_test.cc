// Topics as clients see them: limits and wildcards.
#include <gmock/gmock.h>

#include "statekeeper/classes/signal/hub_stage.h"

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

  std::string Subscribe(const ConnectionId& client, const std::string& from, const std::string& topic) {
    return Answer(client, "hub:subscribe", from, R"({"topic":")" + topic + "\"}");
  }
  std::string Publish(const ConnectionId& client, const std::string& from, const std::string& topic) {
    return Answer(client, "hub:publish", from, R"({"topic":")" + topic + R"(","type":"x","data":1})");
  }
  static void ExpectLimit(const std::string& frame, const std::string& code, int limit) {
    EXPECT_EQ(Text(frame, "payload.code"), "rate_limited") << frame;
    EXPECT_EQ(Text(frame, "payload.details.code"), code) << frame;
    EXPECT_EQ(Json(frame, "payload.details.limit"), std::to_string(limit)) << frame;
    EXPECT_GT(JsonNumber(Json(frame, "payload.details.retryAfter")).value_or(0), 0) << frame;
    EXPECT_FALSE(Text(frame, "payload.resolution").empty()) << frame;
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
  EXPECT_EQ(Text(Subscribe(alice_, "a/1", "t3"), "type"), "hub:subscribed") << "it has that one";
  EXPECT_EQ(Text(Subscribe(bob_, "b/1", "one-more"), "type"), "hub:subscribed") << "another session";
  Answer(alice_, "hub:unsubscribe", "a/1", R"({"topic":"t0"})");
  EXPECT_EQ(Text(Subscribe(alice_, "a/1", "one-more"), "type"), "hub:subscribed");
}

TEST_F(TopicsTest, AHubHasSoManyTopicsAndServesThemOn) {
  Subscribe(bob_, "b/1", "news");
  // Somebody who comes again and again.
  int refused = 0;
  std::vector<ConnectionId> flood;
  for (int i = 0; i < 30; ++i) {
    flood.push_back(Actor("flood/" + std::to_string(i)));
    const std::string frame =
        Subscribe(flood.back(), "flood/" + std::to_string(i), "flood/" + std::to_string(i));
    if (Text(frame, "type") == "hub:subscribed") continue;
    ExpectLimit(frame, "TOPIC_LIMIT", 8);
    ++refused;
  }
  EXPECT_EQ(refused, 30 - 7);
  EXPECT_EQ(Json(Publish(alice_, "a/1", "news"), "payload.subscriberCount"), "1");
  EXPECT_EQ(Types(hub().TakeFrames(bob_)), std::vector<std::string>{"x"});
  EXPECT_EQ(Text(Subscribe(alice_, "a/1", "news"), "type"), "hub:subscribed") << "no new topic";
  EXPECT_EQ(Text(Subscribe(bob_, "b/1", "news"), "type"), "hub:subscribed");
  hub().ClientCloses(flood[0]);
  EXPECT_EQ(Text(Subscribe(alice_, "a/1", "fresh"), "type"), "hub:subscribed") << "there is room again";
}

TEST_F(TopicsTest, AFullHubSaysSo) {
  hub().FailNextCommit(Hub::Failure::kStateFull);
  ExpectLimit(Subscribe(alice_, "a/1", "news"), "STATE_FULL", 12'345);
  EXPECT_EQ(Text(Subscribe(alice_, "a/1", "news"), "type"), "hub:subscribed") << "there is room again";
}

TEST_F(TopicsTest, WildcardsAreRefusedUnlessTheOperatorAllowsThem) {
  const std::string frame = Subscribe(alice_, "a/1", "a/+");
  EXPECT_EQ(Text(frame, "payload.code"), "internal_error");
  EXPECT_THAT(Text(frame, "payload.resolution"), HasSubstr("topic-wildcards"));
}

TEST_F(WildcardTopicsTest, OneDeliveryPerSubscriber) {
  for (const char* topic : {"home/+/heat", "home/#", "home/kitchen/heat"}) Subscribe(alice_, "a/1", topic);
  Subscribe(bob_, "b/1", "+/+/+");
  hub().Sleep();
  const ConnectionId carol = Actor("c/1");
  EXPECT_EQ(Json(Publish(carol, "c/1", "home/kitchen/heat"), "payload.subscriberCount"), "2");
  EXPECT_THAT(Types(hub().TakeFrames(alice_)), ElementsAre("x"));
  const auto frames = hub().TakeFrames(bob_);
  ASSERT_THAT(Types(frames), ElementsAre("x"));
  EXPECT_EQ(Text(frames[0], "metadata.topic"), "home/kitchen/heat") << "not the pattern";
  Publish(carol, "c/1", "home");
  EXPECT_THAT(Types(hub().TakeFrames(alice_)), ElementsAre("x"));
  EXPECT_THAT(hub().TakeFrames(bob_), IsEmpty());
}

TEST_F(WildcardTopicsTest, CanBeUnsubscribedFrom) {
  Subscribe(alice_, "a/1", "a/#");
  Subscribe(alice_, "a/1", "a/+");
  EXPECT_EQ(Text(Answer(alice_, "hub:unsubscribe", "a/1", R"({"topic":"a/#"})"), "payload.topic"), "a/#");
  EXPECT_EQ(Json(Publish(bob_, "b/1", "a/x"), "payload.subscriberCount"), "1");
  hub().TakeFrames(alice_);
  Answer(alice_, "hub:unsubscribe", "a/1", R"({"topic":"a/+"})");
  EXPECT_EQ(Json(Publish(bob_, "b/1", "a/x"), "payload.subscriberCount"), "0");
}

TEST_F(WildcardTopicsTest, EndWithTheirSessionAndFollowTheirActor) {
  Subscribe(alice_, "a/1", "a/#");
  Subscribe(bob_, "b/1", "a/+");
  hub().ClientCloses(bob_);
  const ConnectionId alices_next = Actor("a/1");
  hub().Sleep();
  const ConnectionId carol = Actor("c/1");
  EXPECT_EQ(Json(Publish(carol, "c/1", "a/x"), "payload.subscriberCount"), "1");
  EXPECT_THAT(Types(hub().TakeFrames(alices_next)), ElementsAre("x"));
}

TEST_F(WildcardTopicsTest, AreForSubscriptionsOnlyAndMustBeRight) {
  EXPECT_EQ(Text(Publish(alice_, "a/1", "a/+"), "payload.code"), "internal_error");
  const std::string frame = Subscribe(alice_, "a/1", "a/#/b");
  EXPECT_EQ(Text(frame, "payload.code"), "internal_error");
  EXPECT_THAT(Text(frame, "payload.message"), HasSubstr("'#' must be the last level"));
}

TEST_F(WildcardTopicsTest, CountAsTopics) {
  for (int i = 0; i < 5; ++i) Subscribe(alice_, "a/1", "+/" + std::to_string(i));
  for (int i = 0; i < 3; ++i) Subscribe(bob_, "b/1", "x/" + std::to_string(i) + "/#");
  ExpectLimit(Subscribe(bob_, "b/1", "another/#"), "TOPIC_LIMIT", 8);
}

}  // namespace
}  // namespace dormouse::signal
