#include "statekeeper/runtime/hub/deferred_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

#include "common/clock.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/lane/commit_group.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/testing/fake_host.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

event::FromGateway Text(uint64_t sequence, std::string text) {
  return {.gateway = 1, .handle = UuidLow(1), .sequence = sequence, .payload = std::move(text)};
}

TEST(DeferredEventsTest, TheyComeBackInTheOrderOfTheirBeginningsAndAreCounted) {
  DeferredEvents deferred;
  deferred.Add(7, Text(2, "two"));
  deferred.Add(3, Text(1, "one"));
  const size_t bytes = deferred.bytes();
  EXPECT_FALSE(deferred.Take(4).has_value());
  EXPECT_EQ(deferred.Find(4), nullptr);
  const auto taken = deferred.Take(3);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(FindMessage(*taken)->payload, "one");
  EXPECT_LT(deferred.bytes(), bytes);
  deferred.Add(3, *taken);
  std::vector<uint64_t> numbers;
  for (const auto& [number, event] : deferred.TakeAll()) numbers.push_back(number);
  EXPECT_THAT(numbers, ElementsAre(3, 7));
  EXPECT_EQ(deferred.bytes(), 0u);
  EXPECT_TRUE(deferred.empty());
}

TEST(DeferredEventsTest, TheyAreFullByNumberAndByBytes) {
  DeferredEvents many;
  for (uint64_t i = 1; i < DeferredEvents::kMost; ++i) many.Add(i, Text(i, ""));
  EXPECT_FALSE(many.IsFull());
  many.Add(DeferredEvents::kMost, Text(1, ""));
  EXPECT_TRUE(many.IsFull());
  DeferredEvents large;
  large.Add(1, Text(1, std::string(DeferredEvents::kMostBytes, 'x')));
  EXPECT_TRUE(large.IsFull());
  large.Take(1);
  EXPECT_FALSE(large.IsFull());
}

// --- In an awake hub.

struct Begun {
  std::string what;
  uint64_t number;
  std::shared_ptr<HubPort> port;
  uint32_t restarts;
  bool repeated;
};

// Defers everything; but text that begins with '!' is done at once: "!put", "!alarm" (far away), "!throw", or echoed.
class DeferringHub : public Hub {
 public:
  explicit DeferringHub(std::vector<Begun>* begun) : begun_(begun) {}
  void OnConnect(Context& context, const Connection&, const link::OpenRequest&) override {
    Begin(context, "open");
  }
  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    if (!message.data.starts_with("!")) return Begin(context, std::string(message.data), message.repeated);
    if (message.data == "!throw") throw std::runtime_error("as asked");
    if (message.data == "!put") context.Put("put", "x");
    if (message.data == "!alarm") context.SetAlarm(WallMs() + 3'600'000);
    context.Send(from.id, message);
  }
  void OnClose(Context& context, const Connection&, const CloseInfo&) override { Begin(context, "close"); }
  void OnAlarm(Context& context) override {
    Begin(context, "alarm " + std::to_string(context.alarm_failures()));
  }
  void OnRequest(Context& context, std::string_view payload) override {
    Begin(context, std::string(payload));
  }

 private:
  void Begin(Context& context, std::string what, bool repeated = false) {
    const uint64_t number = context.Defer();
    begun_->push_back({std::move(what), number, context.port(), context.restarts(), repeated});
  }
  std::vector<Begun>* const begun_;
};

class DeferringClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<DeferringHub>(&begun); }
  bool waits_for_store() const override { return waits; }
  bool closes_failed() const override { return true; }
  mutable std::vector<Begun> begun;
  bool waits = true;

 private:
  link::ClassProfile profile_;
};

