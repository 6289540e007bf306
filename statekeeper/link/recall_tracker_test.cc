#include "statekeeper/link/recall_tracker.h"

#include <gmock/gmock.h>

#include <limits>
#include <optional>

#include "common/clock.h"
#include "statekeeper/link/testing/gateway_fixture.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Frames = std::vector<std::string>;

class RecallTrackerTest : public GatewayFixture {
 protected:
  static constexpr uint64_t kConnection = 5;
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  RecallTrackerTest() { Link(kOwn); }

  void Recall() {
    result_.reset();
    tracker_.Recall({kOwn, kConnection}, {kShard, 1}, [this](Frames frames) { result_ = frames; });
  }
  void Lose() {
    gateways_.Find(kOwn)->OnLost();
    tracker_.OnLost(gateways_.Find(kOwn));
  }
  // Whose output it kept.
  Frames GiveUp() {
    const auto session = gateways_.Remove(kOwn);
    session->Abandon("test");
    return tracker_.OnGivenUp(session.get());
  }

  RecallTracker tracker_{&gateways_, Duration(60'000), 1'000'000};
  std::optional<Frames> result_;
};

TEST_F(RecallTrackerTest, ALinkedGatewayIsAskedAndItsAcknowledgementIsTheEnd) {
  Deliver(kOwn, "a", "test/hub");
  Write();
  Acknowledge(kOwn);
  Recall();
  Write();
  tracker_.OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_FALSE(result_);
  Acknowledge(kOwn);
  tracker_.OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_THAT(*result_, IsEmpty());  // whatever came back came as events
}

TEST_F(RecallTrackerTest, WithoutAStreamItGetsWhatIsNotAcknowledgedAtOnce) {
  Deliver(kOwn, "a", "test/hub");
  Write();
  Acknowledge(kOwn);
  Deliver(kOwn, "b", "test/hub");
  Deliver(kOwn, "to another", "test/hub", kConnection + 1);
  Lose();
  Recall();
  EXPECT_THAT(*result_, ElementsAre("b"));
  EXPECT_GT(tracker_.BytesOf(kOwn), 0u);
}

TEST_F(RecallTrackerTest, OfAGatewayThatWasGivenUpItGetsWhatWouldHaveBeenSentSince) {
  Deliver(kOwn, "a", "test/hub");
  GiveUp();
  tracker_.Keep(kOwn, kConnection, {.payload = "c", .head = "b"}, SteadyMs());
  tracker_.Keep(kOwn, kConnection + 1, {.payload = "d", .head = {}}, SteadyMs());
  Recall();
  EXPECT_THAT(*result_, ElementsAre("a", "bc"));
}

TEST_F(RecallTrackerTest, AStreamThatIsLostMeanwhileEndsIt) {
  Deliver(kOwn, "a", "test/hub");
  Recall();
  EXPECT_FALSE(result_);
  Lose();
  EXPECT_THAT(*result_, ElementsAre("a"));
}

TEST_F(RecallTrackerTest, OnAnotherStreamItIsAskedAnew) {
  Recall();
  Write();
  Acknowledge(kOwn);
  tracker_.OnLinked(Link(kOwn));  // the first stream is replaced
  tracker_.OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_FALSE(result_);
  Write();
  Acknowledge(kOwn);
  tracker_.OnAcknowledged(*gateways_.Find(kOwn));
  EXPECT_TRUE(result_);
}

TEST_F(RecallTrackerTest, WhatAGatewayLeavesBehindIsKeptForAGracePeriod) {
  Deliver(kOwn, "a", "test/hub");
  Deliver(kOwn, "b", "test/other", kConnection + 1);
  EXPECT_THAT(GiveUp(), testing::UnorderedElementsAre("test/hub", "test/other"));
  const int64_t end = tracker_.NextExpiryMs();
  EXPECT_LT(end, kNever);
  Recall();
  EXPECT_THAT(*result_, ElementsAre("a"));
  tracker_.Expire(end);
  EXPECT_EQ(tracker_.NextExpiryMs(), kNever);
  tracker_.Recall({kOwn, kConnection + 1}, {kShard, 1}, [this](Frames frames) { result_ = frames; });
  EXPECT_THAT(*result_, IsEmpty());
}

TEST_F(RecallTrackerTest, OfWhatIsLeftBehindAgainAndAgainTheLatestIsKept) {
  Deliver(kOwn, std::string(600'000, 'a'), "test/hub");
  GiveUp();
  Link(kOwn);
  Deliver(kOwn, std::string(600'000, 'b'), "test/hub");
  GiveUp();
  Recall();
  EXPECT_THAT(*result_, ElementsAre(std::string(600'000, 'b')));
}

TEST_F(RecallTrackerTest, AFrameThatWasTakenHereDoesNotComeTwice) {
  const EventView returned{
      .kind = EventKind::kUndelivered, .connection = kConnection, .hub = {}, .payload = "a"};
  Deliver(kOwn, "a", "test/hub");
  Lose();
  Recall();
  tracker_.OnLinked(Link(kOwn));
  EXPECT_TRUE(tracker_.IsReturnedTwice(kOwn, returned));
  EXPECT_FALSE(tracker_.IsReturnedTwice(kOwn, returned));
}

TEST_F(RecallTrackerTest, WhatWasTakenIsForgottenAGracePeriodAfterTheGatewayIsBack) {
  Deliver(kOwn, "a", "test/hub");
  Lose();
  Recall();
  EXPECT_EQ(tracker_.NextExpiryMs(), kNever);
  tracker_.OnLinked(Link(kOwn));
  const int64_t end = tracker_.NextExpiryMs();
  EXPECT_LT(end, kNever);
  tracker_.Expire(end);
  EXPECT_FALSE(tracker_.IsReturnedTwice(
      kOwn, {.kind = EventKind::kUndelivered, .connection = kConnection, .hub = {}, .payload = "a"}));
}

TEST_F(RecallTrackerTest, OfAGatewayThatWasNeverSeenNothingComesBack) {
  tracker_.Recall({kOther, kConnection}, {kShard, 1}, [this](Frames frames) { result_ = frames; });
  EXPECT_THAT(*result_, IsEmpty());
}

}  // namespace
}  // namespace dormouse
