#include "statekeeper/hub/fake_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Does what its frames say; counts how often it was made and woken.
class Puppet : public Hub {
 public:
  explicit Puppet(int* wakes) : wakes_(wakes) {}
  void OnWake(Context&) override { ++*wakes_; }
  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest&) override {
    context.SetTags(connection.id, {"all"});
  }
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    if (message.data == "shrink") return context.Delete("k/a");
    context.Put("k/" + std::string(message.data.substr(0, 100)), message.data);
    context.SetAttachment(from.id, message.data);
    if (message.data.starts_with("timer ")) context.SetTimer(message.data.substr(6), context.now_ms() + 7);
    if (message.data.starts_with("call ")) context.Call("other", message.data.substr(5), "");
    if (message.data == "call and throw") throw std::runtime_error("as asked");
    context.SetAlarm(context.now_ms() + 5);
    context.Send(from.id, message);
    if (message.data == "throw") throw std::runtime_error("as asked");
    if (message.data == "close") context.Close(from.id, 4000, "asked");
    if (message.data == "tags") context.SetTags(from.id, {"late"});
    if (message.data == "write in list") {
      context.List("", [&](std::string_view, std::string_view) {
        context.Put("x", "y");
        return true;
      });
    }
  }
  void OnAlarm(Context& context) override { context.Broadcast(Message::Text("alarm"), "all"); }
  void OnTimer(Context& context, std::string_view name) override { context.Broadcast(Message::Text(name)); }
  void OnFailure(Context& context, const Connection& from, const Message&, Failure failure) override {
    context.Send(from.id, Message::Text(failure == Failure::kStore       ? "store"
                                        : failure == Failure::kStateFull ? "full"
                                                                         : "handler"));
  }

 private:
  int* wakes_;
};

class PuppetClass : public HubClass {
 public:
  PuppetClass() { profile_.set_name("puppet"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<Puppet>(&wakes); }
  mutable int wakes = 0;

 private:
  link::ClassProfile profile_;
};

class FakeContextTest : public testing::Test {
 protected:
  PuppetClass class_;
  FakeContext hub_{class_};
  ConnectionId client_ = hub_.ClientConnects();
};

TEST_F(FakeContextTest, WhatAHandlerDidIsThereAfterwards) {
  hub_.ClientSends(client_, "a");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("a"));
  EXPECT_THAT(hub_.TakeFrames(client_), IsEmpty());
  EXPECT_EQ(hub_.rows().at("k/a"), "a");
  EXPECT_EQ(hub_.FindConnection(client_)->attachment, "a");
  EXPECT_EQ(hub_.rows_written(), 1u);
  EXPECT_EQ(hub_.attachments_written(), 1u);
}

TEST_F(FakeContextTest, AHandlerThatThrowsLeavesNothingButOnFailure) {
  hub_.ClientSends(client_, "a");
  hub_.TakeFrames(client_);
  const auto alarm = hub_.alarm();
  hub_.Advance(100);
  hub_.ClientSends(client_, "throw");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("handler"));
  EXPECT_EQ(hub_.rows().at("k/a"), "a");
  EXPECT_EQ(hub_.FindConnection(client_)->attachment, "a");
  EXPECT_EQ(hub_.alarm(), alarm);
  EXPECT_EQ(class_.wakes, 1) << "OnFailure has no need of state";
  hub_.ClientSends(client_, "a");
  EXPECT_EQ(class_.wakes, 2) << "a failed hub is made anew";
}

TEST_F(FakeContextTest, AFailedCommitTakesBackClosesToo) {
  hub_.FailNextCommit();
  hub_.ClientSends(client_, "close");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("store"));
  EXPECT_FALSE(hub_.ClosedByHub(client_).has_value());
  EXPECT_TRUE(hub_.FindConnection(client_).has_value());
  EXPECT_THAT(hub_.rows(), IsEmpty());
}

TEST_F(FakeContextTest, StateBeyondItsLimitIsTakenBackAndShrinkingIsNot) {
  hub_.ClientSends(client_, "a");
  hub_.ClientSends(client_, "b");
  hub_.SetMaxState(8);
  hub_.ClientSends(client_, "a");
  hub_.TakeFrames(client_);
  hub_.ClientSends(client_, "c");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("full"));
  EXPECT_THAT(hub_.KeysWithPrefix(""), ElementsAre("k/a", "k/b"));
  hub_.SetMaxState(1);
  hub_.ClientSends(client_, "shrink");
  EXPECT_THAT(hub_.KeysWithPrefix(""), ElementsAre("k/b"));
}