class Host : public FakeHost {
 public:
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { commits.Add(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub>) override { ++retries; }
  CommitGroup commits{
      &hub_store, {[](ShardId, int64_t) {}, [](const ShardEpoch&) {}, [](const ShardEpoch&, StoreStatus) {}}};
  int retries = 0;
};

class DeferringHubTest : public testing::Test {
 protected:
  DeferringHubTest() {
    for (const uint64_t connection : {1, 2}) {
      Deliver(EventKind::kOpen, "", connection);
      Settle();
      Finish(Last());
      Settle();
    }
    sequence_ = 0;
    Forget();
  }
  void Deliver(EventKind kind, std::string payload, uint64_t connection = 1) {
    event::FromGateway event = Text(++sequence_, std::move(payload));
    event.kind = kind;
    event.handle = UuidLow(connection);
    hub_->Deliver(std::move(event));
  }
  void Say(const std::string& text, uint64_t connection = 1) { Deliver(EventKind::kText, text, connection); }
  std::shared_ptr<HubRequest> Call(const std::string& what) {
    auto request = std::make_shared<HubRequest>(what, [this](HubRequest::Outcome outcome, std::string text) {
      answers_.push_back(std::to_string(static_cast<int>(outcome)) + " " + text);
    });
    hub_->Deliver(event::Request{request});
    return request;
  }
  void Turn() {
    for (auto& [hub, line] : std::exchange(host_.to_run, {})) hub->Run();
    host_.commits.Flush();
  }
  void Settle() {
    for (int i = 0; i < 100; ++i) {
      Turn();
      if (host_.hub_store.waiting() == 0 && host_.to_run.empty()) return;
      host_.hub_store.StepAll();
    }
    FAIL() << "does not settle";
  }
  Begun& Last() { return class_.begun.back(); }
  // The last beginning of it.
  Begun& Of(const std::string& what) {
    for (auto it = class_.begun.rbegin(); it != class_.begun.rend(); ++it) {
      if (it->what == what) return *it;
    }
    throw std::out_of_range(what + " has not begun");
  }
  static void Finish(
      const Begun& begun, std::function<void(Context&)> run = [](Context&) {}) {
    begun.port->Resume({.run = std::move(run), .finishes = begun.number});
  }
  void Forget() {
    class_.begun.clear();
    host_.released.clear();
  }
  std::vector<std::string> Beginnings() const {
    std::vector<std::string> all;
    for (const Begun& each : class_.begun) all.push_back(each.what);
    return all;
  }
  // What was settled, and with what.
  std::vector<std::string> Settled() const {
    std::vector<std::string> all;
    for (const EventOutput& output : host_.released) {
      if (!output.cause.IsEvent()) continue;
      std::string text = std::to_string(output.cause.sequence);
      for (const Output& each : output.outputs) {
        CloseView close{.code = 0};
        if (each.kind == DeliveryKind::kClose) ReadClosePayload(each.payload, &close);
        text += " " + (close.code == 0 ? each.payload : std::to_string(close.code));
      }
      all.push_back(text);
    }
    return all;
  }
  static std::function<void(Context&)> Says(const std::string& text) {
    return [text](Context& context) { context.Broadcast(Message::Text(text)); };
  }
  static void Puts(Context& context) { context.Put("row", "value"); }

  std::vector<std::string> answers_;  // the hub's end still answers
  DeferringClass class_;
  Host host_;
  std::shared_ptr<AwakeHub> hub_ = std::make_shared<AwakeHub>("test/hub", ShardEpoch{3, 1}, &class_, &host_);
  uint64_t sequence_ = 0;
};

TEST_F(DeferringHubTest, AnEventIsSettledOnceWhenItIsFinishedAndDurable) {
  Say("a");
  Settle();
  EXPECT_THAT(Settled(), IsEmpty());
  EXPECT_FALSE(hub_->CanSleep());
  int durable = 0;
  Last().port->Resume({.run = Says("early"), .belongs_to = Last().number, .durable = [&] { ++durable; }});
  EXPECT_EQ(durable, 1) << "nothing is to be written before it";
  Last().port->Resume({.run =
                           [](Context& context) {
                             Puts(context);
                             Says("late")(context);
                           },
                       .finishes = Last().number,
                       .durable = [&] { ++durable; }});
  Turn();
  EXPECT_EQ(durable, 1);
  EXPECT_THAT(Settled(), IsEmpty());
  Settle();
  EXPECT_EQ(durable, 2);
  Finish(Last(), Says("again"));
  EXPECT_THAT(Settled(), ElementsAre("1 late"));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(DeferringHubTest, WhatIsSaidThroughThePortOfALostObjectCountsForNothing) {
  Say("a");
  const Begun old = Last();
  old.port->Hold(true);
  old.port->Restart();
  ASSERT_THAT(Beginnings(), ElementsAre("a", "a"));
  EXPECT_EQ(Last().restarts, 1u);
  EXPECT_TRUE(Last().repeated);
  old.port->Resume({.run = Says("stale"), .finishes = old.number, .durable = [] { FAIL(); }});
  old.port->Hold(true);
  old.port->Restart();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "a"));
  Finish(Last(), Says("fresh"));
  EXPECT_THAT(Settled(), ElementsAre("1 fresh"));
  EXPECT_TRUE(hub_->CanSleep()) << "held by an object that is no more";
}

