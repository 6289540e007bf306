#include "gateway/link/statekeeper_stream.h"

#include <gmock/gmock.h>

#include "gateway/link/testing/lane_fixture.h"
#include "proto/refused_event.h"

namespace dormouse {
namespace {

using testing::ElementsAre;

class StatekeeperStreamTest : public LaneFixture {
 protected:
  void AwaitBroken() {
    far_->Await([this] { return !stream().greeted(); });
  }
  link::ToLane::Hello LastHello() { return far_->told.back().hello(); }
};

TEST_F(StatekeeperStreamTest, GreetsAndGoesOnBehindWhatItHasReceived) {
  OpenAndGreet();
  EXPECT_EQ(LastHello().identity(), identity_);
  EXPECT_EQ(LastHello().incarnation(), LocalLane::kIncarnation);
  EXPECT_FALSE(LastHello().afresh());
  far_->SayBatch(1);
  far_->SayBatch(2);
  far_->Await([this] { return stream().received_through() == 2; });
  far_->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "test"));
  AwaitBroken();
  OpenAndGreet(true, 2);
  EXPECT_EQ(LastHello().received_through(), 2u);
  EXPECT_EQ(stream().acknowledged_through(), 2u);
}

TEST_F(StatekeeperStreamTest, AGapBreaksItAndAfterASecondOneItStartsAfresh) {
  for (int i = 0; i < 2; ++i) {
    OpenAndGreet();
    EXPECT_FALSE(LastHello().afresh());
    far_->SayBatch(2);
    AwaitBroken();
  }
  Open();
  EXPECT_TRUE(LastHello().afresh());
}

TEST_F(StatekeeperStreamTest, ABrokenBatchWouldBeSoAgain) {
  OpenAndGreet();
  sound_ = false;
  far_->SayBatch(1);
  AwaitBroken();
  Open();
  EXPECT_TRUE(LastHello().afresh());
  EXPECT_EQ(LastHello().received_through(), 1u);
}

TEST_F(StatekeeperStreamTest, AcknowledgementsWaitForCompanyOrTheirTime) {
  OpenAndGreet();
  far_->SayBatch(1);
  far_->Await([this] { return stream().received_through() == 1; });
  lane_.Flush(false);
  EXPECT_EQ(stream().acknowledged_through(), 0u);
  EXPECT_EQ(Flush(true).received_through(), 1u);
  far_->SayBatch(2);
  far_->Await([this] { return stream().received_through() == 2; });
  Append(kShard, "company");
  EXPECT_EQ(Flush().received_through(), 2u);
}

TEST_F(StatekeeperStreamTest, ALaneThatLagsIsToldAtOnceAndOnEveryStream) {
  OpenAndGreet();
  stream().IgnoredStale(kShard, 4);
  const link::ToLane message = Flush();
  ASSERT_EQ(message.stale_size(), 1);
  EXPECT_EQ(message.stale(0).epoch(), 4u);
  far_->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "test"));
  AwaitBroken();
  Open();
  EXPECT_EQ(far_->told.back().stale_size(), 1);
}

TEST_F(StatekeeperStreamTest, SaysWhichEventTheLaneRefused) {
  OpenAndGreet();
  far_->End(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "test", RefusedEventDetails(99)));
  AwaitBroken();
  EXPECT_THAT(refused_, ElementsAre(99));
  Open();
  EXPECT_FALSE(LastHello().afresh());
}

TEST_F(StatekeeperStreamTest, QuestionsAreLostWithTheStream) {
  EXPECT_FALSE(stream().LookAt({}));
  OpenAndGreet();
  EXPECT_TRUE(stream().LookAt({}));
  EXPECT_EQ(Flush().look_at_size(), 1);
  EXPECT_TRUE(stream().LookAt({}));
  stream().Close();
  OpenAndGreet();
  EXPECT_FALSE(stream().HasToSay());
}

}  // namespace
}  // namespace dormouse
