#include "statekeeper/runtime/hub/awake_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <set>
#include <stdexcept>

#include "common/clock.h"
#include "statekeeper/runtime/lane/commit_group.h"
#include "statekeeper/runtime/lane/waiting_room.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/testing/manual_store.h"

namespace dormouse {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr GatewayId kGateway = 1;
constexpr GatewayId kOtherGateway = 2;

// Answers each text with what it says:  "put K V", "get K", "list P", "count", "all TEXT", "throw", "close",
// "alarm MS", "tagged T TEXT", "big K N" (N bytes), "drop K", "recall N" (of connection N), "return TEXT"
// (returnable), "waiting", "admit", "repeated?", "work N" (milliseconds, reading now and then), "each N" (a
// kilobyte to N recipients), "rows N" (of a kilobyte; "rows N anyway": whatever that throws), anything else
// is echoed. A connection to "/tag/T" carries the tag T.
class Scripted : public Hub {
 public:
  struct Behaviour {
    bool alarm_throws = false;
    std::string alarm_sends;  // to all
    int wakes = 0;
    std::string wake_reads;  // rows of that prefix
    std::vector<std::string> log;
    int64_t retry_after_ms = 0;  // as OnFailure was told last
  };
  explicit Scripted(Behaviour* behaviour) : behaviour_(behaviour) {}

  void OnWake(Context& context) override {
    ++behaviour_->wakes;
    if (behaviour_->wake_reads.empty()) return;
    context.List(behaviour_->wake_reads, [](std::string_view, std::string_view) { return true; });
  }
  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) override {
    if (request.path() == "/refuse") return context.Close(connection.id, 4000, "no");
    if (request.path().starts_with("/tag/")) context.SetTags(connection.id, {request.path().substr(5)});
    context.SetAttachment(connection.id, "attached");
    context.Send(connection.id, Message::Text("welcome"));
  }
  void OnMessage(Context& context, const Connection& connection, const Message& message) override {
    const std::string text(message.data);
    const auto say = [&](const std::string& what) { context.Send(connection.id, Message::Text(what)); };
    if (text.starts_with("put ")) {
      context.Put(text.substr(4, 1), text.substr(6));
      say("done " + text);
    } else if (text.starts_with("get ")) {
      say(context.Get(text.substr(4)).value_or("nothing"));
    } else if (text.starts_with("list ")) {
      std::string out;
      context.List(text.substr(5), [&](std::string_view key, std::string_view value) {
        out += std::string(key) + "=" + std::string(value) + " ";
        return true;
      });
      say(out);
    } else if (text == "count") {
      say(std::to_string(context.connection_count()));
    } else if (text.starts_with("all ")) {
      context.Broadcast(Message::Text(text.substr(4)));
    } else if (text == "throw") {
      context.Put("thrown", "x");
      say("never seen");
      throw std::runtime_error("as asked");
    } else if (text.starts_with("tagged ")) {
      context.Broadcast(Message::Text(text.substr(9)), text.substr(7, 1), connection.id);
    } else if (text == "close") {
      context.Close(connection.id, 1000, "bye");
    } else if (text.starts_with("alarm ")) {
      context.SetAlarm(std::stoll(text.substr(6)));
      say("set");
    } else if (text.starts_with("big ")) {
      context.Put(text.substr(4, 1), std::string(std::stoul(text.substr(6)), 'x'));
      say("done " + text);
    } else if (text.starts_with("drop ")) {
      context.Delete(text.substr(5));
      say("done " + text);
    } else if (text.starts_with("recall ")) {
      context.Recall({connection.id.gateway, UuidLow(std::stoul(text.substr(7, 1)))});
      if (text.ends_with("and put")) context.Put("r", text);
      if (text.ends_with("and throw")) throw std::runtime_error("as asked");
    } else if (text.starts_with("return ")) {
      context.Send(connection.id, Message::ReturnableText(text.substr(7)));
    } else if (text == "confirm") {
      context.Put("c", text);
      context.Confirm(connection.id);
      say("asked");
    } else if (text.starts_with("upkeep")) {
      if (text == "upkeep put") context.Put("u", text);
      context.DoNotStayAwake();
    } else if (text.starts_with("ask ")) {
      const ConnectionId asked{connection.id.gateway, UuidLow(std::stoul(text.substr(4)))};
      context.AskLastSeen({&asked, 1});
    } else if (text == "waiting") {
      say(std::to_string(context.waiting_events()));
    } else if (text == "admit") {
      context.Admit(connection.id);
    } else if (text.starts_with("work ")) {
      for (int ms = std::stoi(text.substr(5)); ms > 0; --ms) {
        const clock_t end = clock() + CLOCKS_PER_SEC / 1000;
        while (clock() < end) {
        }
        context.Get("work");
      }
      say("done " + text);
    } else if (text.starts_with("each ")) {
      const std::vector<Context::HeadedRecipient> recipients(std::stoul(text.substr(5)),
                                                             {connection.id, "head"});
      context.SendEach(recipients, Message::Text(std::string(1000, 'x')));
    } else if (text.starts_with("rows ")) {
      try {
        for (int row = std::stoi(text.substr(5)); row > 0; --row)
          context.Put(std::to_string(row), std::string(1000, 'x'));
      } catch (const std::exception&) {
        if (!text.ends_with("anyway")) throw;
      }
      say("done " + text);
    } else if (text == "repeated?") {
      say(message.repeated ? "repeated" : "new");
    } else if (text == "attachment") {
      say(connection.attachment);
    } else {
      say(text);
    }
  }
  void OnClose(Context& context, const Connection& connection, const CloseInfo& info) override {
    behaviour_->log.push_back("closed " + std::to_string(info.code));
    context.Put("closed/" + connection.id.ToString(), connection.attachment);
  }
  std::vector<std::pair<std::string, int64_t>> Describe(Context& context) override {
    int64_t closed = 0;
    context.List("closed/", [&](std::string_view, std::string_view) { return ++closed != 0; });
    return {{"closed", closed}};
  }
  void OnUndelivered(Context& context, const ConnectionId& closed, const Message& message) override {
    const std::string text = std::to_string(UuidLowBits(closed.handle)) + ":" + std::string(message.data);
    if (message.data == "poison") throw std::runtime_error("as asked");
    if (message.data == "write") context.Put("returned", text);
    behaviour_->log.push_back("undelivered " + text);
  }
  void OnSeen(Context&, const Connection& open) override {
    behaviour_->log.push_back("seen " + std::to_string(UuidLowBits(open.id.handle)) + " at " +
                              std::to_string(open.last_seen_ms));
  }
  void OnConfirmed(Context&, const ConnectionId& open) override {
    behaviour_->log.push_back("confirmed " + std::to_string(UuidLowBits(open.handle)));
  }
  void OnRecalled(Context&, const ConnectionId& closed) override {
    behaviour_->log.push_back("recalled " + std::to_string(UuidLowBits(closed.handle)));
  }
  void OnAlarm(Context& context) override {
    behaviour_->log.push_back(context.GetAlarm() ? "alarm still set" : "alarm");
    context.Put("alarms", context.Get("alarms").value_or("") + "x");
    if (behaviour_->alarm_throws) throw std::runtime_error("alarm fails");
    if (!behaviour_->alarm_sends.empty()) context.Broadcast(Message::Text(behaviour_->alarm_sends));
  }
  void OnFailure(Context& context, const Connection& connection, const Message& message,
                 Failure why) override {
    const std::map<Failure, std::string> names = {
        {Failure::kHandler, "failed"},
        {Failure::kStore, "store failed"},
        {Failure::kStateFull, "full"},
        {Failure::kPoison, "poison"},
        {Failure::kOverBudget, "over budget"},
        {Failure::kTooMuchOutput, "too much output"},
        {Failure::kTooManyChanges, "too many changes"},
        {Failure::kOverAllowance, "over allowance"},
    };
    behaviour_->retry_after_ms = context.retry_after_ms();
    context.Send(connection.id, Message::Text(names.at(why) + ": " + std::string(message.data)));
  }

 private:
  Behaviour* const behaviour_;
};

class ScriptedClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<Scripted>(&behaviour); }
  mutable Scripted::Behaviour behaviour;

 private:
  link::ClassProfile profile_;
};

// A lane in the test's hands: turns of the loop end when the test says so.
class AwakeHubTest : public testing::Test, public HubHost {
 protected:
  AwakeHubTest()
      : commits_(&store_, {[](ShardId, int64_t) {}, [this](const ShardEpoch&) { hub_->Depose(); },
                           [](const ShardEpoch&, StoreStatus) {}}) {
    NewHub();
  }

  Store* store() override { return &store_; }
  FiberPool* fibers() override { return &fibers_; }
  Duration reap_interval() const override { return Duration(3'600'000); }
  const HubLimits& limits() const override { return limits_; }
  std::vector<GatewayId> Linked() const override { return linked_; }
  uint32_t roll_generation() const override { return roll_generation_; }
  void Release(EventOutput output) override {
    for (const Output& each : output.outputs) {
      if (!each.return_to.empty()) returnable_.emplace_back(each.payload, each.return_to);
      if (each.kind == DeliveryKind::kAdmit) ++admitted_;
      if (each.kind == DeliveryKind::kRollCall) {
        std::string roll = each.return_to + " at " + std::to_string(each.also_to.at(0)) + ":";
        for (const Output::To& to : each.to) {
          EXPECT_EQ(to.connection.gateway, each.also_to.at(0));
          roll += " " + std::to_string(UuidLowBits(to.connection.handle));
        }
        rolls_.push_back(roll);
        continue;
      }
      CloseView close{.code = 0};
      if (each.kind == DeliveryKind::kClose) ReadClosePayload(each.payload, &close);
      const std::string what = close.code == 0 ? each.payload : "close " + std::to_string(close.code);
      for (const Output::To& to : each.to)
        sent_.push_back(std::to_string(UuidLowBits(to.connection.handle)) + ":" + what);
    }
    if (output.cause.IsEvent()) settled_.push_back(output.cause.sequence);
    if (output.acknowledged) acknowledged_ = output.acknowledged;
  }
  void Recall(const ConnectionId& closed, const ShardEpoch&, GatewayLinks::Recalled done) override {
    recalls_.emplace_back(closed, std::move(done));
  }
  bool IsPresent(GatewayId gateway) const override { return !gone_.contains(gateway); }
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { commits_.Add(std::move(hub)); }
  void Touch(AwakeHub*) override { ++touches_; }
  void SleepSoon(std::shared_ptr<AwakeHub> hub) override { drowsy_.push_back(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub>) override { ++retries_; }
  void Yield() override {
    yielded_.push_back(fibers_.current());
    if (!fibers_.Pause()) yielded_.pop_back();
  }
  void ResumeSoon(Fiber* fiber) override { yielded_.push_back(fiber); }
  HubCaller::Answer Call(HubCaller::Question) override { return {.payload = {}, .failure = "not here"}; }
  void RunSoon(std::shared_ptr<AwakeHub> hub, WaitingLine line) override { room_.Add(std::move(hub), line); }
  uint32_t max_attempts() const override { return max_attempts_; }
  void AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) override { suspects_.push_back(std::move(hub)); }
  void EndSuspectTurn() override { ++suspects_ended_; }
  void CountGivenUp() override { ++given_up_; }
  void AlarmRan(const std::string&) override {}
  void AlarmDone(const std::string&, ShardId, int64_t next_due_ms) override {
    alarm_done_.push_back(next_due_ms);
  }

  void NewHub() { hub_ = std::make_shared<AwakeHub>("test/hub", ShardEpoch{3, epoch_}, &class_, this); }
  void Sleep() {
    ASSERT_TRUE(hub_->CanSleep());
    NewHub();
  }
  event::FromGateway Event(EventKind kind, uint64_t connection, std::string payload,
                           GatewayId gateway = kGateway) {
    return {.gateway = gateway,
            .handle = UuidLow(connection),
            .sequence = ++sequence_,
            .payload = std::move(payload),
            .kind = kind};
  }
  void Open(uint64_t connection, GatewayId gateway = kGateway, const std::string& path = "/") {
    link::OpenRequest request;
    request.set_path(path);
    hub_->Deliver(Event(EventKind::kOpen, connection, request.SerializeAsString(), gateway));
  }
  void Say(uint64_t connection, const std::string& text, GatewayId gateway = kGateway) {
    hub_->Deliver(Event(EventKind::kText, connection, text, gateway));
  }
  void SaySuspect(uint64_t connection, const std::string& text) {
    event::FromGateway event = Event(EventKind::kText, connection, text);
    event.repeated = true;
    event.attempts = 3;
    hub_->Deliver(std::move(event));
  }
  // A suspect is noted, then the process dies; the hub is of the next owner.
  void DieUnder(const std::string& text) {
    SaySuspect(1, text);
    suspects_.clear();
    hub_->OnSuspectTurn();
    for (int i = 0; i < 100 && !Meta().has_begun(); ++i) {
      LetIn();
      if (store_.waiting() > 0) store_.Step();
      if (!Meta().has_begun()) commits_.Flush();
    }
    ASSERT_TRUE(Meta().has_begun());
    hub_->Depose();
    commits_.Flush();
    store_.StepAll();
    // As if the handler, which has run by now, had not come to its end.
    Sent();
    suspects_.clear();
    suspects_ended_ = 0;
    ++epoch_;
    NewHub();
  }
  void SettleSuspects() {
    for (int i = 0; i < 100; ++i) {
      Settle();
      if (suspects_.empty()) return;
      const std::shared_ptr<AwakeHub> next = suspects_.front();
      suspects_.erase(suspects_.begin());
      next->OnSuspectTurn();
    }
    FAIL() << "does not settle";
  }
  // Suspends as many fibers as may be.
  std::vector<Fiber*> TakeAllRoom() {
    std::vector<Fiber*> taken;
    while (fibers_.MaySuspend()) {
      fibers_.Run([&] {
        taken.push_back(fibers_.current());
        fibers_.Suspend();
      });
    }
    return taken;
  }
  stored::HubMeta Meta() {
    stored::HubMeta meta;
    meta.ParseFromString(store_.hubs["test/hub"][kMetaRow]);
    return meta;
  }
  void Ring() { hub_->Deliver(event::AlarmDue{}); }
  // Those that wait for their turn, as far as they may.
  void LetIn() {
    for (size_t left = room_.size(); left > 0; --left) {
      const WaitingRoom::Open open{.room = fibers_.MaySuspend(), .suspects = true};
      if (!room_.HasNext(open)) return;
      room_.Next(open).hub->Run();
    }
  }
  // Goes on with what yielded or waits, and ends the turn. False: nothing had yielded.
  bool Turn() {
    const std::vector<Fiber*> yielded = std::exchange(yielded_, {});
    for (Fiber* fiber : yielded) fibers_.Resume(fiber);
    LetIn();
    commits_.Flush();
    return !yielded.empty();
  }
  // Ends turns and answers the store until nothing moves.
  void Settle() {
    for (int i = 0; i < 1000; ++i) {
      const bool yielded = Turn();
      if (store_.waiting() == 0 && !yielded && yielded_.empty() && room_.empty()) return;
      if (store_.waiting() > 0) store_.Step();
    }
    FAIL() << "does not settle";
  }
  std::vector<std::string> Sent() { return std::exchange(sent_, {}); }
  std::vector<std::string> Rolls() { return std::exchange(rolls_, {}); }

