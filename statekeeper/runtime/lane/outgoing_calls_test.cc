// Context::Call, from a hub of a lane to others of the same one, by a caller that is the test.
#include "statekeeper/runtime/lane/outgoing_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "call NAME TEXT": calls it, and says what that has answered. "put", "close" and "throw" in the text: before the call it
// writes, closes its socket; after it it throws. A request is answered with what it says, or calls on ("call NAME TEXT").
class CallingHub : public Hub {
 public:
  void OnMessage(Context& context, const Connection& connection, const Message& message) override {
    const std::string text(message.data);
    if (!text.starts_with("call ")) return context.Send(connection.id, message);
    if (text.find("put") != std::string::npos) context.Put("before", "x");
    if (text.find("close") != std::string::npos) context.Close(connection.id, 4001, "bye");
    const std::string answer = Ask(context, text);
    context.Put("after", "x");
    context.Send(connection.id, Message::Text(answer));
    if (text.find("throw") != std::string::npos) throw std::runtime_error("as asked");
  }
  void OnRequest(Context& context, std::string_view payload) override {
    const std::string text(payload);
    context.Reply(text.starts_with("call ") ? Ask(context, text) : "heard " + text);
  }
  void OnFailure(Context& context, const Connection& connection, const Message&, Failure why) override {
    context.Send(connection.id, Message::Text(why == Failure::kStore ? "store failed" : "failed"));
  }

 private:
  static std::string Ask(Context& context, const std::string& text) {
    const size_t end = text.find(' ', 5);
    const Context::CallAnswer answer =
        context.Call("calling", text.substr(5, end - 5), text.substr(end + 1), milliseconds(200));
    return answer.failure.empty() ? answer.payload : "failed: " + answer.failure;
  }
};

class CallingClass : public HubClass {
 public:
  CallingClass() { profile_.set_name("calling"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<CallingHub>(); }

 private:
  link::ClassProfile profile_;
};

class OutgoingCallsTest : public testing::Test, public HubCaller {
 protected:
  OutgoingCallsTest() {
    lane_.classes.Register(std::make_unique<CallingClass>());
    lane_.config.caller = this;
    lane_.Serve();
  }
  void Call(Question question, Done done) override {
    rows_when_called_.push_back(lane_.store->hubs[kHub].count(UserRow("before")));
    asked_.emplace_back(std::move(question), std::move(done));
  }
  // Carries out what was asked for.
  void Carry() {
    for (auto& [question, done] : std::exchange(asked_, {})) {
      lane_.host().router().OnRequest(
          question.hub,
          std::make_shared<HubRequest>(
              question.payload,
              HubRequest::Caller{.until_ms = SteadyMs() + question.timeout_ms, .waiting = question.waiting},
              [done = done](HubRequest::Outcome outcome, std::string text) {
                if (outcome == HubRequest::Outcome::kAnswered) return done({.payload = text, .failure = {}});
                done({.payload = {}, .failure = text});
              }));
    }
  }
  void CarryAll() {
    for (lane_.Settle(); !asked_.empty(); lane_.Settle()) Carry();
    lane_.Settle();
  }

  const std::string kHub = "calling/a";
  HostedLane lane_;
  std::vector<std::pair<Question, Done>> asked_;
  std::vector<size_t> rows_when_called_;
  const int64_t deadline_ms_ = SteadyMs() + 20'000;
};

TEST_F(OutgoingCallsTest, ACallLeavesWhenWhatWasWrittenBeforeItIsDurableAndItsAnswerComesBack) {
  lane_.Open(kHub);
  lane_.Settle();
  lane_.Say(kHub, "call b put");
  lane_.Turn();
  EXPECT_THAT(asked_, IsEmpty());
  lane_.Settle();
  EXPECT_THAT(rows_when_called_, ElementsAre(1u));
  EXPECT_THAT(lane_.Sent(), IsEmpty());
  lane_.Say(kHub, "later");  // waits: the hub is busy
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), IsEmpty());
  CarryAll();
  EXPECT_THAT(lane_.Sent(), ElementsAre("heard put", "later"));
  EXPECT_EQ(lane_.store->hubs[kHub].count(UserRow("after")), 1u);
}

