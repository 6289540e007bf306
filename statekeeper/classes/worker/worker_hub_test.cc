#include "statekeeper/classes/worker/worker_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "statekeeper/classes/worker/testing/fake_worker.h"
#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// As worker_class.cc has it, on a socket of the test's.
class SocketClass : public HubClass {
 public:
  explicit SocketClass(const WorkerSocket* socket) : socket_(socket) { profile_.set_name("worker"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<WorkerHub>(lane_); }
  bool waits_for_store() const override { return true; }
  bool closes_failed() const override { return true; }
  void BeginLane(uint32_t lane, struct ev_loop* loop) const override {
    lane_ = std::make_shared<WorkerLane>(WorkerLane::Config{.app = "app",
                                                            .lane = lane,
                                                            .listener = socket_->listener(),
                                                            .kill = [](uint32_t, const std::string&) {},
                                                            .is_over = [] { return false; }},
                                         loop);
  }
  void EndLane(uint32_t) const override { std::exchange(lane_, nullptr)->Close(); }

 private:
  const WorkerSocket* const socket_;
  link::ClassProfile profile_;
  mutable std::shared_ptr<WorkerLane> lane_;
};

class WorkerHubTest : public testing::Test {
 protected:
  WorkerHubTest() {
    lane_.config.max_attempts = 3;
    lane_.classes.Register(std::make_unique<SocketClass>(&socket_));
    lane_.Serve();
    Connect();
    lane_.Open(hub_);
    const auto events = Events();
    EXPECT_EQ(events.size(), 1u);
    object_ = events.at(0).object();
    worker_->EndEvent(events.at(0));
    lane_.Settle();
    lane_.Sent();
  }
  void Connect() {
    worker_.emplace(socket_.Connect());
    worker_->knows_timers = knows_timers_;
    worker_->Greet();
    lane_.Settle();
  }
  worker::ToWorker Hear() {
    lane_.Settle();
    return worker_->Hear();
  }
  std::vector<worker::Event> Events() {
    const worker::ToWorker heard = Hear();
    return {heard.events().begin(), heard.events().end()};
  }
  std::string Of(const worker::Event& event) { return event.message().data(); }
  // A turn of the hub's object.
  worker::Turn* Turn(worker::FromWorker* said, uint64_t event = 0, bool done = false) {
    worker::Turn* const turn = said->add_turns();
    turn->set_object(object_);
    turn->set_event(event);
    turn->set_done(done);
    return turn;
  }
  static void Put(worker::Turn* turn, const std::string& key, const std::string& value) {
    worker::Row* const row = turn->add_effects()->mutable_put();
    row->set_key(key);
    row->set_value(value);
  }
  static void SayToAll(worker::Turn* turn, const std::string& text) {
    turn->add_effects()->mutable_broadcast()->set_data(text);
  }
  std::string Row(const std::string& key) { return lane_.store->hubs[hub_][UserRow(key)]; }