  ManualStore store_;
  FiberPool fibers_{4};
  WaitingRoom room_;
  ScriptedClass class_;
  CommitGroup commits_;
  std::shared_ptr<AwakeHub> hub_;
  std::vector<Fiber*> yielded_;
  std::vector<std::string> sent_;
  std::vector<uint64_t> settled_;
  std::function<void()> acknowledged_;
  std::vector<int64_t> alarm_done_;
  // Ends the oldest recall.
  void Recalled(std::vector<std::string> frames) {
    const auto done = std::move(recalls_.front().second);
    recalls_.erase(recalls_.begin());
    done(std::move(frames));
  }
  // What is stored of the hub class's state, as the hub counts it.
  uint64_t CountedState() {
    stored::HubMeta meta;
    meta.ParseFromString(store_.hubs["test/hub"][kMetaRow]);
    return meta.state_bytes();
  }
  // The same, counted by hand.
  uint64_t StoredState() {
    uint64_t bytes = 0;
    for (const auto& [row, value] : store_.hubs["test/hub"]) {
      if (row.starts_with(kUserRows)) bytes += row.size() - kUserRows.size() + value.size();
    }
    return bytes;
  }

  std::vector<std::pair<std::string, std::string>> returnable_;
  int admitted_ = 0;
  std::vector<std::pair<ConnectionId, GatewayLinks::Recalled>> recalls_;
  HubLimits limits_;
  std::set<GatewayId> gone_;
  std::vector<GatewayId> linked_;
  uint32_t epoch_ = 1;
  uint32_t roll_generation_ = 0;
  std::vector<std::string> rolls_;
  int retries_ = 0;
  int touches_ = 0;
  std::vector<std::shared_ptr<AwakeHub>> drowsy_;
  uint32_t max_attempts_ = 3;
  std::vector<std::shared_ptr<AwakeHub>> suspects_;  // await their turn
  int suspects_ended_ = 0;
  int given_up_ = 0;
  uint64_t sequence_ = 0;
};

TEST_F(AwakeHubTest, AnotherClassTakesOverWhenNothingIsUnderWay) {
  Open(1);
  Settle();
  ScriptedClass other;
  limits_.connection_cpu = Duration(7);
  Say(1, "big a 10");  // on its way to the store
  hub_->ChangeClass(&other);
  hub_->Deliver(Event(EventKind::kClose, 1, ClosePayload(1000, "")));
  EXPECT_EQ(hub_->hub_class(), &class_);
  EXPECT_THAT(class_.behaviour.log, Not(Contains("closed 1000")));
  Settle();
  EXPECT_EQ(hub_->hub_class(), &other);
  EXPECT_THAT(Sent(), Contains("1:done big a 10")) << "by the class that it was said to";
  EXPECT_THAT(class_.behaviour.log, Not(Contains("closed 1000")));
  EXPECT_THAT(other.behaviour.log, Contains("closed 1000"));
}

TEST_F(AwakeHubTest, EventsThatArriveWhileItWakesRunInOrderAfterOneRead) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  const size_t reads = store_.range_calls();
  for (int i = 0; i < 100; ++i) Say(1, std::to_string(i));
  EXPECT_THAT(Sent(), IsEmpty());
  Settle();
  const std::vector<std::string> sent = Sent();
  ASSERT_EQ(sent.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sent[i], "1:" + std::to_string(i));
  EXPECT_EQ(store_.range_calls() - reads, 1u);
  EXPECT_EQ(class_.behaviour.wakes, 2);
}

// --- Room.

TEST_F(AwakeHubTest, WhatNeedsTheStoreWaitsForRoomAndWhatDoesNotGoesOn) {
  Open(1);
  for (int i = 0; i < 30; ++i) Say(1, "put " + std::to_string(i % 10) + " v");
  Say(1, "big w 10");
  Settle();
  for (int i = 0; i < 600; ++i) store_.hubs["test/hub"]["u/a" + std::to_string(1000 + i)] = "more";
  Sleep();
  Say(1, "awake");
  Settle();
  Sent();
  std::vector<Fiber*> others = TakeAllRoom();
  Say(1, "hello");
  EXPECT_THAT(Sent(), ElementsAre("1:hello"));
  const size_t reads = store_.waiting();
  Say(1, "get unread");  // behind what was read when it woke
  Say(1, "after it");
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(store_.waiting(), reads) << "it did not even ask";
  EXPECT_FALSE(hub_->CanSleep());
  EXPECT_FALSE(room_.empty());
  for (Fiber* fiber : others) fibers_.Resume(fiber);
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:nothing", "1:after it"));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, AWakeWithoutRoomAsksNothingOfTheStore) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  const std::vector<Fiber*> others = TakeAllRoom();
  for (int i = 0; i < 3; ++i) Say(1, std::to_string(i));
  EXPECT_EQ(store_.waiting(), 0u);
  EXPECT_EQ(room_.size(), 1u) << "a hub waits once";
  for (Fiber* fiber : others) fibers_.Resume(fiber);
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:0", "1:1", "1:2"));
}

TEST_F(AwakeHubTest, WhatHasWaitedTooLongFailsAsIfTheStoreHadNotAnswered) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  const std::vector<Fiber*> others = TakeAllRoom();
  Say(1, "a");
  room_.TakeOldest().hub->Run(false);
  EXPECT_THAT(Sent(), ElementsAre("1:store failed: a"));
  EXPECT_EQ(store_.waiting(), 0u);
  for (Fiber* fiber : others) fibers_.Resume(fiber);
  Say(1, "b");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:b"));
}

TEST_F(AwakeHubTest, QuestionsOfOperatorsWaitForRoomToo) {
  Open(1);
  Settle();
  Sleep();
  const std::vector<Fiber*> others = TakeAllRoom();
  std::optional<OperatorStatus> status;
  hub_->Describe([&](OperatorStatus answer, const HubReport&) { status = answer; });
  EXPECT_FALSE(status.has_value());
  for (Fiber* fiber : others) fibers_.Resume(fiber);
  Settle();
  EXPECT_EQ(status, OperatorStatus::kOk);
}

// --- Suspects.

TEST_F(AwakeHubTest, ASuspectBeginsInItsTurnOnceThatIsNotedAndTheNoteGoesWithIt) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  const int wakes = class_.behaviour.wakes;
  SaySuspect(1, "put a 1");
  Say(1, "new");
  Settle();
  EXPECT_THAT(Sent(), IsEmpty()) << "not its turn; what is new waits behind it";
  ASSERT_EQ(suspects_.size(), 1u);
  EXPECT_FALSE(hub_->CanSleep());
  hub_->OnSuspectTurn();
  LetIn();
  store_.StepAll();  // the hub is read
  commits_.Flush();
  EXPECT_EQ(class_.behaviour.wakes, wakes) << "no code of the class runs before the note is durable";
  ASSERT_EQ(store_.waiting(), 1u);
  store_.Step();
  EXPECT_EQ(Meta().begun().sequence(), sequence_ - 1);
  EXPECT_EQ(Meta().begun().attempts(), 3u);
  EXPECT_EQ(suspects_ended_, 0);
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:done put a 1", "1:new"));
  EXPECT_FALSE(Meta().has_begun());
  EXPECT_EQ(suspects_ended_, 1);
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, AnEventThatWasUnderWayInTheDeathOfItsOwnersIsGivenUpAndItAlone) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  DieUnder("boom");
  const uint64_t sequence = sequence_;
  SaySuspect(1, "before it");  // arrives first, say from another gateway
  event::FromGateway replay = Event(EventKind::kText, 1, "boom");
  replay.sequence = sequence;
  replay.attempts = 4;
  hub_->Deliver(replay);
  Say(1, "after it");
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:before it", "1:poison: boom", "1:after it"));
  EXPECT_EQ(given_up_, 1);
  EXPECT_EQ(Meta().given_up().count(), 1u);
  EXPECT_FALSE(Meta().has_begun());
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, ANoteOfAnotherEventCondemnsNobody) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  DieUnder("boom");
  SaySuspect(1, "innocent");
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:innocent"));
  EXPECT_EQ(given_up_, 0);
}