TEST_F(DeferringHubTest, AHeldHubDoesNotSleep) {
  Say("a");
  Finish(Last());
  Last().port->Hold(true);
  EXPECT_FALSE(hub_->CanSleep());
  Last().port->Hold(false);
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(DeferringHubTest, AfterAFailedCommitAllComeAgainInTheOrderOfTheirBeginnings) {
  for (const char* text : {"a", "b", "c", "d"}) Say(text);
  int durable = 0;
  Of("c").port->Resume({.run = &Puts, .finishes = Of("c").number, .durable = [&] { ++durable; }});
  Turn();
  Finish(Of("b"), Says("b"));
  Say("!e");
  EXPECT_THAT(Settled(), IsEmpty()) << "what they have read may not be durable";
  host_.hub_store.FailStep(StoreStatus::kUnavailable);
  Turn();
  EXPECT_THAT(Settled(), IsEmpty());
  EXPECT_EQ(host_.retries, 1);
  Say("f");
  Settle();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "b", "c", "d")) << "all wait for the store";
  Forget();
  hub_->Retry();
  Settle();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "b", "c", "d", "f"));
  EXPECT_TRUE(Of("b").repeated);
  EXPECT_FALSE(Of("f").repeated);
  EXPECT_EQ(durable, 0);
  for (const char* text : {"f", "d", "c", "b", "a"}) Finish(Of(text), Says(text));
  EXPECT_THAT(Settled(), ElementsAre("5 !e", "6 f", "4 d", "3 c", "2 b", "1 a"));
}

TEST_F(DeferringHubTest, WithoutWaitingWhatWroteFailsAndTheOthersComeAgainInTheirOrder) {
  class_.waits = false;
  for (const char* text : {"a", "b", "c"}) Say(text);
  Finish(Of("b"), &Puts);
  Turn();
  Finish(Of("c"), Says("c"));
  Forget();
  host_.hub_store.FailStep(StoreStatus::kUnavailable);
  Settle();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "c"));
  EXPECT_THAT(Settled(), ElementsAre("2 1013"));
}

TEST_F(DeferringHubTest, WhatWasDeferredInDoubtComesAgainBeforeWhatMakesTheHubBeReadAnew) {
  class_.waits = false;
  Say("!put");
  Turn();
  host_.hub_store.is_healthy = false;
  host_.hub_store.FailStep(StoreStatus::kUnavailable);
  Forget();
  Deliver(EventKind::kOpen, "", 3);
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("2 1013")) << "once";
  Forget();
  Call("a");
  ASSERT_THAT(Beginnings(), ElementsAre("a"));
  host_.hub_store.is_healthy = true;
  Call("b");
  Settle();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "a", "b"));
}

TEST_F(DeferringHubTest, AHandlerThatFailsTakesNobodyWithIt) {
  Say("a", 2);
  Say("b", 2);
  Say("!throw");
  EXPECT_THAT(Beginnings(), ElementsAre("a", "b", "a", "b"));
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("3 1011"));
  EXPECT_EQ(Of("a").restarts, 0u) << "it was not to blame";
}

TEST_F(DeferringHubTest, ATurnBeyondALimitFailsItsEventAndNoOther) {
  host_.hub_limits.max_changes = 100;
  Call("a");
  Call("b");
  Of("b").port->Resume({.run = [](Context& context) { context.Put("row", std::string(200, 'x')); },
                        .belongs_to = Of("b").number});
  Settle();
  EXPECT_THAT(Beginnings(), ElementsAre("a", "b", "a"));
  EXPECT_THAT(answers_, ElementsAre("1 The hub has failed"));
  EXPECT_FALSE(host_.hub_store.hubs["test/hub"].contains(UserRow("row")));
}

TEST_F(DeferringHubTest, WhoFailsForNoEventAgainAndAgainIsGivenUp) {
  Say("a");
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Last().restarts, static_cast<uint32_t>(i));
    Last().port->Resume({.run = [](Context&) { throw std::runtime_error("a timer"); }});
  }
  EXPECT_EQ(class_.begun.size(), 3u);
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("1 1011"));
}

TEST_F(DeferringHubTest, OfThoseThatLoseTheirObjectTooOftenTheOldestAloneIsGivenUp) {
  Say("a");
  Say("b", 2);
  Say("c", 2);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Of("a").restarts, static_cast<uint32_t>(i));
    Last().port->Restart();
  }
  Settle();
  EXPECT_EQ(host_.given_up, 1);
  EXPECT_THAT(Settled(), ElementsAre("1 1011"));
  EXPECT_EQ(Of("b").restarts, 2u);
  EXPECT_EQ(Of("c").restarts, 2u);
  EXPECT_EQ(Last().what, "c");
}

