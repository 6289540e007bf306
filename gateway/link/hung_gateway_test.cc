// Both ends of the edge link when a gateway stands still or is slow: whom that costs what, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/shard.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint32_t kShards = 64;

// Two gateways. Events of hub echo/both go to a socket of each, others to their own.
class HungGatewayTest : public testing::Test {
 protected:
  static inline const GatewayId kFar = TestGatewayId(2);

  ~HungGatewayTest() override { GoOn(); }

  void Start(GatewayLinks::Config links, uint64_t replay_buffer = 64u << 20) {
    TestStatekeeper::Setup setup{.addresses = {"unix:" + path_}, .unix_path = path_, .shards = kShards};
    setup.links = links;
    setup.on_event = [](TestStatekeeper* self, const Taken& event) {
      if (event.kind == EventKind::kUndelivered) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return self->Release(event, {});
      }
      std::vector<ConnectionId> to = {event.from};
      if (event.hub == "echo/both") to.push_back({kFar, UuidLow(1)});
      self->Release(event, {TestStatekeeper::To(to, event.payload)});
    };
    statekeeper_ = std::make_unique<TestStatekeeper>(setup);
    ASSERT_TRUE(statekeeper_->Start());
    near_ = std::make_unique<TestGateway>(StatekeeperLinks::Config{
        .identity = TestIdentity(1), .statekeepers = {"unix:" + path_}, .replay_buffer = replay_buffer});
    far_ = std::make_unique<TestGateway>(
        StatekeeperLinks::Config{.identity = TestIdentity(2), .statekeepers = {"unix:" + path_}});
    ASSERT_TRUE(near_->AwaitReady());
    ASSERT_TRUE(far_->AwaitReady());
  }
  // The far gateway stands still, and goes on.
  void Hang() {
    std::promise<void> hangs;
    far_->thread().Post([&] {
      hangs.set_value();
      go_on_.get_future().wait();
    });
    hangs.get_future().wait();
    hanging_ = true;
  }
  void GoOn() {
    if (std::exchange(hanging_, false)) go_on_.set_value();
  }
  void SendToFar(size_t bytes) {
    statekeeper_->thread().Run([&] {
      statekeeper_->links().Release(
          {.cause = {},
           .shard = 3,
           .epoch = 1,
           .outputs = {TestStatekeeper::To({{kFar, UuidLow(1)}}, std::string(bytes, 'x'))}});
    });
  }
  bool AwaitGone() {
    return statekeeper_->facts.Await([&] { return !statekeeper_->gone.empty(); });
  }
  uint64_t Kept() {
    return statekeeper_->thread().Get<uint64_t>(
        [&] { return statekeeper_->links().traffic().unacknowledged_bytes; });
  }

  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
  std::promise<void> go_on_;
  bool hanging_ = false;
  std::unique_ptr<TestStatekeeper> statekeeper_;
  std::unique_ptr<TestGateway> near_;
  std::unique_ptr<TestGateway> far_;
};

TEST_F(HungGatewayTest, IsGivenUpAfterTheGraceAndComesBack) {
  Start({.gateway_grace = Duration(500)});
  Hang();
  const int64_t begin = SteadyMs();
  near_->Append("echo/both", "one");
  ASSERT_TRUE(near_->AwaitDeliveries(1));
  EXPECT_EQ(near_->unsettled(), 1u);
  ASSERT_TRUE(near_->AwaitSettled());
  EXPECT_GE(SteadyMs() - begin, 500);
  EXPECT_THAT(statekeeper_->GetGone(), ElementsAre(kFar));
  GoOn();
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return statekeeper_->back == std::vector<GatewayId>{kFar}; }));
  near_->Append("echo/both", "two");
  ASSERT_TRUE(far_->facts.Await([&] { return far_->last_payload() == "two"; }));
  ASSERT_TRUE(near_->AwaitSettled());
}