TEST_F(AwakeHubTest, AnAlarmThatWasUnderWayInTheDeathOfItsOwnersIsDropped) {
  Open(1);
  Say(1, "alarm 1");
  Settle();
  Sleep();
  Sent();
  stored::HubMeta meta = Meta();
  meta.mutable_begun()->set_epoch(epoch_);
  meta.mutable_begun()->set_attempts(3);
  store_.hubs["test/hub"][std::string(kMetaRow)] = meta.SerializeAsString();
  ++epoch_;
  NewHub();
  event::AlarmDue alarm;
  alarm.attempts = 4;
  hub_->Deliver(alarm);
  SettleSuspects();
  EXPECT_EQ(given_up_, 1);
  EXPECT_THAT(class_.behaviour.log, IsEmpty());
  EXPECT_EQ(Meta().alarm_due_ms(), 0);
  EXPECT_EQ(alarm_done_.size(), 1u);
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, AnOpenAndACloseThatAreGivenUpEndTheirSockets) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  DieUnder("");
  event::FromGateway close = Event(EventKind::kClose, 1, "");
  close.sequence = sequence_ - 1;
  close.attempts = 4;
  hub_->Deliver(close);
  SettleSuspects();
  EXPECT_EQ(given_up_, 1);
  EXPECT_THAT(class_.behaviour.log, IsEmpty()) << "OnClose did not run";
  EXPECT_EQ(Meta().gateways_size(), 0) << "it has no sockets";
  Sleep();
  DieUnder("");
  link::OpenRequest request;
  event::FromGateway open = Event(EventKind::kOpen, 2, request.SerializeAsString());
  open.sequence = sequence_ - 1;
  open.attempts = 4;
  hub_->Deliver(open);
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("2:close 1011"));
}

TEST_F(AwakeHubTest, AHubThatWasGivenUpForIsOnProbationAndThenInQuarantine) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  stored::HubMeta meta = Meta();
  meta.mutable_given_up()->set_count(1);
  meta.mutable_given_up()->set_last_ms(WallMs());
  store_.hubs["test/hub"][std::string(kMetaRow)] = meta.SerializeAsString();
  Say(1, "new");  // nobody has seen it die
  Settle();
  EXPECT_EQ(suspects_.size(), 1u) << "all its events are suspects";
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:new"));
  Sleep();
  meta = Meta();
  meta.mutable_given_up()->set_count(2);
  store_.hubs["test/hub"][std::string(kMetaRow)] = meta.SerializeAsString();
  const int wakes = class_.behaviour.wakes;
  Say(1, "newer");
  Open(2);
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:poison: newer", "2:close 1011"));
  EXPECT_EQ(class_.behaviour.wakes, wakes);
  Sleep();
  meta = Meta();
  meta.mutable_given_up()->set_last_ms(WallMs() - 24 * 3'600'000);
  store_.hubs["test/hub"][std::string(kMetaRow)] = meta.SerializeAsString();
  Say(1, "much later");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:much later"));
}

TEST_F(AwakeHubTest, WithoutALimitOfAttemptsNothingIsGivenUp) {
  max_attempts_ = 0;
  Open(1);
  Settle();
  Sleep();
  Sent();
  DieUnder("boom");
  event::FromGateway replay = Event(EventKind::kText, 1, "boom");
  replay.sequence = sequence_ - 1;
  hub_->Deliver(replay);
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:boom"));
}

TEST_F(AwakeHubTest, ASuspectFailsWhenItCannotBeNoted) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  SaySuspect(1, "put a 1");
  SaySuspect(1, "put b 1");
  hub_->OnSuspectTurn();
  LetIn();
  store_.Step();
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable);
  EXPECT_THAT(Sent(), ElementsAre("1:store failed: put a 1"));
  EXPECT_EQ(suspects_ended_, 1);
  suspects_.erase(suspects_.begin());
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:done put b 1"));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, TheTurnIsKeptUntilTheNoteIsGone) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  SaySuspect(1, "put a 1");
  SaySuspect(1, "put b 1");
  hub_->OnSuspectTurn();
  LetIn();
  store_.Step();
  commits_.Flush();
  store_.Step();  // noted, and handled
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable);
  EXPECT_THAT(Sent(), ElementsAre("1:store failed: put a 1"));
  EXPECT_EQ(suspects_ended_, 0);
  EXPECT_EQ(retries_, 1);
  EXPECT_TRUE(Meta().has_begun());
  suspects_.erase(suspects_.begin());
  hub_->Retry();
  Settle();
  EXPECT_EQ(suspects_ended_, 1);
  EXPECT_FALSE(Meta().has_begun());
  SettleSuspects();
  EXPECT_THAT(Sent(), ElementsAre("1:done put b 1"));
}

TEST_F(AwakeHubTest, ADeposedHubGivesItsTurnBack) {
  Open(1);
  Settle();
  SaySuspect(1, "a");
  hub_->OnSuspectTurn();
  hub_->Depose();
  EXPECT_EQ(suspects_ended_, 1);
  LetIn();
}