TEST_F(OutgoingCallsTest, WhatWasWrittenBeforeACallStaysWhenTheHandlerFailsAfterIt) {
  lane_.Open(kHub);
  lane_.Say(kHub, "call b put throw");
  CarryAll();
  EXPECT_THAT(lane_.Sent(), ElementsAre("failed"));
  EXPECT_EQ(lane_.store->hubs[kHub].count(UserRow("before")), 1u);
  EXPECT_EQ(lane_.store->hubs[kHub].count(UserRow("after")), 0u);
}

TEST_F(OutgoingCallsTest, ASocketThatWasClosedBeforeACallIsClosedThoughTheHandlerFails) {
  lane_.Open(kHub);
  lane_.Settle();
  lane_.Say(kHub, "call b close throw");
  CarryAll();
  size_t closed = 0;
  for (const EventOutput& output : lane_.links->released) {
    for (const Output& each : output.outputs) closed += each.kind == DeliveryKind::kClose ? 1 : 0;
  }
  EXPECT_EQ(closed, 1u);
}

TEST_F(OutgoingCallsTest, WhenTheCommitBeforeItFailsThereIsNoCall) {
  lane_.Open(kHub);
  lane_.Settle();
  lane_.Say(kHub, "call b put");
  lane_.Turn();
  lane_.store->FailStep(StoreStatus::kUnavailable);
  lane_.Settle();
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(lane_.Sent(), ElementsAre("store failed"));
}

TEST_F(OutgoingCallsTest, ACallOfItselfAndACircleFailAtOnce) {
  lane_.Open(kHub);
  lane_.Say(kHub, "call a x");
  CarryAll();
  EXPECT_THAT(lane_.Sent(), ElementsAre(HasSubstr("calling/a waits for this call itself")));
  lane_.Say(kHub, "call b call c call a x");
  CarryAll();
  EXPECT_THAT(lane_.Sent(), ElementsAre(HasSubstr("calling/a waits for this call itself")));
}

TEST_F(OutgoingCallsTest, WhoseAnswerDoesNotComeGoesOnAtItsDeadline) {
  lane_.Open(kHub);
  lane_.Say(kHub, "call b x");
  lane_.Settle();
  ASSERT_EQ(asked_.size(), 1u);
  while (lane_.Sent().empty()) {
    ev_run(lane_.loop(), EVRUN_ONCE);
    lane_.host().OnTurnEnd();
    lane_.store->StepAll();
    if (SteadyMs() > deadline_ms_) FAIL() << "the call does not end";
  }
  asked_[0].second({.payload = "too late", .failure = {}});
  lane_.Say(kHub, "still here");
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("still here"));
}

TEST_F(OutgoingCallsTest, HandlersThatWaitForCallsLeaveFibersToOthers) {
  std::vector<std::string> hubs;
  for (int i = 0; i < 300; ++i) {
    hubs.push_back("calling/h" + std::to_string(i));
    lane_.Open(hubs.back());
    lane_.Settle();
    lane_.Say(hubs.back(), "call b x");
    lane_.Settle();
  }
  EXPECT_EQ(asked_.size(), lane_.config.max_handlers / 2);
  EXPECT_THAT(lane_.Sent(), testing::Each(HasSubstr("Too many handlers")));
  CarryAll();
  EXPECT_THAT(lane_.Sent(), testing::SizeIs(lane_.config.max_handlers / 2));
}

TEST_F(OutgoingCallsTest, AHubThatGoesElsewhereMeanwhileSaysNothingMore) {
  lane_.Open(kHub);
  lane_.Say(kHub, "call b put");
  lane_.Settle();
  lane_.host().shards().Drop({lane_.EpochOf(kHub)});
  CarryAll();
  EXPECT_THAT(lane_.Sent(), IsEmpty());
  EXPECT_EQ(lane_.store->hubs[kHub].count(UserRow("after")), 0u);
}

}  // namespace
}  // namespace dormouse