  const std::string hub_ = "worker/a";
  WorkerSocket socket_;
  HostedLane lane_;
  std::optional<FakeWorker> worker_;
  uint64_t object_ = 0;
  bool knows_timers_ = true;  // the next worker
};

TEST_F(WorkerHubTest, ATurnsEffectsAreAppliedAsAWholeAndLeaveWhenDurable) {
  lane_.Say(hub_, "hello");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(Of(events[0]), "hello");
  EXPECT_EQ(events[0].number(), 2u);
  EXPECT_FALSE(events[0].has_wake());
  worker::FromWorker said;
  worker::Turn* const turn = Turn(&said, 2, true);
  Put(turn, "k", "v");
  SayToAll(turn, "done");
  turn->set_number(7);
  worker_->Say(said);
  for (int i = 0; i < 3; ++i) lane_.Turn();
  EXPECT_THAT(lane_.Sent(), IsEmpty());
  EXPECT_EQ(worker_->Hear().durable_size(), 0);
  const worker::ToWorker heard = Hear();
  EXPECT_EQ(Row("k"), "v");
  EXPECT_THAT(lane_.Sent(), ElementsAre("done"));
  ASSERT_EQ(heard.durable_size(), 1);
  EXPECT_EQ(heard.durable(0).turn(), 7u);
}

TEST_F(WorkerHubTest, ATurnThatCannotBeAppliedDropsTheObjectAndClosesItsEventsConnection) {
  lane_.Say(hub_, "a");
  Hear();
  worker::FromWorker said;
  worker::Turn* const turn = Turn(&said, 2);
  Put(turn, "k", "v");
  turn->add_effects()->mutable_send()->set_connection("none");
  worker_->Say(said);
  const worker::ToWorker heard = Hear();
  EXPECT_THAT(heard.drops(), ElementsAre(object_));
  EXPECT_EQ(heard.events_size(), 0);
  EXPECT_EQ(Row("k"), "");
}

TEST_F(WorkerHubTest, TheNextObjectKnowsWhatIsDurable) {
  worker::FromWorker said;
  worker::Turn* const turn = Turn(&said);
  Put(turn, "k", "v");
  worker_->Say(said);
  lane_.Settle();
  worker_->Leave();
  lane_.Settle();
  Connect();
  lane_.Say(hub_, "a");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_NE(events[0].object(), object_);
  EXPECT_EQ(events[0].number(), 1u);
  EXPECT_FALSE(events[0].repeated_());
  const worker::Wake& wake = events[0].wake();
  EXPECT_EQ(wake.hub_class(), "worker");
  EXPECT_EQ(wake.hub_name(), "a");
  EXPECT_TRUE(wake.complete());
  ASSERT_EQ(wake.rows_size(), 1);
  EXPECT_EQ(wake.rows(0).key(), "k");
  EXPECT_EQ(wake.sockets_size(), 1);
}

TEST_F(WorkerHubTest, EventsOfAWorkerThatEndedComeAgainOneByOne) {
  lane_.Say(hub_, "a");
  lane_.Say(hub_, "b");
  Hear();
  worker_->Leave();
  lane_.Settle();
  Connect();
  auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(Of(events[0]), "a");
  EXPECT_TRUE(events[0].repeated_());
  worker_->EndEvent(events[0]);
  events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(Of(events[0]), "b");
}

TEST_F(WorkerHubTest, WhatEndsThreeWorkersIsGivenUpAndNoneBehindIt) {
  lane_.Say(hub_, "poison");
  lane_.host().router().OnRequest("worker/b", std::make_shared<HubRequest>("call", [](auto, auto) {}));
  Hear();
  for (int i = 0; i < 3; ++i) {
    worker_->Leave();
    lane_.Settle();
    Connect();
  }
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(lane_.metrics().given_up.Value(), 1);
}

// --- Timers.

class WorkerTimerTest : public WorkerHubTest {
 protected:
  static void Set(worker::Turn* turn, const std::string& name, int64_t due_ms) {
    worker::SetTimer* const timer = turn->add_effects()->mutable_timer();
    timer->set_name(name);
    timer->set_due_ms(due_ms);
  }
  void SetNow(const std::vector<std::string>& names, int64_t due_ms) {
    worker::FromWorker said;
    worker::Turn* const turn = Turn(&said);
    for (const std::string& name : names) Set(turn, name, due_ms);
    worker_->Say(said);
    lane_.Settle();
  }
  // The event of the timer that is due.
  worker::Event Ring() {
    lane_.host().router().OnAlarm({.hub = hub_, .due_ms = 1}, HostedLane::ShardOfHub(hub_));
    const auto events = Events();
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? worker::Event() : events[0];
  }
  void BeginAgain() {
    worker_->Leave();
    lane_.Settle();
    Connect();
  }
  // What the next object is told of timers.
  std::vector<std::string> Told() {
    BeginAgain();
    lane_.Say(hub_, "x");
    std::vector<std::string> told;
    const auto events = Events();
    for (const worker::SetTimer& timer : events.at(0).wake().timers())
      told.push_back(timer.name() + " " + std::to_string(timer.due_ms()));
    return told;
  }
};

TEST_F(WorkerTimerTest, AreSetByEffectsAndToldAtAWake) {
  SetNow({"b", "a", "gone"}, 7'000'000'000'000);
  SetNow({"gone"}, 0);
  EXPECT_THAT(Told(), ElementsAre("a 7000000000000", "b 7000000000000"));
}

TEST_F(WorkerTimerTest, WhatItsOwnEventSetsTakesItsPlaceInTheEnd) {
  SetNow({"one"}, 5);
  const worker::Event event = Ring();
  EXPECT_EQ(event.timer().name(), "one");
  EXPECT_EQ(event.timer().attempt(), 0u);
  worker::FromWorker said;
  Set(Turn(&said, event.number(), true), "one", 7'000'000'000'000);
  worker_->Say(said);
  lane_.Settle();
  EXPECT_THAT(Told(), ElementsAre("one 7000000000000"));
}

TEST_F(WorkerTimerTest, OneThatFailsIsTriedAgain) {
  SetNow({"one"}, 5);
  worker_->EndEvent(Ring(), "not now");
  EXPECT_THAT(Told(), ElementsAre("one 5"));
}

TEST_F(WorkerTimerTest, AHostThatKnowsNoneLosesNone) {
  SetNow({"one"}, 5);
  knows_timers_ = false;
  BeginAgain();
  const worker::Event event = Ring();
  EXPECT_FALSE(event.has_timer());
  EXPECT_TRUE(event.has_wake());
  object_ = event.object();
  worker_->EndEvent(event);
  lane_.Say(hub_, "next");
  EXPECT_EQ(Of(Events().at(0)), "next");
  knows_timers_ = true;
  EXPECT_THAT(Told(), ElementsAre("one 5"));
}

TEST_F(WorkerHubTest, RowsAreReadAsTheyAreAfterTheTurnsBefore) {
  worker::FromWorker said;
  worker::Turn* const turn = Turn(&said);
  for (const char* key : {"a", "b1", "b2", "b3", "c"}) Put(turn, key, std::string("of ") + key);
  const auto read = [&](uint64_t number) {
    worker::Read* const added = said.add_reads();
    added->set_object(object_);
    added->set_number(number);
    return added;
  };
  read(1)->add_keys("b2");
  read(2)->set_prefix("b");
  auto* const last = read(3);
  last->set_prefix("b");
  last->set_reverse(true);
  last->set_limit(2);
  auto* const range = read(4);
  range->set_start("b2");
  range->set_end("c");
  read(5)->add_keys(std::string("no\0key", 6));
  auto* const first = read(6);
  first->set_limit(1);
  worker_->Say(said);
  const worker::ToWorker heard = Hear();
  std::vector<std::string> answers;
  for (const worker::ReadAnswer& answer : heard.reads()) {
    std::string text = std::to_string(answer.number()) + ":";
    for (const worker::Row& row : answer.rows()) text += " " + row.key();
    answers.push_back(text + (answer.failure().empty() ? "" : " failed"));
  }
  EXPECT_THAT(answers, ElementsAre("1: b2", "2: b1 b2 b3", "3: b3 b2", "4: b2 b3", "5: failed", "6: a"));
  EXPECT_EQ(heard.drops_size(), 0);
}

TEST_F(WorkerHubTest, ACallIsAnsweredWithItsReply) {
  std::vector<std::string> answers;
  lane_.host().router().OnRequest(
      hub_, std::make_shared<HubRequest>("question", [&](auto outcome, std::string text) {
        answers.push_back(std::to_string(static_cast<int>(outcome)) + " " + text);
      }));
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].request().payload(), "question");
  worker::FromWorker said;
  Turn(&said, events[0].number(), true)->add_effects()->set_reply("answer");
  worker_->Say(said);
  lane_.Settle();
  EXPECT_THAT(answers, ElementsAre("0 answer"));
}