TEST_F(DeferringHubTest, WithoutALimitNothingIsGivenUpHoweverOften) {
  host_.attempts = 0;
  Say("a");
  for (int i = 0; i < 300; ++i) Last().port->Restart();
  EXPECT_EQ(class_.begun.size(), 301u);
  EXPECT_EQ(Last().restarts, 255u);
  EXPECT_EQ(host_.given_up, 0);
}

TEST_F(DeferringHubTest, ACallIsAnsweredOnceWhenThatIsDurable) {
  Call("a");
  Call("b");
  Finish(Of("a"), [](Context& context) {
    Puts(context);
    context.Reply("A");
  });
  Turn();
  EXPECT_THAT(answers_, IsEmpty());
  Settle();
  EXPECT_THAT(answers_, ElementsAre("0 A"));
  Of("b").port->Resume({.run = [](Context&) {}, .finishes = Of("b").number, .failure = "no such method"});
  EXPECT_THAT(answers_, ElementsAre("0 A", "1 no such method"));
}

TEST_F(DeferringHubTest, ACallWhoseObjectIsLostIsNotMadeAgain) {
  Call("a");
  Say("b");
  Last().port->Restart();
  EXPECT_THAT(answers_, ElementsAre("1 The hub's object was lost before it had answered"));
  EXPECT_THAT(Beginnings(), ElementsAre("a", "b", "b"));
}

TEST_F(DeferringHubTest, ADeposedHubsCallsAreToldSoAndItsPortIsSilent) {
  Call("a");
  Say("b");
  hub_->Depose();
  EXPECT_THAT(answers_, ElementsAre("3 The hub has moved"));
  Finish(Of("b"), Says("b"));
  Of("b").port->Restart();
  Settle();
  EXPECT_THAT(Settled(), IsEmpty());
}

TEST_F(DeferringHubTest, AConnectionIsThereUntilItsCloseIsFinished) {
  Deliver(EventKind::kClose, ClosePayload(1000, "bye"));
  Settle();
  Last().port->Restart();
  EXPECT_THAT(Beginnings(), ElementsAre("close", "close")) << "its socket is known still";
  size_t connections = 0;
  Finish(Last(), [&](Context& context) { connections = context.connection_count(); });
  EXPECT_EQ(connections, 2u);
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("1"));
  Call("a");
  Finish(Last(), [&](Context& context) { connections = context.connection_count(); });
  EXPECT_EQ(connections, 1u);
}

TEST_F(DeferringHubTest, AnOpenThatFailsLaterIsRefused) {
  Deliver(EventKind::kOpen, "", 3);
  Settle();
  Last().port->Resume({.run = [](Context&) {}, .finishes = Last().number, .failure = "no"});
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("1 1011"));
  size_t connections = 0;
  Call("a");
  Finish(Last(), [&](Context& context) { connections = context.connection_count(); });
  EXPECT_EQ(connections, 2u);
}

// --- Alarms.

class DeferredAlarmTest : public DeferringHubTest {
 protected:
  DeferredAlarmTest() {
    Call("set");
    Finish(Last(), [](Context& context) { context.SetAlarm(1000); });
    Settle();
    Forget();
    hub_->Deliver(event::AlarmDue{});
    Settle();
  }
  int64_t Stored() { return host_.hub_store.alarms["test/hub"]; }
};

