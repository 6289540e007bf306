// Both ends of the edge link over real sockets: how output that cannot reach its socket comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "common/clock.h"
#include "common/shard.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/cutting_proxy.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kHub[] = "test/hub";
constexpr uint32_t kShards = 64;

// A statekeeper and a gateway all of whose sockets are closed.
class RecallTest : public testing::Test {
 protected:
  RecallTest() : shard_(ShardOf(kHub, kShards)) {}
  ~RecallTest() override {
    gateway_.reset();
    proxy_.reset();
    statekeeper_.reset();
  }

  void Start(Duration grace = Duration(60'000)) {
    TestStatekeeper::Setup setup{.addresses = {"unix:" + path_}, .unix_path = front_, .shards = kShards};
    setup.links.gateway_grace = grace;
    setup.on_event = [this](TestStatekeeper* self, const Taken& event) {
      if (event.kind == EventKind::kUndelivered) {
        self->facts.Change([&] { returned_.push_back(event.payload); });
      }
      self->Release(event, {});
    };
    statekeeper_ = std::make_unique<TestStatekeeper>(setup);
    ASSERT_TRUE(statekeeper_->Start());
    proxy_ = std::make_unique<CuttingProxy>(front_, path_);
    gateway_ = std::make_unique<TestGateway>(
        StatekeeperLinks::Config{.identity = TestIdentity(1), .statekeepers = {"unix:" + front_}});
    OnDelivery(GiveBack);
    ASSERT_TRUE(gateway_->AwaitReady());
  }

  // What the gateway does with deliveries, on its thread.
  using Edge = void(TestGateway* gateway, const DeliveryView& delivery);
  void OnDelivery(Edge* edge) {
    TestGateway* const gateway = gateway_.get();
    gateway->thread().Run(
        [=] { gateway->on_delivery = [=](const DeliveryView& delivery) { edge(gateway, delivery); }; });
  }
  static void GiveBack(TestGateway* gateway, const DeliveryView& delivery) {
    if (delivery.return_to.empty()) return;
    const std::string hub(delivery.return_to);
    for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
      gateway->links().Append({.kind = EventKind::kUndelivered,
                               .connection = delivery.recipient(i),
                               .hub = hub,
                               .payload = delivery.payload});
    }
  }

  ConnectionId Closed(uint64_t i) const { return {TestGatewayId(1), UuidLow(i)}; }

  // On the lane's thread.
  void Send(const std::vector<ConnectionId>& to, const std::string& text) {
    Output output = TestStatekeeper::To(to, text);
    output.return_to = kHub;
    statekeeper_->links().Release({.cause = {}, .shard = shard_, .epoch = 1, .outputs = {std::move(output)}});
  }
  void Recall(uint64_t connection) {
    statekeeper_->links().Recall(Closed(connection), shard_, 1, [this](std::vector<std::string> frames) {
      statekeeper_->facts.Change([&] {
        for (std::string& frame : frames) recalled_.push_back(std::move(frame));
        returned_before_.push_back(returned_.size());
      });
    });
  }
  // From the test's thread.
  bool AwaitRecalls(size_t count) {
    return statekeeper_->facts.Await([&] { return returned_before_.size() >= count; });
  }
  // As the last one so far.
  bool AwaitReturned(const std::string& text) {
    return statekeeper_->facts.Await([&] { return !returned_.empty() && returned_.back() == text; });
  }
  bool RecallsAtOnce(uint64_t connection) {
    return statekeeper_->thread().Get<bool>([&] {
      const size_t before = returned_before_.size();
      Recall(connection);
      return returned_before_.size() == before + 1;
    });
  }
  void LoseTheGateway() {
    proxy_->set_closed(true);
    proxy_->Cut();
    const int64_t until = SteadyMs() + 30'000;
    const auto linked = [this] { return statekeeper_->links().traffic().gateways; };
    while (statekeeper_->thread().Get<size_t>(linked) > 0) {
      ASSERT_LT(SteadyMs(), until);
      std::this_thread::yield();
    }
  }

