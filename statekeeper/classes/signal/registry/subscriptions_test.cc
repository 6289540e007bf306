#include "statekeeper/classes/signal/registry/subscriptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/hub/fake_context.h"

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Subscribes alice's connection as the frame says, "TOPIC ADDRESS".
class SubscribingHub : public Hub {
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    const size_t space = message.data.find(' ');
    const auto subscriber = Address::Parse(message.data.substr(space + 1));
    const auto added = Subscriptions(context).Add(from.id, std::string(message.data.substr(0, space)),
                                                  *subscriber, {.subscriptions = 100, .topics = 3});
    const auto* id = std::get_if<std::string>(&added);
    const bool topics = id == nullptr && std::get<Subscriptions::Full>(added) == Subscriptions::Full::kTopics;
    context.Send(from.id, Message::Text(id != nullptr ? *id : topics ? "topics" : "subscriptions"));
  }
  void OnClose(Context& context, const Connection& connection, const CloseInfo& info) override {
    // "move": what a hand-over does, to the first that is left.
    if (info.reason == "move") Subscriptions(context).Move("a/1", connection.id, context.Connections()[0]);
    Subscriptions(context).RemoveSomeOf(connection.id, 100);
  }
};
class SubscribingClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<SubscribingHub>(); }

 private:
  link::ClassProfile profile_;
};

class SubscriptionsTest : public testing::Test {
 protected:
  std::string Add(const ConnectionId& connection, const std::string& frame) {
    hub_.ClientSends(connection, frame);
    return hub_.TakeFrames(connection).at(0);
  }
  std::vector<std::string> Of(const std::string& topic) {
    std::vector<std::string> found;
    subscriptions_.ForEach(topic, true, [&](const ConnectionId& connection, const Address& subscriber) {
      found.push_back((connection == alice_ ? "alice " : "bob ") + subscriber.ToString());
    });
    return found;
  }

  SubscribingClass class_;
  FakeContext hub_{class_};
  Subscriptions subscriptions_{hub_};
  const ConnectionId alice_ = hub_.ClientConnects();
  const ConnectionId bob_ = hub_.ClientConnects();
};

TEST_F(SubscriptionsTest, TopicsAreExact) {
  Add(alice_, "news a/1");
  Add(bob_, "news @(b/1)");
  Add(alice_, "news/today a/1");
  EXPECT_THAT(Of("news"), UnorderedElementsAre("alice a/1", "bob @(b/1)"));
  EXPECT_THAT(Of("news/today"), ElementsAre("alice a/1"));
  EXPECT_THAT(Of("new"), IsEmpty());
}

TEST_F(SubscriptionsTest, TwiceIsOnce) {
  const std::string id = Add(alice_, "news a/1");
  EXPECT_EQ(Add(alice_, "news a/1"), id);
  EXPECT_EQ(hub_.rows_written(), 0u);
  EXPECT_THAT(Of("news"), ElementsAre("alice a/1"));
  EXPECT_NE(Add(alice_, "news a/2"), id);
}

TEST_F(SubscriptionsTest, AreFoundByIdAndByTopicAmongTheConnectionsOwn) {
  const std::string id = Add(alice_, "news a/1");
  Add(alice_, "news a/2");
  EXPECT_EQ(subscriptions_.FindById(alice_, id)->address, "a/1");
  EXPECT_FALSE(subscriptions_.FindById(bob_, id).has_value());
  EXPECT_EQ(subscriptions_.FindByTopic(alice_, "news", "a/2")->address, "a/2");
  EXPECT_TRUE(subscriptions_.FindByTopic(alice_, "news", "a/9").has_value()) << "any of its own";
  EXPECT_FALSE(subscriptions_.FindByTopic(alice_, "new", "a/1").has_value());
}

TEST_F(SubscriptionsTest, MovingKeepsIdAndForm) {
  const std::string id = Add(bob_, "news @(a/1)");
  Add(bob_, "news b/1");
  hub_.ClientCloses(bob_, 1000, "move");
  EXPECT_THAT(Of("news"), ElementsAre("alice @(a/1)"));
  EXPECT_EQ(subscriptions_.FindById(alice_, id)->topic, "news");
  hub_.ClientCloses(alice_);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(SubscriptionsTest, ASessionsEndTouchesItsOwnRowsOnly) {
  for (int i = 0; i < 100; ++i) Add(bob_, "news b/" + std::to_string(i));
  Add(alice_, "news a/1");
  hub_.ClientCloses(alice_);
  EXPECT_LE(hub_.rows_read(), 6u) << "its own, and the counts";
  EXPECT_EQ(hub_.rows_written(), 4u);
  hub_.ClientCloses(bob_);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(SubscriptionsTest, ATopicIsCountedAsLongAsItHasSubscribers) {
  Add(alice_, "one a/1");
  Add(bob_, "one b/1");
  Add(alice_, "two a/1");
  Add(alice_, "+/x a/1");
  EXPECT_EQ(Add(bob_, "four b/1"), "topics");
  EXPECT_NE(Add(bob_, "two b/1"), "topics") << "it is counted already";
  hub_.ClientCloses(alice_);
  Add(bob_, "four b/1");
  EXPECT_EQ(Add(bob_, "five b/1"), "topics");
  hub_.ClientCloses(bob_);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(SubscriptionsTest, AConnectionHasSoManySubscriptionsAndKeepsThose) {
  std::string last;
  for (int i = 0; i < 100; ++i) last = Add(alice_, "news a/" + std::to_string(i));
  EXPECT_EQ(Add(alice_, "news a/100"), "subscriptions");
  EXPECT_EQ(Add(alice_, "news a/99"), last) << "it is there already";
  EXPECT_NE(Add(bob_, "news b/1"), "subscriptions");
}

TEST_F(SubscriptionsTest, WildcardsMatchEachSubscriberOnce) {
  Add(alice_, "a/+ a/1");
  Add(alice_, "a/# a/1");
  Add(alice_, "a/b a/1");
  Add(bob_, "a/# @(b/1)");
  EXPECT_THAT(Of("a/b"), UnorderedElementsAre("alice a/1", "bob @(b/1)"));
  EXPECT_THAT(Of("a"), UnorderedElementsAre("alice a/1", "bob @(b/1)")) << "# is no level, too";
  EXPECT_THAT(Of("a/b/c"), UnorderedElementsAre("alice a/1", "bob @(b/1)"));
  EXPECT_THAT(Of("ab"), IsEmpty());
}

TEST_F(SubscriptionsTest, MovingTakesWildcardsAlong) {
  const std::string id = Add(bob_, "a/# @(a/1)");
  hub_.ClientCloses(bob_, 1000, "move");
  EXPECT_THAT(Of("a/b"), ElementsAre("alice @(a/1)"));
  EXPECT_EQ(subscriptions_.FindById(alice_, id)->topic, "a/#");
}

TEST_F(SubscriptionsTest, MovingToWhatIsThereIsCountedOnce) {
  Add(alice_, "news a/1");
  Add(bob_, "news a/1");
  hub_.ClientCloses(bob_, 1000, "move");
  hub_.ClientCloses(alice_);
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

}  // namespace
}  // namespace dormouse::signal