TEST_F(AwakeHubTest, TwoOpensOfASleepingHubBothCount) {
  Open(1);
  Open(2, kOtherGateway);
  Say(1, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:welcome", "2:welcome", "1:2"));
}

TEST_F(AwakeHubTest, AHandlerThatWorksLongLetsOtherHubsRun) {
  Open(1);
  Settle();
  Sent();
  Say(1, "work 3");
  int turns = 0;
  for (; Sent().empty() && turns < 100; ++turns) {
    for (Fiber* fiber : std::exchange(yielded_, {})) fibers_.Resume(fiber);
  }
  EXPECT_GE(turns, 2);
  EXPECT_LT(turns, 20);
}

TEST_F(AwakeHubTest, AHandlerBeyondItsBudgetDoesNotCount) {
  limits_.handler_budget = Duration(20);
  NewHub();
  Open(1);
  Settle();
  Sent();
  Say(1, "work 10");
  Say(1, "work 1000");
  Say(1, "after it");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:done work 10", "1:over budget: work 1000", "1:after it"));
}

TEST_F(AwakeHubTest, AnEventThatWouldSendTooMuchSendsNothing) {
  limits_.max_output = 50'000;
  NewHub();
  Open(1);
  Settle();
  Sent();
  Say(1, "each 40");
  EXPECT_EQ(Sent().size(), 40u);
  Say(1, "each 50");
  EXPECT_THAT(Sent(), ElementsAre("1:too much output: each 50"));
  Say(1, "after it");
  EXPECT_THAT(Sent(), ElementsAre("1:after it"));
}

TEST_F(AwakeHubTest, AMessageThatNoLinkCarriesIsRefused) {
  Open(1);
  Settle();
  Sent();
  Say(1, "each 1000000");  // without a limit
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:too much output: each 1000000"));
}

TEST_F(AwakeHubTest, AnEventThatWouldWriteTooMuchWritesNothingWhateverItCatches) {
  limits_.max_changes = 50'000;
  NewHub();
  Open(1);
  Settle();
  Sent();
  Say(1, "rows 40");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:done rows 40"));
  const uint64_t before = StoredState();
  Say(1, "rows 100");
  Say(1, "rows 100 anyway");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:too many changes: rows 100", "1:too many changes: rows 100 anyway"));
  EXPECT_EQ(StoredState(), before);
  EXPECT_EQ(CountedState(), before);
}

TEST_F(AwakeHubTest, WhatIsDurableIsForgottenWhenItIsMuch) {
  Open(1);
  Settle();
  const size_t reads = store_.range_calls();
  for (int i = 0; i < 600; ++i) {
    Say(1, "big a " + std::to_string(100'000 + i));
    Settle();
  }
  EXPECT_EQ(store_.range_calls() - reads, 0u);
  for (int i = 0; i < 100; ++i) {
    Say(1, "big a " + std::to_string(120'000 + i));
    Settle();
  }
  EXPECT_EQ(store_.range_calls() - reads, 1u) << "after 64 MiB, once";
  Sent();
  Say(1, "count");
  Say(1, "get a");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:1", "1:" + std::string(120'099, 'x')));
}

TEST_F(AwakeHubTest, WhoCostsTooMuchWaitsAndOthersDoNot) {
  limits_.connection_cpu = Duration(20);
  NewHub();
  Open(1);
  Open(2);
  Settle();
  Sent();
  Say(1, "work 40");
  Say(1, "once more");
  Say(2, "hello");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:done work 40", "1:over allowance: once more", "2:hello"));
  EXPECT_GT(class_.behaviour.retry_after_ms, 500);
  EXPECT_LT(class_.behaviour.retry_after_ms, 2000);
  // A socket of its own begins anew.
  hub_->Deliver(Event(EventKind::kClose, 1, ClosePayload(1000, "", true)));
  Open(1);
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:welcome", "1:hello"));
}

TEST_F(AwakeHubTest, OutputLeavesOnlyWhenTheWritesAreDurable) {
  Open(1);
  Settle();
  Sent();
  Say(1, "put a 1");
  Say(1, "echo after");  // pure, but behind the write
  commits_.Flush();
  EXPECT_THAT(Sent(), IsEmpty());
  Say(1, "put b 2");  // does not wait for the first commit
  commits_.Flush();
  EXPECT_EQ(store_.waiting(), 2u);
  store_.Step();
  EXPECT_THAT(Sent(), ElementsAre("1:done put a 1", "1:echo after"));
  store_.Step();
  EXPECT_THAT(Sent(), ElementsAre("1:done put b 2"));
}

// Other hubs of the lane share its way to the store.
TEST_F(AwakeHubTest, EventsWaitWhileMuchIsOnItsWayToTheStore) {
  Open(1);
  Settle();
  Sent();
  std::vector<std::string> answers;
  for (const char row : std::string("abcdefghijklmnop")) {
    Say(1, std::string("big ") + row + " 120000");
    answers.push_back(std::string("1:done big ") + row + " 120000");
  }
  Say(1, "echo");
  answers.emplace_back("1:echo");
  while (Turn() || !yielded_.empty() || !room_.empty()) {
  }
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_GE(store_.bytes_waiting(), 1u << 20);
  EXPECT_LT(store_.bytes_waiting(), (1u << 20) + 130'000);
  Settle();
  EXPECT_EQ(Sent(), answers);
}

TEST_F(AwakeHubTest, WhatFailsMakesRoomForOthersOnTheirWayToTheStore) {
  Open(1);
  Settle();
  Sent();
  for (const char row : std::string("abcdefghi")) Say(1, std::string("big ") + row + " 120000");
  Say(1, "echo");
  while (Turn() || !yielded_.empty() || !room_.empty()) {
  }
  EXPECT_THAT(Sent(), IsEmpty());
  store_.FailStep(StoreStatus::kError);
  Settle();
  EXPECT_THAT(Sent(), Contains("1:echo"));
}

TEST_F(AwakeHubTest, APureMessageCostsNoCallOfTheStore) {
  Open(1);
  Settle();
  Sent();
  Say(1, "hello");
  EXPECT_THAT(Sent(), ElementsAre("1:hello"));
  EXPECT_EQ(store_.waiting(), 0u);
}

TEST_F(AwakeHubTest, WritesOfOneTurnAreOneCommit) {
  Open(1);
  for (int i = 0; i < 10; ++i) Say(1, "put a " + std::to_string(i));
  store_.Step();  // the wake
  commits_.Flush();
  EXPECT_EQ(store_.waiting(), 1u);
  Settle();
  EXPECT_EQ(store_.hubs["test/hub"][UserRow("a")], "9");
}

TEST_F(AwakeHubTest, SleepKeepsConnectionsAttachmentsAndState) {
  Open(1);
  Say(1, "put a 1");
  Settle();
  Sleep();
  Sent();
  Say(1, "attachment");
  Say(1, "get a");
  Say(1, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:attached", "1:1", "1:1"));
}

TEST_F(AwakeHubTest, UpkeepIsNoReasonToStayAwake) {
  Open(1);
  Settle();
  EXPECT_EQ(touches_, 1);
  EXPECT_FALSE(hub_->IsDrowsy());
  EXPECT_THAT(drowsy_, IsEmpty());
  Say(1, "upkeep put");
  Settle();
  EXPECT_EQ(touches_, 1) << "it does not put sleep off";
  EXPECT_THAT(drowsy_, IsEmpty()) << "nor does it bring it forward";

  Sleep();
  Say(1, "upkeep put");
  EXPECT_THAT(drowsy_, IsEmpty()) << "nothing is durable yet";
  Settle();
  EXPECT_THAT(drowsy_, ElementsAre(hub_));
  EXPECT_EQ(touches_, 1);
  Say(1, "hello");
  Settle();
  EXPECT_FALSE(hub_->IsDrowsy()) << "somebody came in between";

  Sleep();
  drowsy_.clear();
  Ring();  // nothing is due
  Settle();
  EXPECT_THAT(drowsy_, ElementsAre(hub_));
}

TEST_F(AwakeHubTest, TheEdgeIsAskedWhenASocketWasHeard) {
  for (const uint64_t socket : {1, 2, 3}) Open(socket);
  Settle();
  Say(1, "ask 2");
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at " + std::to_string(kGateway) + ": 1 3"));
  Sleep();
  event::FromGateway present = Event(EventKind::kPresent, 2, "");
  present.last_seen_ms = 12'345;
  hub_->Deliver(present);
  Settle();
  EXPECT_THAT(class_.behaviour.log, Contains("seen 2 at 12345"));
}

TEST_F(AwakeHubTest, ASocketThatClosesWhileItsHubSleepsIsGoneAtOnce) {
  Open(1);
  Open(2);
  Settle();
  Sleep();
  Sent();
  hub_->Deliver(Event(EventKind::kClose, 1, ClosePayload(1001, "")));
  Say(2, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("2:1"));
  EXPECT_THAT(class_.behaviour.log, ElementsAre("closed 1001"));
}

TEST_F(AwakeHubTest, AFrameOfAnUnknownConnectionClosesIt) {
  Say(7, "who am I");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("7:close 1011"));
  EXPECT_THAT(settled_, ElementsAre(1));
}

TEST_F(AwakeHubTest, ARefusedConnectionLeavesNothing) {
  Open(1, kGateway, "/refuse");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:close 4000"));
  EXPECT_THAT(store_.hubs["test/hub"], IsEmpty());
}

TEST_F(AwakeHubTest, TheLastCloseLeavesNoRuntimeRows) {
  Open(1);
  Say(1, "close");
  Settle();
  EXPECT_THAT(store_.hubs["test/hub"], IsEmpty());
  EXPECT_THAT(store_.alarms, IsEmpty());
}

TEST_F(AwakeHubTest, AThrowingHandlerCountsForNothing) {
  Open(1);
  Settle();
  Sent();
  Say(1, "throw");
  Say(1, "get thrown");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:failed: throw", "1:nothing"));
  EXPECT_EQ(class_.behaviour.wakes, 2) << "the object that threw must not live on";
}

TEST_F(AwakeHubTest, AConfirmationIsAskedForAfterTheOutputAndKeepsTheHubAwake) {
  Open(1);
  Settle();
  sent_.clear();
  Say(1, "confirm");
  EXPECT_THAT(sent_, IsEmpty()) << "its write is not durable yet";
  Settle();
  EXPECT_THAT(sent_, ElementsAre("1:asked", "1:"));
  EXPECT_THAT(class_.behaviour.log, IsEmpty());
  EXPECT_FALSE(hub_->CanSleep());
  acknowledged_();
  Settle();
  EXPECT_THAT(class_.behaviour.log, ElementsAre("confirmed 1"));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, ManyEventsOfOneTurnAreSeveralCommits) {
  Open(1);
  Settle();
  for (uint64_t i = 2; i <= 1000; ++i) Open(i);
  Settle();
  EXPECT_EQ(settled_.size(), 1000u);
  EXPECT_EQ(sent_.size(), 1000u);
  EXPECT_LE(store_.largest_commit(), 210u);
}

TEST_F(AwakeHubTest, AFailedCommitIsTakenBackAnsweredAndNotBuiltUpon) {
  Open(1);
  Say(1, "put a old");
  Settle();
  Sent();
  Say(1, "put a new");
  Say(1, "echo");
  commits_.Flush();
  Say(1, "put b new");
  commits_.Flush();
  store_.is_healthy = false;
  store_.FailStep(StoreStatus::kUnavailable);
  EXPECT_THAT(Sent(), ElementsAre("1:store failed: put a new", "1:store failed: put b new", "1:echo"));
  store_.FailStep(StoreStatus::kUnavailable, /*applied=*/true);  // b was stored after all
  // While the store is away: reads and pure messages go on from memory, writes fail at once.
  Say(1, "get a");
  Say(1, "put a newer");
  EXPECT_THAT(Sent(), ElementsAre("1:old", "1:store failed: put a newer"));
  EXPECT_EQ(store_.waiting(), 0u);
  // Back: the hub learns what the store really holds.
  store_.is_healthy = true;
  Say(1, "get b");
  Say(1, "put a newest");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:new", "1:done put a newest"));
  EXPECT_EQ(store_.hubs["test/hub"][UserRow("a")], "newest");
}

TEST_F(AwakeHubTest, EveryEventIsSettledExactlyOnceThroughAFailedCommit) {
  Open(1);
  Settle();
  for (int i = 0; i < 5; ++i) {
    Say(1, "put a 1");
    Say(1, "echo");
    if (i % 2 == 0) commits_.Flush();
  }
  store_.FailStep(StoreStatus::kError);
  Settle();
  std::sort(settled_.begin(), settled_.end());
  EXPECT_THAT(settled_, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
}

TEST_F(AwakeHubTest, AnOpenWithoutAStoreIsClosedAndACloseIsRemembered) {
  Open(1);
  Settle();
  Sent();
  store_.is_healthy = false;
  Open(2);
  hub_->Deliver(Event(EventKind::kClose, 1, ClosePayload(1000, "")));
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable);
  EXPECT_THAT(Sent(), ElementsAre("2:close 1013"));
  EXPECT_EQ(retries_, 1);
  EXPECT_FALSE(hub_->CanSleep());
  store_.is_healthy = true;
  hub_->Retry();
  Settle();
  EXPECT_EQ(store_.hubs["test/hub"].count(ConnectionRow({kGateway, UuidLow(1)})), 0u);
  EXPECT_THAT(settled_, testing::UnorderedElementsAre(1, 2, 3));
}

TEST_F(AwakeHubTest, AHubThatCannotBeReadAnswersItsQueueAndReadsLater) {
  class_.behaviour.wake_reads = "a";
  Open(1);
  Say(1, "put a 1");
  Settle();
  Sleep();
  Sent();
  Say(1, "get a");
  store_.FailStep(StoreStatus::kUnavailable);
  EXPECT_THAT(Sent(), ElementsAre("1:store failed: get a"));
  Say(1, "get a");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:1"));
}

TEST_F(AwakeHubTest, ALargeHubIsReadAsNeeded) {
  Open(1);
  Settle();
  for (int i = 0; i < 2000; ++i) store_.hubs["test/hub"][UserRow("row/" + std::to_string(10000 + i))] = "v";
  store_.hubs["test/hub"][UserRow("z")] = "last";
  Sleep();
  Sent();
  const size_t reads = store_.range_calls();
  Say(1, "get z");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:last"));
  EXPECT_EQ(store_.range_calls() - reads, 1u);
  Say(1, "list row/");
  Say(1, "list row/1199");
  Settle();
  const std::vector<std::string> sent = Sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(std::count(sent[0].begin(), sent[0].end(), '='), 2000);
  EXPECT_EQ(std::count(sent[1].begin(), sent[1].end(), '='), 10);
}

TEST_F(AwakeHubTest, BroadcastReachesAllConnectionsOfASleepingHub) {
  Open(1);
  Open(2, kOtherGateway);
  Open(3);
  Settle();
  Sleep();
  Sent();
  Say(1, "all hi");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:hi", "3:hi", "2:hi"));
}

TEST_F(AwakeHubTest, ABroadcastByTagReachesTheTaggedButTheExceptedOneAndTagsEndWithTheirConnections) {
  Open(1, kGateway, "/tag/a");
  Open(2, kOtherGateway, "/tag/a");
  Open(3, kGateway, "/tag/b");
  Open(4, kGateway, "/tag/a");
  Settle();
  Sleep();
  Sent();
  Say(1, "tagged a hi");
  Say(3, "tagged a from outside");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("4:hi", "2:hi", "1:from outside", "4:from outside", "2:from outside"));
  hub_->Deliver(Event(EventKind::kClose, 4, ClosePayload(1000, "")));
  Settle();
  Sleep();
  Say(3, "tagged a again");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:again", "2:again"));
}

TEST_F(AwakeHubTest, AnAlarmWithoutOutputIsGoneWithItsCommit) {
  Open(1);
  Say(1, "alarm 1000");
  Settle();
  EXPECT_EQ(store_.alarms["test/hub"], 1000);
  Sleep();
  Ring();
  Settle();
  EXPECT_THAT(class_.behaviour.log, ElementsAre("alarm"));
  EXPECT_THAT(alarm_done_, ElementsAre(store_.alarms["test/hub"]));
  EXPECT_GT(store_.alarms["test/hub"], WallMs()) << "only the look after vanished gateways is left";
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, AnAlarmWithOutputStaysUntilTheOutputHasArrived) {
  class_.behaviour.alarm_sends = "ding";
  Open(1);
  Say(1, "alarm 1000");
  Settle();
  Sent();
  Ring();
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:ding"));
  EXPECT_EQ(store_.alarms["test/hub"], 1000) << "a crash here must run it again";
  EXPECT_FALSE(hub_->CanSleep());
  ASSERT_TRUE(acknowledged_);
  acknowledged_();
  Settle();
  EXPECT_NE(store_.alarms["test/hub"], 1000);
  EXPECT_THAT(alarm_done_, ElementsAre(store_.alarms["test/hub"]));
}

TEST_F(AwakeHubTest, AnAlarmSetAgainWhileItsOutputTravelsIsKept) {
  class_.behaviour.alarm_sends = "ding";
  Open(1);
  Say(1, "alarm 1000");
  Settle();
  Ring();
  Settle();
  Say(1, "alarm 2000");
  Settle();
  acknowledged_();
  Settle();
  EXPECT_EQ(store_.alarms["test/hub"], 2000);
}

TEST_F(AwakeHubTest, AFailingAlarmBacksOffSixTimesAndIsDropped) {
  class_.behaviour.alarm_throws = true;
  Open(1);
  Say(1, "alarm 1000");
  Settle();
  int64_t expected_ms = 2000;
  for (int attempt = 0; attempt < 6; ++attempt) {
    const int64_t before_ms = WallMs();
    Ring();
    Settle();
    EXPECT_GE(store_.alarms["test/hub"], before_ms + expected_ms);
    EXPECT_LE(store_.alarms["test/hub"], WallMs() + expected_ms);
    expected_ms *= 2;
    // Its time comes.
    stored::HubMeta meta;
    meta.ParseFromString(store_.hubs["test/hub"][kMetaRow]);
    meta.set_alarm_retry_ms(1);
    store_.hubs["test/hub"][kMetaRow] = meta.SerializeAsString();
    Sleep();
  }
  Ring();
  Settle();
  EXPECT_EQ(class_.behaviour.log.size(), 7u);
  stored::HubMeta meta;
  meta.ParseFromString(store_.hubs["test/hub"][kMetaRow]);
  EXPECT_EQ(meta.alarm_due_ms(), 0);
  EXPECT_EQ(store_.hubs["test/hub"].count(UserRow("alarms")), 0u)
      << "what a failing handler wrote does not count";
}

TEST_F(AwakeHubTest, SocketsOfAGatewayThatVanishedWhileItSleptEndBeforeTheEventThatWakesIt) {
  for (int i = 1; i <= 150; ++i) Open(i, kOtherGateway);
  Open(1);
  Settle();
  Sleep();
  Sent();
  gone_.insert(kOtherGateway);
  Say(1, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:1"));
  EXPECT_EQ(class_.behaviour.log.size(), 150u);
}

TEST_F(AwakeHubTest, AReplayedOpenIsNotCountedTwice) {
  Open(1);
  Open(1);
  Say(1, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:welcome", "1:welcome", "1:1"));
}

TEST_F(AwakeHubTest, ADeposedHubSaysAndStoresNothing) {
  Open(1);
  Settle();
  Sent();
  settled_.clear();
  Say(1, "put a 1");
  commits_.Flush();
  store_.FailStep(StoreStatus::kFenced);
  Say(1, "echo");
  Settle();
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_THAT(settled_, IsEmpty()) << "its gateway must replay it to the new owner";
}

// --- What comes back

TEST_F(AwakeHubTest, ReturnableTextSaysWhereItReturnsTo) {
  Open(1);
  Say(1, "return this");
  Say(1, "and not this");
  Settle();
  EXPECT_THAT(returnable_, ElementsAre(std::pair("this", "test/hub")));
}

TEST_F(AwakeHubTest, ARecallStartsWhenItsEventIsDurableAndEndsBehindWhatComesBack) {
  Open(1);
  Settle();
  Say(1, "recall 9 and put");
  EXPECT_THAT(recalls_, IsEmpty());
  Settle();
  ASSERT_EQ(recalls_.size(), 1u);
  EXPECT_EQ(recalls_[0].first, (ConnectionId{kGateway, UuidLow(9)}));
  hub_->Deliver(Event(EventKind::kUndelivered, 9, "by its gateway"));
  Recalled({"one", "write", "three"});
  Settle();
  EXPECT_THAT(class_.behaviour.log, ElementsAre("undelivered 9:by its gateway", "undelivered 9:one",
                                                "undelivered 9:write", "undelivered 9:three", "recalled 9"));
  EXPECT_THAT(settled_, ElementsAre(1, 2, 3));  // the gateway's events, once each
}

TEST_F(AwakeHubTest, AHubStaysAwakeWhileItRecalls) {
  Open(1);
  Say(1, "recall 9");
  Settle();
  EXPECT_FALSE(hub_->CanSleep());
  Recalled({});
  Settle();
  EXPECT_TRUE(hub_->CanSleep());
  EXPECT_THAT(class_.behaviour.log, ElementsAre("recalled 9"));
}

TEST_F(AwakeHubTest, AFailedHandlersRecallIsTakenBack) {
  Open(1);
  Settle();
  Say(1, "recall 9 and throw");
  Say(1, "recall 9 and put");
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable);
  Settle();
  EXPECT_THAT(recalls_, IsEmpty());
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, ADeposedHubDropsWhatItRecalled) {
  Open(1);
  Say(1, "recall 9");
  Settle();
  hub_->Depose();
  Recalled({"one"});
  EXPECT_THAT(class_.behaviour.log, IsEmpty());
}

TEST_F(AwakeHubTest, AFrameThatFailsItsHandlerDoesNotKeepTheOthersBack) {
  Open(1);
  Say(1, "recall 9");
  Settle();
  Recalled({"one", "poison", "two"});
  Settle();
  EXPECT_THAT(class_.behaviour.log, ElementsAre("undelivered 9:one", "undelivered 9:two", "recalled 9"));
}

TEST_F(AwakeHubTest, WhatCannotBeNotedNowIsNotOvertakenByTheRecallsEnd) {
  Open(1);
  Say(1, "recall 9");
  Settle();
  hub_->Deliver(Event(EventKind::kUndelivered, 9, "write"));
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable);
  class_.behaviour.log.clear();
  Recalled({"two"});
  Settle();
  EXPECT_THAT(class_.behaviour.log, IsEmpty());
  EXPECT_FALSE(hub_->CanSleep());
  hub_->Retry();
  Settle();
  EXPECT_THAT(class_.behaviour.log, ElementsAre("undelivered 9:write", "undelivered 9:two", "recalled 9"));
}

TEST_F(AwakeHubTest, AHandlerSeesWhatWaitsAndWhetherItsMessageIsRepeated) {
  Open(1);
  event::FromGateway event = Event(EventKind::kText, 1, "repeated?");
  event.repeated = true;
  hub_->Deliver(std::move(event));
  Say(1, "repeated?");
  Say(1, "waiting");
  Say(1, "admit");
  Say(1, "waiting");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:welcome", "1:repeated", "1:new", "1:2", "1:", "1:0"));
  EXPECT_EQ(admitted_, 1);
}

// --- Limits

TEST_F(AwakeHubTest, AttachmentsHaveTheOperatorsLimit) {
  limits_.max_attachment = 5;
  NewHub();
  Open(1);  // its attachment has 8 bytes
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1:close 1011"));
}

TEST_F(AwakeHubTest, StateBeyondItsLimitIsRefusedAndShrinkingNeverIs) {
  limits_.max_state = 100;
  Open(1);
  Settle();
  Sent();
  const auto reply = [this](const std::string& text) {
    Say(1, text);
    Settle();
    return Sent();
  };
  EXPECT_THAT(reply("big a 60"), ElementsAre("1:done big a 60"));
  EXPECT_THAT(reply("big b 39"), ElementsAre("1:full: big b 39"));  // with its key one byte too many
  EXPECT_THAT(reply("get b"), ElementsAre("1:nothing"));
  EXPECT_THAT(reply("big b 38"), ElementsAre("1:done big b 38"));
  EXPECT_THAT(reply("big a 61"), ElementsAre("1:full: big a 61"));
  EXPECT_THAT(reply("put a x"), ElementsAre("1:done put a x"));
  EXPECT_THAT(reply("big a 60"), ElementsAre("1:done big a 60"));
  EXPECT_EQ(CountedState(), 100u);
  EXPECT_EQ(StoredState(), 100u);
  limits_.max_state = 10;  // it has more than that now
  EXPECT_THAT(reply("big a 59"), ElementsAre("1:done big a 59"));
  EXPECT_THAT(reply("big c 1"), ElementsAre("1:full: big c 1"));
  EXPECT_THAT(reply("drop b"), ElementsAre("1:done drop b"));
  EXPECT_EQ(CountedState(), 60u);
}

TEST_F(AwakeHubTest, TheSizeOfTheStateIsExactThroughWritesFailuresAndSleep) {
  Open(1);
  for (const char* each : {"big a 10", "big a 20", "put b x", "drop a", "drop a", "throw", "big c 300"}) {
    Say(1, each);
  }
  Settle();
  EXPECT_EQ(CountedState(), StoredState());
  Say(1, "big d 7");
  commits_.Flush();
  store_.FailStep(StoreStatus::kUnavailable, /*applied=*/true);
  Settle();
  Say(1, "big e 9");
  Settle();
  Sleep();
  Say(1, "big c 100");
  Settle();
  EXPECT_GT(StoredState(), 0u);
  EXPECT_EQ(CountedState(), StoredState());
}

TEST_F(AwakeHubTest, RowsOfALargeHubThatAreNotInMemoryAreCountedRight) {
  Open(1);
  Settle();
  for (int i = 0; i < 1000; ++i) store_.hubs["test/hub"][UserRow("w" + std::to_string(i))] = "value";
  store_.hubs["test/hub"][UserRow("y")] = std::string(500, 'y');
  store_.hubs["test/hub"][UserRow("z")] = std::string(500, 'z');
  Sleep();
  // Stored before sizes were: the first change counts.
  Say(1, "big z 10");
  Settle();
  EXPECT_EQ(CountedState(), StoredState());
  Sleep();
  const size_t ranges = store_.range_calls();
  Say(1, "drop y");
  Say(1, "big z 20");
  Settle();
  EXPECT_EQ(CountedState(), StoredState());
  EXPECT_EQ(store_.range_calls() - ranges, 2u);  // one to wake, one for y and its neighbours
}

TEST_F(AwakeHubTest, AHubThatIsLeftWithStateKeepsItsSize) {
  Open(1);
  Say(1, "put a 1");
  Say(1, "close");
  Settle();
  EXPECT_EQ(CountedState(), 2u);
  Sleep();
  limits_.max_state = 3;
  Open(2);
  Settle();
  Sent();
  Say(2, "put b 1");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("2:full: put b 1"));
}

// --- The roll call.

TEST_F(AwakeHubTest, AHubThatWakesInAnotherEpochAsksEachGatewayOnceWhichSocketsAreOpen) {
  linked_ = {kGateway, kOtherGateway, 3};
  Open(1);
  Open(2);
  Open(5, kOtherGateway);
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty()) << "a new hub has nothing to ask";
  Sleep();
  Say(1, "awake");
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty()) << "in the same epoch";
  epoch_ = 2;
  Sleep();
  Sent();
  Say(1, "hello");
  Say(2, "hi");
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 1: 1 2", "test/hub at 2: 5", "test/hub at 3:"));
  EXPECT_THAT(Sent(), ElementsAre("1:hello", "2:hi"));
  Sleep();
  Say(1, "again");
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty()) << "it is known to have been called";
}

TEST_F(AwakeHubTest, NobodyWaitsForTheRollCall) {
  linked_ = {kGateway};
  Open(1);
  Settle();
  epoch_ = 2;
  Sleep();
  Sent();
  Say(1, "hello");
  store_.Step();  // the wake
  EXPECT_THAT(Sent(), ElementsAre("1:hello"));
}

TEST_F(AwakeHubTest, AGatewayThatHasYetToLinkIsAskedIfTheHubHasSocketsThere) {
  Open(1);
  Open(2, kOtherGateway);
  Settle();
  epoch_ = 2;
  linked_ = {kGateway};
  Sleep();
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 1: 1", "test/hub at 2: 2"));
}

TEST_F(AwakeHubTest, WithoutAGatewayTheRollIsCalledAtTheNextWake) {
  Open(1);
  Settle();
  epoch_ = 2;
  Sleep();
  Ring();
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty());
  linked_ = {kGateway};
  Sleep();
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 1: 1"));
}

