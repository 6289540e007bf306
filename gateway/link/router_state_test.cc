// A gateway's links are handed to a successor, over and over: to the statekeeper it is one gateway whose streams break.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"
#include "gateway/takeover/testing/state_copy.h"

namespace dormouse {
namespace {

class RouterStateTest : public testing::Test {
 protected:
  ~RouterStateTest() override {
    gateway_.reset();
    statekeeper_.reset();
  }

  void Start(std::function<void(TestStatekeeper*, const Taken&)> on_event = {}, uint32_t lanes = 2) {
    TestStatekeeper::Setup setup{.addresses = {"unix:" + path_}, .unix_path = path_, .lanes = lanes};
    setup.links.gateway_grace = Duration(60'000);
    setup.on_event = std::move(on_event);
    statekeeper_ = std::make_unique<TestStatekeeper>(setup);
    ASSERT_TRUE(statekeeper_->Start());
    gateway_ = NewGateway(false);
    ASSERT_TRUE(gateway_->AwaitReady());
  }

  std::unique_ptr<TestGateway> NewGateway(bool hold) const {
    return std::make_unique<TestGateway>(StatekeeperLinks::Config{
        .identity = TestIdentity(1), .statekeepers = {"unix:" + path_}, .hold = hold});
  }

  // Until a gateway that holds knows what there is.
  static void AwaitMap(TestGateway* gateway) {
    const int64_t until = SteadyMs() + 10'000;
    while (!gateway->thread().Get<bool>([&] { return gateway->links().shards() > 0; })) {
      ASSERT_LT(SteadyMs(), until);
      std::this_thread::yield();
    }
  }

  // What the one before has delivered is kept in delivered_.
  void Replace() {
    auto next = NewGateway(true);
    AwaitMap(next.get());
    takeover::StateCopy copy;
    takeover::StateWriter writer(&copy);
    gateway_->thread().Run([&] {
      gateway_->links().Save(&writer);
      gateway_->links().Leave();
    });
    ASSERT_TRUE(writer.Finish());
    for (const Delivered& delivered : gateway_->delivered()) delivered_.push_back(delivered.payload);
    const size_t unsettled = gateway_->unsettled();
    next->thread().Run([&] {
      takeover::StateReader reader(&copy);
      while (const takeover::Item* item = reader.Next()) EXPECT_TRUE(next->links().Restore(*item, &reader));
      EXPECT_EQ(reader.wrong(), "there is no more");
      EXPECT_EQ(next->links().unsettled(), unsettled);
      next->links().Begin();
    });
    gateway_ = std::move(next);
  }

  TempDir directory_;
  const std::string path_ = directory_ / "statekeeper.sock";
  std::unique_ptr<TestStatekeeper> statekeeper_;
  std::unique_ptr<TestGateway> gateway_;
  std::vector<std::string> delivered_;
};

TEST_F(RouterStateTest, NothingIsLostDoubledOrReorderedAcrossSuccessors) {
  Start();
  constexpr int kHubs = 20;
  int sent = 0;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 500; ++i, ++sent) {
      const int hub = sent % kHubs;
      gateway_->Append("test/" + std::to_string(hub), std::to_string(hub) + " " + std::to_string(sent),
                       1 + hub);
    }
    gateway_->thread().Run([] {});  // they are in its logs, and on their way
    Replace();
  }
  ASSERT_TRUE(gateway_->AwaitSettled());
  for (const Delivered& delivered : gateway_->delivered()) delivered_.push_back(delivered.payload);
  std::map<int, std::vector<int>> by_hub;
  for (const std::string& payload : delivered_) {
    const size_t space = payload.find(' ');
    by_hub[std::stoi(payload)].push_back(std::stoi(payload.substr(space)));
  }
  EXPECT_EQ(delivered_.size(), static_cast<size_t>(sent));
  for (const auto& [hub, numbers] : by_hub) {
    for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], static_cast<int>(i) * kHubs + hub);
  }
  EXPECT_EQ(statekeeper_->GetTaken().size(), static_cast<size_t>(sent)) << "the lanes took each event once";
  EXPECT_TRUE(statekeeper_->GetGone().empty());
}

