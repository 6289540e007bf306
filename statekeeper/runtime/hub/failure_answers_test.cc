#include "statekeeper/runtime/hub/failure_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "statekeeper/runtime/hub/close_codes.h"
#include "statekeeper/runtime/testing/handler_parts.h"

namespace dormouse {
namespace {

using testing::IsEmpty;

class ApologizingHub : public Hub {
 public:
  explicit ApologizingHub(bool throws) : throws_(throws) {}
  void OnFailure(Context& context, const Connection& connection, const Message&, Failure) override {
    if (throws_) throw std::runtime_error("as asked");
    context.Send(connection.id, Message::Text("sorry"));
  }

 private:
  const bool throws_;
};

class ApologizingClass : public HubClass {
 public:
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<ApologizingHub>(throws); }
  bool throws = false;

 private:
  link::ClassProfile profile_;
};

class FailureAnswersTest : public testing::Test {
 protected:
  FailureAnswersTest() { parts_.Load(); }

  static uint16_t CodeOf(HubContext* context) {
    const std::vector<Output> outputs = context->TakeOutputs();
    CloseView close{.code = 0};
    if (outputs.size() == 1 && outputs[0].kind == DeliveryKind::kClose)
      ReadClosePayload(outputs[0].payload, &close);
    return close.code;
  }

  HandlerParts parts_;
  FailureAnswers answers_{parts_.handler};
  ApologizingClass class_;
  const event::FromGateway event_{.gateway = 1, .handle = 5, .sequence = 1};
  HubContext context_ = parts_.NewContext(1000);
};

TEST_F(FailureAnswersTest, AnOpenIsToTryAgainOnlyWhereTheStoreIsAway) {
  FailureAnswers::Refuse(event_, Hub::Failure::kStore, &context_);
  EXPECT_EQ(CodeOf(&context_), kTryAgainLater);
  FailureAnswers::Refuse(event_, Hub::Failure::kHandler, &context_);
  EXPECT_EQ(CodeOf(&context_), kInternalError);
}

TEST_F(FailureAnswersTest, AClientIsToldByItsHubClassWithoutTheStore) {
  parts_.state.Unload();
  answers_.Tell(event_, Hub::Failure::kStore, class_, &context_);
  const std::vector<Output> outputs = context_.TakeOutputs();
  ASSERT_EQ(outputs.size(), 1u);
  EXPECT_EQ(outputs[0].payload, "sorry");
  EXPECT_TRUE(parts_.state.may_wait()) << "as before";
}

TEST_F(FailureAnswersTest, AClassThatCannotEvenSaySoHarmsNobody) {
  class_.throws = true;
  answers_.Tell(event_, Hub::Failure::kHandler, class_, &context_);
  EXPECT_THAT(context_.TakeOutputs(), IsEmpty());
}

TEST_F(FailureAnswersTest, AConnectionIsClosedAndGoneUnlessNothingCanBeWritten) {
  parts_.state.AddConnection(event_.connection(), 0);
  answers_.Close(event_, Hub::Failure::kOverAllowance, true, &context_);
  EXPECT_EQ(CodeOf(&context_), kTryAgainLater);
  EXPECT_EQ(parts_.state.connection_count(), 1u);
  answers_.Close(event_, Hub::Failure::kHandler, false, &context_);
  EXPECT_EQ(CodeOf(&context_), kInternalError);
  EXPECT_EQ(parts_.state.connection_count(), 0u);
}

}  // namespace
}  // namespace dormouse