TEST_F(HungGatewayTest, IsNotWhatAnIdleOneIs) {
  Start({.gateway_grace = Duration(100)});
  Hang();
  const int64_t until = SteadyMs() + 500;
  for (size_t sent = 1; SteadyMs() < until; ++sent) {
    near_->Append("echo/other", "one");
    ASSERT_TRUE(near_->AwaitDeliveries(sent));
  }
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

TEST_F(HungGatewayTest, IsNotWhatASlowOneIs) {
  Start({.gateway_grace = Duration(500)});
  // It takes long for each, and there is always something that waits; but it goes on.
  far_->thread().Run([&] {
    far_->on_delivery = [](const DeliveryView&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
  });
  const int64_t until = SteadyMs() + 1500;
  while (SteadyMs() < until) {
    SendToFar(700'000);
    while (Kept() > 2'000'000) std::this_thread::yield();
  }
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

// Its acknowledgements wait until all of that was sent, which takes as long as the hub needs for it.
TEST_F(HungGatewayTest, IsNotOneThatGivesMuchBack) {
  Start({.gateway_grace = Duration(500)});
  constexpr uint64_t kReturns = 80;
  far_->thread().Run([&] {
    far_->on_delivery = [&](const DeliveryView&) {
      for (uint64_t i = 0; i < kReturns; ++i) {
        far_->links().Append({.kind = EventKind::kUndelivered,
                              .connection = UuidLow(i),
                              .hub = "echo/other",
                              .payload = std::string(100'000, 'x')});
      }
    };
  });
  const int64_t begin = SteadyMs();
  SendToFar(10);
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return statekeeper_->taken.size() >= kReturns; }));
  EXPECT_GE(SteadyMs() - begin, 1'000);
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

TEST_F(HungGatewayTest, WhatTheStatekeeperDidNotHearItselfIsNoSilence) {
  Start({.gateway_grace = Duration(200)});
  for (int round = 0; round < 3; ++round) {
    SendToFar(10);
    statekeeper_->thread().Run([] { std::this_thread::sleep_for(std::chrono::milliseconds(600)); });
    near_->Append("echo/other", "two");
    ASSERT_TRUE(near_->AwaitSettled());
  }
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

// The bound is charged to the hub that sends to the hung gateway, and to the shard that it shares.
TEST_F(HungGatewayTest, LeavesRoomForHubsThatHaveNothingToDoWithIt) {
  Start({.gateway_grace = Duration(60'000)}, 1'000'000);
  Hang();
  ASSERT_NE(ShardOf("echo/both", kShards), ShardOf("echo/other", kShards));
  const std::string filling(10'000, 'x');
  size_t sent = 0;
  near_->thread().Run([&] {
    while (!near_->links().IsCongested("echo/both") && sent < 1000) {
      near_->links().Append({.connection = UuidLow(1), .hub = "echo/both", .payload = filling});
      ++sent;
    }
  });
  EXPECT_GT(sent, 40u);
  EXPECT_LT(sent, 60u);  // half of it
  ASSERT_TRUE(near_->AwaitDeliveries(sent));
  for (size_t i = 0; i < 200; ++i) {
    near_->thread().Run([&] {
      EXPECT_FALSE(near_->links().IsCongested("echo/other"));
      const auto room =
          near_->links().Append({.connection = UuidLow(1), .hub = "echo/other", .payload = filling});
      EXPECT_EQ(room, StatekeeperLinks::AppendResult::kAccepted);
    });
    ASSERT_TRUE(near_->AwaitDeliveries(sent + i + 1));
  }
  EXPECT_EQ(near_->facts.Get<int>([&] { return near_->uncongested_count; }), 0);
  GoOn();
  ASSERT_TRUE(near_->facts.Await([&] { return near_->uncongested_count == 1; }));
  EXPECT_FALSE(near_->thread().Get<bool>([&] { return near_->links().IsCongested("echo/both"); }));
  ASSERT_TRUE(near_->AwaitSettled());
}

TEST_F(HungGatewayTest, IsGivenUpSoonerWhenMuchWaitsForIt) {
  Start({.gateway_grace = Duration(3'000), .gateway_buffer = 100'000});
  Hang();
  const int64_t begin = SteadyMs();
  SendToFar(150'000);
  ASSERT_TRUE(AwaitGone());
  EXPECT_LT(SteadyMs() - begin, 2'500);
  EXPECT_EQ(Kept(), 0u);
  GoOn();
  SendToFar(10);
  EXPECT_TRUE(statekeeper_->facts.Await([&] { return !statekeeper_->back.empty(); }));
}

TEST_F(HungGatewayTest, IsGivenUpAtOnceWhenFarTooMuchDoes) {
  Start({.gateway_grace = Duration(60'000), .gateway_buffer = 100'000});
  Hang();
  SendToFar(500'000);
  ASSERT_TRUE(AwaitGone());
  EXPECT_EQ(Kept(), 0u);
}

TEST_F(HungGatewayTest, ABurstDoesNotMakeAGatewaySlow) {
  Start({.gateway_grace = Duration(60'000), .gateway_buffer = 100'000});
  for (int i = 0; i < 10; ++i) {
    SendToFar(300'000);
    ASSERT_TRUE(far_->AwaitDeliveries(static_cast<size_t>(i) + 1));
    const int64_t until = SteadyMs() + 20'000;
    while (Kept() > 0) {
      ASSERT_LT(SteadyMs(), until);
    }
  }
  EXPECT_THAT(statekeeper_->GetGone(), IsEmpty());
}

}  // namespace
}  // namespace dormouse