TEST_F(DeferredAlarmTest, WhatItSetsCountsWhenItIsFinished) {
  EXPECT_THAT(host_.alarms_done, IsEmpty());
  Finish(Last(), [](Context& context) {
    EXPECT_FALSE(context.GetAlarm().has_value());
    context.SetAlarm(WallMs() + 1'000'000);
  });
  Settle();
  ASSERT_EQ(host_.alarms_done.size(), 1u);
  EXPECT_GT(host_.alarms_done[0], WallMs());
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(DeferredAlarmTest, WhatAnotherHandlerSetsMeanwhileIsKept) {
  Say("!alarm");
  Settle();
  const int64_t set = Stored();
  ASSERT_GT(set, WallMs());
  Finish(Of("alarm 0"));
  Settle();
  EXPECT_EQ(Stored(), set);
  EXPECT_THAT(host_.alarms_done, ElementsAre(set));
}

TEST_F(DeferredAlarmTest, WhatAnotherHandlerSetsMeanwhileIsKeptThoughTheAlarmFails) {
  Say("!alarm");
  Settle();
  const int64_t set = Stored();
  Last().port->Resume({.run = [](Context&) {}, .finishes = Last().number, .failure = "no"});
  Settle();
  EXPECT_EQ(Stored(), set);
  EXPECT_THAT(host_.alarms_done, ElementsAre(set));
}

TEST_F(DeferredAlarmTest, OneThatFailsIsTriedAgainLaterAndKeepsWhatItWrote) {
  Last().port->Resume({.run = &Puts, .finishes = Last().number, .failure = "no"});
  Settle();
  EXPECT_EQ(host_.alarms_failed, 1);
  ASSERT_EQ(host_.alarms_done.size(), 1u);
  EXPECT_GT(host_.alarms_done[0], WallMs());
  EXPECT_EQ(host_.hub_store.hubs["test/hub"][UserRow("row")], "value");
}

TEST_F(DeferredAlarmTest, OneThatLosesItsObjectTooOftenIsDropped) {
  for (int i = 0; i < 3; ++i) Last().port->Restart();
  Settle();
  EXPECT_EQ(class_.begun.size(), 3u);
  EXPECT_THAT(host_.alarms_done, ElementsAre(testing::Gt(WallMs()))) << "the runtime's own check is left";
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(DeferredAlarmTest, AnAbandonedHubsAlarmIsAnsweredAndRingsAgain) {
  ASSERT_TRUE(hub_->CanBeAbandoned());
  EXPECT_THAT(hub_->Abandon(), IsEmpty());
  EXPECT_TRUE(hub_->CanSleep());
  EXPECT_EQ(host_.alarms_done.size(), 1u);
}

// --- How much, how long.

TEST_F(DeferringHubTest, NoEventBeginsWhileTooManyAreDeferredUntilOneIsFinished) {
  for (size_t i = 0; i < DeferredEvents::kMost + 2; ++i) Say(std::to_string(i));
  EXPECT_EQ(class_.begun.size(), DeferredEvents::kMost);
  Finish(class_.begun.front());
  Settle();
  EXPECT_EQ(class_.begun.size(), DeferredEvents::kMost + 1);
  EXPECT_EQ(Last().what, std::to_string(DeferredEvents::kMost));
}

TEST_F(DeferringHubTest, ASuspectsNoteIsClearedThoughTooManyAreDeferred) {
  for (size_t i = 1; i < DeferredEvents::kMost; ++i) Say(std::to_string(i));
  event::FromGateway suspect = Text(++sequence_, "suspect");
  suspect.attempts = 2;
  hub_->Deliver(suspect);
  ASSERT_EQ(host_.suspects.size(), 1u);
  EXPECT_FALSE(hub_->CanBeAbandoned()) << "its turn would be lost";
  hub_->OnSuspectTurn();
  Settle();
  EXPECT_EQ(Last().what, "suspect");
  EXPECT_EQ(host_.suspects_ended, 1);
}

TEST_F(DeferringHubTest, AnAbandonedHubLeavesItsEventsInTheirOrder) {
  for (size_t i = 0; i < DeferredEvents::kMost; ++i) Say("begun");
  Say("waits");
  auto request = Call("waits, too");
  ASSERT_TRUE(hub_->CanBeAbandoned());
  const Begun old = Last();
  const std::vector<HubEvent> events = hub_->Abandon();
  EXPECT_TRUE(hub_->CanSleep());
  ASSERT_EQ(events.size(), DeferredEvents::kMost + 2);
  for (size_t i = 0; i <= DeferredEvents::kMost; ++i) {
    EXPECT_EQ(FindMessage(events[i])->sequence, i + 1);
    EXPECT_EQ(FindMessage(events[i])->repeated, i < DeferredEvents::kMost);
  }
  EXPECT_TRUE(Is<event::Request>(events.back()));
  Finish(old, Says("stale"));
  EXPECT_THAT(Settled(), IsEmpty());
}

TEST_F(DeferringHubTest, AnotherClassWaitsUntilNothingIsDeferred) {
  Say("a");
  DeferringClass next;
  hub_->ChangeClass(&next);
  Say("b");
  EXPECT_EQ(hub_->hub_class(), &class_);
  Finish(Of("a"), Says("a"));
  EXPECT_EQ(hub_->hub_class(), &next);
  EXPECT_THAT(Settled(), ElementsAre("1 a"));
  EXPECT_THAT(Beginnings(), ElementsAre("a"));
  ASSERT_EQ(next.begun.size(), 1u);
  EXPECT_EQ(next.begun[0].what, "b");
}

TEST_F(DeferringHubTest, AResumptionWaitsForARestore) {
  Say("a");
  hub_->Freeze();
  EXPECT_FALSE(hub_->CanBeAbandoned());
  Finish(Last(), Says("a"));
  EXPECT_THAT(Settled(), IsEmpty()) << "a restore changes its rows";
  hub_->Thaw();
  Settle();
  EXPECT_THAT(Settled(), ElementsAre("1 a"));
}

}  // namespace
}  // namespace dormouse
