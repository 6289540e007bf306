#include "statekeeper/runtime/hub/handler_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "statekeeper/runtime/testing/handler_parts.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class HandlerCallsTest : public testing::Test {
 protected:
  HandlerCallsTest() { parts_.Load(); }

  // A handler that writes, closes a socket, calls, and closes another; what it gets of the call.
  void RunHandler(std::string hub) {
    parts_.host.fibers()->Run([this, hub = std::move(hub)] {
      try {
        context_.Put("key", "value");
        context_.CloseUnknown({1, 1}, 1000, "before");
        answer_ = calls_.Call(event::FromGateway{}, 1, &context_, hub, "question", std::chrono::seconds(1));
        context_.CloseUnknown({1, 2}, 1000, "after");
      } catch (const StoreAway&) {
        thrown_ = true;
      }
    });
  }
  void ResumeAll() {
    for (Fiber* const fiber : std::exchange(parts_.host.to_resume, {})) parts_.host.fibers()->Resume(fiber);
  }
  // What AwakeHub does when the store has answered.
  void Release() {
    while (const auto handled = gate_.TakeDurable(1)) handled->sequel.durable();
  }

  HandlerParts parts_;
  OutputGate gate_;
  int commits_ = 0;
  HandlerCalls calls_{parts_.handler, &parts_.clock, &gate_, [this] { ++commits_; }};
  HubContext context_ = parts_.NewContext(1000);
  std::optional<Context::CallAnswer> answer_;
  bool thrown_ = false;
};

TEST_F(HandlerCallsTest, WhatTheHandlerHasWrittenIsDurableBeforeTheCallLeaves) {
  parts_.host.call_answer.payload = "answer";
  RunHandler("test/other");
  EXPECT_EQ(commits_, 1);
  EXPECT_TRUE(parts_.host.calls.empty());
  EXPECT_FALSE(gate_.TakeCommit(parts_.name).writes.rows.empty());
  Release();
  ResumeAll();
  ASSERT_EQ(parts_.host.calls.size(), 1u);
  EXPECT_THAT(parts_.host.calls[0].waiting, ElementsAre(parts_.name));
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->payload, "answer");
}

TEST_F(HandlerCallsTest, WithoutTheCommitNobodyIsCalled) {
  RunHandler("test/other");
  calls_.OnCommitFailed();
  ResumeAll();
  EXPECT_TRUE(thrown_);
  EXPECT_TRUE(parts_.host.calls.empty());
}

TEST_F(HandlerCallsTest, NobodyIsCalledWhenTheShardHasAnotherOwner) {
  RunHandler("test/other");
  gate_.TakeCommit(parts_.name);
  Release();
  calls_.Depose();
  ResumeAll();
  EXPECT_TRUE(thrown_);
  EXPECT_TRUE(parts_.host.calls.empty());
}

TEST_F(HandlerCallsTest, ACircleOfCallsIsRefusedAndWritesNothing) {
  RunHandler(parts_.name);
  ASSERT_TRUE(answer_.has_value());
  EXPECT_THAT(answer_->failure, HasSubstr("in a circle"));
  EXPECT_EQ(commits_, 0);
}

TEST_F(HandlerCallsTest, WhatWasClosedBeforeTheCallStaysClosedThoughTheHandlerFails) {
  RunHandler("test/other");
  gate_.TakeCommit(parts_.name);
  Release();
  ResumeAll();
  calls_.KeepCloses(&context_, 1);
  ASSERT_EQ(parts_.host.released.size(), 1u);
  EXPECT_FALSE(parts_.host.released[0].cause.IsEvent());
  ASSERT_FALSE(parts_.host.released[0].outputs.empty());
  for (const Output& each : parts_.host.released[0].outputs) EXPECT_EQ(each.kind, DeliveryKind::kClose);
}

}  // namespace
}  // namespace dormouse