TEST_F(AwakeHubTest, AGatewayThatIsBackIsAskedByThoseAwakeAtOnceAndByOthersWhenTheyWake) {
  linked_ = {kGateway, kOtherGateway};
  Open(1);
  Open(2, kOtherGateway);
  Settle();
  roll_generation_ = 1;
  hub_->CallRoll(kOtherGateway);
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 2: 2"));
  Sleep();
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty());
  roll_generation_ = 2;  // while it sleeps
  Sleep();
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 1: 1", "test/hub at 2: 2"));
}

TEST_F(AwakeHubTest, ARollCallWhoseRecordTheStoreRefusesIsRepeated) {
  linked_ = {kGateway};
  Open(1);
  Settle();
  epoch_ = 2;
  Sleep();
  Say(1, "hello");
  store_.Step();  // the wake
  commits_.Flush();
  store_.is_healthy = false;
  store_.FailStep(StoreStatus::kUnavailable);
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty());
  EXPECT_EQ(retries_, 1);
  store_.is_healthy = true;
  hub_->Retry();
  Settle();
  EXPECT_THAT(Rolls(), ElementsAre("test/hub at 1: 1"));
  Sleep();
  Say(1, "hello");
  Settle();
  EXPECT_THAT(Rolls(), IsEmpty());
}