TEST_F(RouterStateTest, WhatIsNotSettledIsTheSuccessors) {
  std::vector<Taken> held;
  Start([&held](TestStatekeeper* self,
                const Taken& event) { self->facts.Change([&] { held.push_back(event); }); },
        1);
  for (int i = 0; i < 50; ++i) gateway_->Append("test/hub", std::to_string(i));
  ASSERT_TRUE(statekeeper_->facts.Await([&] { return held.size() == 50; }));
  // Of some the output has come already: it is not to come again.
  statekeeper_->thread().Run([&] {
    for (int i = 0; i < 20; ++i)
      statekeeper_->Release(held[i], {TestStatekeeper::To({held[i].from}, held[i].payload)});
  });
  ASSERT_TRUE(gateway_->AwaitDeliveries(20));
  Replace();
  EXPECT_LE(gateway_->unsettled(), 50u);
  EXPECT_GE(gateway_->unsettled(), 30u);
  statekeeper_->thread().Run([&] {
    for (int i = 20; i < 50; ++i)
      statekeeper_->Release(held[i], {TestStatekeeper::To({held[i].from}, held[i].payload)});
  });
  ASSERT_TRUE(gateway_->AwaitSettled());
  EXPECT_EQ(delivered_.size(), 20u);
  EXPECT_EQ(gateway_->delivered().size(), 30u);
  EXPECT_EQ(held.size(), 50u) << "an event was handled twice";
}

// Events that wait for their turn, with long payloads and a shared end.
TEST_F(RouterStateTest, WhatWaitsInLineMovesInOrder) {
  std::vector<Taken> held;
  Start([&held](TestStatekeeper* self,
                const Taken& event) { self->facts.Change([&] { held.push_back(event); }); },
        1);
  const std::string much(300'000, 'm');
  const auto tail = std::make_shared<std::string>(100'000, 't');
  gateway_->thread().Run([&] {
    for (int i = 0; i < 20; ++i) {
      const std::string payload = std::to_string(i) + " " + much;
      gateway_->links().AppendInLine(
          {.kind = EventKind::kText, .connection = UuidLow(5), .hub = "test/hub", .payload = payload});
    }
    gateway_->links().AppendWithTail(
        {.kind = EventKind::kUndelivered, .connection = UuidLow(5), .hub = "test/hub", .payload = "20 head"},
        {.bytes = {tail, tail->data()}, .size = tail->size()});
  });
  Replace();
  // The lane has dealt with what it got; the rest comes.
  for (size_t done = 0; done < 21;) {
    ASSERT_TRUE(statekeeper_->facts.Await([&] { return held.size() > done; }));
    statekeeper_->thread().Run([&] { statekeeper_->Release(held[done], {}); });
    ++done;
  }
  ASSERT_TRUE(gateway_->AwaitSettled());
  ASSERT_EQ(held.size(), 21u);
  for (size_t i = 0; i < 21; ++i) EXPECT_EQ(std::stoul(held[i].payload), i);
  EXPECT_EQ(held[20].payload, "20 head" + *tail);
}

TEST_F(RouterStateTest, ALaterEpochThatWasHeardOfIsKnownToTheSuccessor) {
  Start();
  statekeeper_->Publish(7);
  gateway_->Append("test/hub", "one");
  ASSERT_TRUE(gateway_->AwaitDeliveries(1));
  Replace();
  gateway_->Append("test/hub", "two");
  ASSERT_TRUE(gateway_->AwaitDeliveries(1));
  EXPECT_EQ(statekeeper_->GetTaken().back().epoch, 7u);
}

// With nothing that is anybody's it begins as any gateway.
TEST_F(RouterStateTest, NoStreamIsOpenedWhileItHolds) {
  Start();
  const auto held = NewGateway(true);
  AwaitMap(held.get());
  gateway_->Append("test/hub", "one");
  EXPECT_TRUE(gateway_->AwaitDeliveries(1)) << "its stream was taken by another";
  EXPECT_FALSE(held->thread().Get<bool>([&] { return held->links().ready(); }));
}

}  // namespace
}  // namespace dormouse
