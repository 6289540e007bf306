#include "statekeeper/link/answer_times.h"

#include <gmock/gmock.h>

#include <optional>

#include "common/clock.h"
#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class AnswerTimesTest : public GatewayFixture {
 protected:
  AnswerTimesTest() {
    Link(kOwn);
    Link(kOther);
  }
  ~AnswerTimesTest() override { times_.reset(); }

  void Ask(const std::vector<ConnectionId>& connections) {
    result_.reset();
    times_->Ask(connections, {kShard, 1}, [this](std::vector<int64_t> at_ms) { result_ = at_ms; });
    Write();
  }
  // The gateway answers what it was asked last.
  void Answer(GatewayId id, const std::vector<int64_t>& at_ms) {
    std::string_view deliveries = StreamOf(id).written.back().deliveries();
    DeliveryView question;
    ASSERT_TRUE(ReadDelivery(&deliveries, &question));
    ASSERT_EQ(question.kind, DeliveryKind::kAskAnswerTimes);
    ASSERT_EQ(question.recipient_count, at_ms.size());
    link::AnswerTimes times;
    times.set_number(ReadQuestionNumber(question.payload).value());
    times.mutable_at_ms()->Add(at_ms.begin(), at_ms.end());
    times_->OnAnswer(id, times);
  }

  std::unique_ptr<AnswerTimes> times_ = std::make_unique<AnswerTimes>(loop_, &gateways_);
  std::optional<std::vector<int64_t>> result_;
};

TEST_F(AnswerTimesTest, EachGatewaySaysItOfItsOwn) {
  Ask({{kOwn, 1}, {kOther, 2}, {kOwn, 3}});
  Answer(kOwn, {100, 300});
  EXPECT_FALSE(result_);
  Answer(kOther, {200});
  EXPECT_THAT(*result_, ElementsAre(100, 200, 300));
}

TEST_F(AnswerTimesTest, NobodyIsAskedOfNothing) {
  Ask({});
  EXPECT_THAT(*result_, IsEmpty());
}

TEST_F(AnswerTimesTest, AGatewayWithoutAStreamIsNotAsked) {
  gateways_.Find(kOther)->OnLost();
  Ask({{kOther, 2}, {99, 1}});
  EXPECT_THAT(*result_, ElementsAre(0, 0));
}

TEST_F(AnswerTimesTest, AStreamThatIsLostMeanwhileIsNotWaitedFor) {
  Ask({{kOwn, 1}, {kOther, 2}});
  times_->OnLost(kOther);
  EXPECT_FALSE(result_);
  Answer(kOwn, {100});
  EXPECT_THAT(*result_, ElementsAre(100, 0));
}

TEST_F(AnswerTimesTest, OneThatAcknowledgesTheQuestionAndSaysNothingDoesNotKnowIt) {
  Ask({{kOwn, 1}});
  times_->OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_FALSE(result_);
  Acknowledge(kOwn);
  times_->OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_THAT(*result_, ElementsAre(0));
}

TEST_F(AnswerTimesTest, OneThatHangsIsNotWaitedForLong) {
  Ask({{kOwn, 1}, {kOther, 2}});
  Answer(kOwn, {100});
  while (!result_) ev_run(loop_, EVRUN_ONCE);
  EXPECT_THAT(*result_, ElementsAre(100, 0));
  link::AnswerTimes late;
  late.set_number(2);
  late.add_at_ms(7);
  times_->OnAnswer(kOther, late);
}

TEST_F(AnswerTimesTest, AnAnswerOfAnotherLengthIsNone) {
  Ask({{kOwn, 1}, {kOwn, 2}});
  link::AnswerTimes odd;
  odd.set_number(1);
  odd.add_at_ms(7);
  times_->OnAnswer(kOwn, odd);
  EXPECT_THAT(*result_, ElementsAre(0, 0));
}

}  // namespace
}  // namespace dormouse