TEST_F(AwakeHubTest, AnOpenSocketThatTheHubDoesNotKnowIsClosed) {
  Open(1);
  Settle();
  Sent();
  settled_.clear();
  hub_->Deliver(Event(EventKind::kPresent, 1, ""));
  hub_->Deliver(Event(EventKind::kPresent, 9, ""));
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("9:close 1011"));
  EXPECT_EQ(settled_.size(), 2u);
}

TEST_F(AwakeHubTest, AnOpenSocketThatTheHubDoesNotKnowIsClosedWhenTheStoreIsBack) {
  Open(1);
  Settle();
  Sleep();
  Sent();
  settled_.clear();
  store_.is_healthy = false;
  hub_->Deliver(Event(EventKind::kPresent, 9, ""));
  store_.FailStep(StoreStatus::kUnavailable);
  Settle();
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_THAT(settled_, IsEmpty());
  store_.is_healthy = true;
  hub_->Retry();
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("9:close 1011"));
  EXPECT_EQ(settled_.size(), 1u);
}

// --- Operators.

TEST_F(AwakeHubTest, AnOperatorSeesWhatThereIs) {
  Open(1);
  Open(2, kOtherGateway);
  Say(1, "alarm 5000");
  hub_->Deliver(Event(EventKind::kClose, 1, ""));
  std::vector<HubReport> reports;
  hub_->Describe([&](OperatorStatus status, HubReport report) {
    EXPECT_EQ(status, OperatorStatus::kOk);
    reports.push_back(std::move(report));
  });
  EXPECT_FALSE(hub_->CanSleep());
  Settle();
  hub_->Describe([&](OperatorStatus, HubReport report) { reports.push_back(std::move(report)); });
  Settle();
  ASSERT_EQ(reports.size(), 2u);
  EXPECT_EQ(reports[0].waiting_events, 3u);
  const HubReport& report = reports[1];
  EXPECT_EQ(report.hub, "test/hub");
  EXPECT_EQ(report.shard, 3);
  EXPECT_EQ(report.epoch, 1u);
  EXPECT_TRUE(report.awake);
  EXPECT_EQ(report.sockets, 1u);
  EXPECT_THAT(report.sockets_by_gateway, ElementsAre(std::pair<GatewayId, uint64_t>(kOtherGateway, 1)));
  EXPECT_EQ(report.alarm_due_ms, 5000);
  EXPECT_EQ(report.state_bytes, StoredState());
  EXPECT_EQ(report.waiting_events, 0u);
  EXPECT_THAT(report.counts, ElementsAre(std::pair<std::string, int64_t>("closed", 1)));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, AnOperatorSeesConnectionsPageByPage) {
  for (uint64_t i = 1; i <= 5; ++i) Open(i);
  Open(7, kGateway, "/tag/T");
  Settle();
  std::vector<uint64_t> seen;
  std::string after;
  for (int pages = 0; pages < 10; ++pages) {
    std::vector<ConnectionReport> page;
    hub_->ListConnections(after, 4, [&](OperatorStatus, auto connections) { page = std::move(connections); });
    Settle();
    for (const ConnectionReport& each : page) seen.push_back(UuidLowBits(each.id.handle));
    ASSERT_FALSE(page.empty());
    EXPECT_EQ(page[0].attachment_bytes, 8u);
    if (page.size() < 4) {
      EXPECT_THAT(page.back().tags, ElementsAre("T"));
      break;
    }
    after = page.back().id.ToString();
  }
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5, 7));
}