TEST_F(FakeContextTest, AClosedConnectionIsGone) {
  hub_.ClientSends(client_, "close");
  EXPECT_EQ(hub_.ClosedByHub(client_)->code, 4000);
  EXPECT_EQ(hub_.connection_count(), 0u);
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("close")) << "sent before it was closed";
}

TEST_F(FakeContextTest, AlarmsRunWhenDueOnASleepingHub) {
  hub_.ClientSends(client_, "a");
  hub_.TakeFrames(client_);
  hub_.Sleep();
  EXPECT_FALSE(hub_.RunDueAlarm());
  hub_.Advance(5);
  EXPECT_TRUE(hub_.RunDueAlarm());
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("alarm"));
  EXPECT_FALSE(hub_.RunDueAlarm());
  EXPECT_EQ(class_.wakes, 2);
}

TEST_F(FakeContextTest, ListsAPrefixInOrderFromAStart) {
  for (const char* key : {"c", "b3", "b1", "a", "b2"}) hub_.ClientSends(client_, key);
  std::vector<std::string> seen;
  const auto visit = [&](std::string_view key, std::string_view value) {
    EXPECT_EQ(key.substr(2), value);
    seen.emplace_back(value);
    return true;
  };
  hub_.List("k/b", visit, "");
  EXPECT_THAT(seen, ElementsAre("b1", "b2", "b3"));
  EXPECT_THAT(hub_.KeysWithPrefix("k/b"), ElementsAre("k/b1", "k/b2", "k/b3"));
  seen.clear();
  hub_.List("k/b", visit, "k/b2");
  EXPECT_THAT(seen, ElementsAre("b2", "b3"));
  seen.clear();
  const auto visit_two = [&](std::string_view key, std::string_view value) {
    return visit(key, value) && seen.size() < 2;
  };
  hub_.List("k/", visit_two, "");
  EXPECT_THAT(seen, ElementsAre("a", "b1")) << "visit stops it";
}

TEST_F(FakeContextTest, WhatAContextForbidsThrows) {
  hub_.ClientSends(client_, "tags");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("handler"));
  hub_.ClientSends(client_, "write in list");
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("handler"));
  hub_.ClientSends(client_, std::string((16 << 10) + 1, 'x'));
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("handler"));
}

TEST_F(FakeContextTest, ATimerRunsOnceWhenItIsDue) {
  hub_.ClientSends(client_, "timer a");
  hub_.TakeFrames(client_);
  EXPECT_FALSE(hub_.RunDueTimer());
  hub_.Advance(7);
  hub_.Sleep();
  EXPECT_TRUE(hub_.RunDueTimer());
  EXPECT_FALSE(hub_.RunDueTimer());
  EXPECT_THAT(hub_.TakeFrames(client_), ElementsAre("a"));
}

TEST_F(FakeContextTest, WhatWasWrittenBeforeACallStays) {
  std::vector<std::string> called;
  hub_.AnswerCalls([&](const std::string& hub, std::string_view) {
    called.push_back(hub);
    return Context::CallAnswer{};
  });
  hub_.ClientSends(client_, "call and throw");
  EXPECT_THAT(called, ElementsAre("other/and throw"));
  EXPECT_TRUE(hub_.rows().contains("k/call and throw"));
  EXPECT_FALSE(hub_.alarm().has_value());
}

TEST_F(FakeContextTest, AListHasTheRangeAndTheOrderThatIsAskedFor) {
  for (const char* key : {"a", "b", "c", "d", "e"}) hub_.ClientSends(client_, key);
  const auto list = [&](const ListRange& range) {
    std::string keys;
    hub_.List(range, [&](std::string_view key, std::string_view) {
      keys += key.substr(2);
      return true;
    });
    return keys;
  };
  EXPECT_EQ(list({}), "abcde");
  EXPECT_EQ(list({.prefix = "k/", .start = "k/b", .end = "k/e"}), "bcd");
  EXPECT_EQ(list({.start_after = "k/b"}), "cde");
  EXPECT_EQ(list({.start = "k/d", .start_after = "k/b"}), "de");
  EXPECT_EQ(list({.limit = 2}), "ab");
  EXPECT_EQ(list({.reverse = true}), "edcba");
  EXPECT_EQ(list({.end = "k/d", .limit = 2, .reverse = true}), "cb");
  EXPECT_EQ(list({.prefix = "x"}), "");
}

}  // namespace
}  // namespace dormouse