TEST_F(WorkerHubTest, ARefusedOpenIsClosed) {
  lane_.Open("worker/b");
  const auto events = Events();
  ASSERT_EQ(events.size(), 1u);
  lane_.links->released.clear();
  worker_->EndEvent(events[0], "no");
  lane_.Settle();
  int closes = 0;
  for (const EventOutput& output : lane_.links->released) {
    for (const Output& each : output.outputs) closes += each.kind == DeliveryKind::kClose ? 1 : 0;
  }
  EXPECT_EQ(closes, 1);
}

TEST_F(WorkerHubTest, ARetiredShardLetsGoOfWhatIsUnderWayAndTakesItUpAgain) {
  lane_.Say(hub_, "a");
  Hear();
  const ShardId shard = HostedLane::ShardOfHub(hub_);
  lane_.host().shards().Retire({shard}, Duration(0), [] {});
  lane_.Say(hub_, "b");
  std::vector<std::string> answers;
  lane_.host().router().OnRequest(hub_, std::make_shared<HubRequest>("c", [&](auto, std::string text) {
                                    answers.push_back(std::move(text));
                                  }));
  lane_.Settle();
  EXPECT_EQ(lane_.host().hubs().Find(shard)->hubs.size(), 0u);
  EXPECT_THAT(answers, ElementsAre("The hub lives elsewhere"));
  EXPECT_THAT(Hear().drops(), ElementsAre(object_));
  lane_.host().shards().Reinstate({shard});
  const auto events = Events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(Of(events[0]), "a");
  EXPECT_TRUE(events[0].repeated_());
  EXPECT_EQ(Of(events[1]), "b");
}

}  // namespace
}  // namespace dormouse