TEST_F(AwakeHubTest, AnOperatorClosesAllSocketsAndTheClassSeesThemBreak) {
  constexpr uint64_t kSockets = 150;
  for (uint64_t i = 1; i <= kSockets; ++i) Open(i, i % 2 == 0 ? kGateway : kOtherGateway);
  Settle();
  Sent();
  hub_->Deliver(event::CloseAll{});
  Open(1000);
  Settle();
  std::vector<std::string> sent = Sent();
  ASSERT_EQ(sent.size(), kSockets + 1);
  EXPECT_EQ(
      std::count_if(sent.begin(), sent.end(), [](const auto& each) { return each.ends_with(":close 1001"); }),
      kSockets);
  EXPECT_EQ(sent.back(), "1000:welcome");
  EXPECT_EQ(class_.behaviour.log.size(), kSockets);
  EXPECT_EQ(class_.behaviour.log[0], "closed 1006");
  Say(1000, "count");
  Settle();
  EXPECT_THAT(Sent(), ElementsAre("1000:1"));
  EXPECT_TRUE(hub_->CanSleep());
}

TEST_F(AwakeHubTest, ADeposedHubReleasesAndWritesNothingMore) {
  Open(1);
  Settle();
  Sent();
  Say(1, "put a 1");
  Say(1, "list ");  // behind it
  commits_.Flush();
  Say(1, "put b 2");  // in the turn's commit
  OperatorStatus answer = OperatorStatus::kOk;
  hub_->Depose();
  hub_->Describe([&](OperatorStatus status, const HubReport&) { answer = status; });
  Settle();
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(answer, OperatorStatus::kNotOwner);
  EXPECT_FALSE(store_.hubs["test/hub"].contains(UserRow("b")));
}

}  // namespace
}  // namespace dormouse