  const ShardId shard_;
  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
  const std::string front_ = directory_ / "proxy.sock";
  std::unique_ptr<TestStatekeeper> statekeeper_;
  std::unique_ptr<CuttingProxy> proxy_;
  std::unique_ptr<TestGateway> gateway_;
  // Changed on the lane's thread, under facts.
  std::vector<std::string> returned_;    // by the gateway
  std::vector<std::string> recalled_;    // handed over with the end of a recall
  std::vector<size_t> returned_before_;  // returned_'s size at the end of each recall
};

TEST_F(RecallTest, ALivingGatewayGivesEverythingBackBeforeTheRecallEnds) {
  Start();
  statekeeper_->thread().Run([&] {
    for (const char* text : {"one", "two", "three"}) Send({Closed(1)}, text);
    Recall(1);
  });
  ASSERT_TRUE(AwaitRecalls(1));
  statekeeper_->thread().Run([&] {
    EXPECT_THAT(returned_, ElementsAre("one", "two", "three"));
    EXPECT_EQ(returned_before_[0], 3u);
    EXPECT_THAT(recalled_, IsEmpty());
  });
}

TEST_F(RecallTest, TheAcknowledgementDoesNotOvertakeWhatComesBackHoweverMuchWaits) {
  Start();
  // More than fits into many messages goes up before what comes back.
  OnDelivery([](TestGateway* gateway, const DeliveryView& delivery) {
    for (int i = 0; i < 200 && !delivery.return_to.empty(); ++i) {
      const std::string hub = "test/other-" + std::to_string(i);
      const std::string payload(100'000, 'x');
      gateway->links().Append({.kind = EventKind::kText, .connection = 1, .hub = hub, .payload = payload});
    }
    GiveBack(gateway, delivery);
  });
  statekeeper_->thread().Run([&] {
    Send({Closed(1)}, "one");
    Send({Closed(1)}, "two");
    Recall(1);
  });
  ASSERT_TRUE(AwaitRecalls(1));
  statekeeper_->thread().Run([&] {
    EXPECT_THAT(returned_, ElementsAre("one", "two"));
    EXPECT_EQ(returned_before_[0], 2u);
  });
}

// What comes back of many sockets at once takes its turns; the acknowledgement waits for all of it.
TEST_F(RecallTest, ItEndsOnceEverythingIsBackHoweverMuchThatIs) {
  Start();
  constexpr size_t kMessages = 30;
  constexpr size_t kConnections = 3;
  statekeeper_->thread().Run([&] {
    for (size_t i = 0; i < kMessages; ++i)
      Send({Closed(1), Closed(2), Closed(3)}, std::to_string(i) + std::string(300'000, 'x'));
    Recall(1);
  });
  ASSERT_TRUE(AwaitRecalls(1));
  statekeeper_->thread().Run([&] {
    EXPECT_EQ(returned_before_[0], kConnections * kMessages);
    EXPECT_THAT(recalled_, IsEmpty());
  });
}

TEST_F(RecallTest, AStreamThatBreaksWhileItWaitsEndsItWithWhatWasNotAcknowledged) {
  Start();
  proxy_->Stall();
  statekeeper_->thread().Run([&] {
    Send({Closed(1), Closed(2)}, "one");
    Send({Closed(1)}, "two");
  });
  EXPECT_FALSE(RecallsAtOnce(1));
  proxy_->Cut();
  ASSERT_TRUE(AwaitRecalls(1));
  statekeeper_->thread().Run([&] { EXPECT_THAT(recalled_, ElementsAre("one", "two")); });

  // Its stream comes back, it gets everything and sends it back: nothing of it for a second time.
  statekeeper_->thread().Run([&] { Send({Closed(3)}, "last"); });
  ASSERT_TRUE(AwaitReturned("last"));
  statekeeper_->thread().Run([&] {
    EXPECT_THAT(returned_, ElementsAre("one", "last"));  // one: for the second connection
  });
}

TEST_F(RecallTest, WhatAGatewayWithoutAStreamHasNotAcknowledgedComesBackAtOnce) {
  Start();
  LoseTheGateway();
  statekeeper_->thread().Run([&] { Send({Closed(1)}, "one"); });
  EXPECT_TRUE(RecallsAtOnce(1));
  statekeeper_->thread().Run([&] {
    EXPECT_THAT(recalled_, ElementsAre("one"));
    Send({Closed(1)}, "two");
  });
  EXPECT_TRUE(RecallsAtOnce(1));
  EXPECT_TRUE(RecallsAtOnce(1));
  statekeeper_->thread().Run([&] { EXPECT_THAT(recalled_, ElementsAre("one", "two")); });
}

TEST_F(RecallTest, AGatewayThatWasGivenUpLeavesItsOutputForAnotherGracePeriod) {
  Start(Duration(200));
  LoseTheGateway();
  statekeeper_->thread().Run([&] {
    for (uint64_t i = 1; i < 1000; ++i) Send({Closed(i)}, "frame");
  });
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return !statekeeper_->gone.empty(); }));
  EXPECT_TRUE(RecallsAtOnce(1));
  statekeeper_->thread().Run([&] { EXPECT_THAT(recalled_, ElementsAre("frame")); });
  // Not for ever.
  const int64_t until = SteadyMs() + 30'000;
  for (uint64_t i = 2; i < 1000; ++i) {
    ASSERT_LT(SteadyMs(), until);
    const size_t before = statekeeper_->thread().Get<size_t>([&] { return recalled_.size(); });
    ASSERT_TRUE(RecallsAtOnce(i));
    if (statekeeper_->thread().Get<size_t>([&] { return recalled_.size(); }) == before) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL() << "it is kept";
}

TEST_F(RecallTest, AGatewayThatComesBackAfterItWasGivenUpDoesNoHarm) {
  Start(Duration(1000));
  // It has the frame, and what it sends back does not arrive.
  proxy_->Stall();
  statekeeper_->thread().Run([&] { Send({Closed(1)}, "one"); });
  LoseTheGateway();
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return !statekeeper_->gone.empty(); }));
  EXPECT_TRUE(RecallsAtOnce(1));
  gateway_->thread().Run([&] {
    gateway_->links().Append(
        {.kind = EventKind::kUndelivered, .connection = UuidLow(1), .hub = kHub, .payload = "one"});
    gateway_->links().Append(
        {.kind = EventKind::kUndelivered, .connection = UuidLow(1), .hub = kHub, .payload = "other"});
  });
  proxy_->set_closed(false);
  ASSERT_TRUE(AwaitReturned("other"));
  statekeeper_->thread().Run([&] {
    EXPECT_THAT(recalled_, ElementsAre("one"));
    EXPECT_THAT(returned_, ElementsAre("other"));
  });
}

TEST_F(RecallTest, OfAGatewayThatWasNeverSeenNothingComesBack) {
  Start(Duration(100));
  EXPECT_TRUE(statekeeper_->thread().Get<bool>([&] {
    bool done = false;
    statekeeper_->links().Recall({0x9009, UuidLow(1)}, shard_, 1,
                                 [&](const std::vector<std::string>& frames) { done = frames.empty(); });
    return done;
  }));
}

TEST_F(RecallTest, ThousandsRecallFromALostGateway) {
  Start();
  constexpr uint64_t kConnections = 5000;
  LoseTheGateway();
  statekeeper_->thread().Run([&] {
    std::vector<ConnectionId> all;
    for (uint64_t i = 0; i < kConnections; ++i) all.push_back(Closed(i));
    for (int i = 0; i < 20; ++i) Send(all, std::string(50'000, 'x'));
    for (uint64_t i = 0; i < kConnections; ++i) {
      Send({Closed(i)}, "own");
      Recall(i);
      EXPECT_EQ(recalled_.size(), 21);
      EXPECT_EQ(recalled_.back(), "own");
      recalled_.clear();
    }
  });
}

}  // namespace
}  // namespace dormouse
