// Both ends of the edge link over real sockets, with several statekeepers: shards move from one to the other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/shard.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/cutting_proxy.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint32_t kShards = 64;
constexpr uint32_t kNobody = ~0u;
const GatewayId kNear = TestGatewayId(1);
const GatewayId kFar = TestGatewayId(2);
const GatewayId kAway = TestGatewayId(3);  // never comes: what it should get keeps an event unsettled

// Statekeepers a and b, and two gateways that watch a.
class OwnershipTest : public testing::Test {
 protected:
  TestStatekeeper::Setup SetupOf(uint64_t incarnation) const {
    const std::string path = directory_ / ("edge-" + std::to_string(incarnation));
    TestStatekeeper::Setup setup{.addresses = {"unix:" + path},
                                 .unix_path = path,
                                 .lanes = 2,
                                 .shards = kShards,
                                 .incarnation = incarnation};
    setup.links.gateway_grace = Duration(60'000);
    setup.on_event = Answer;
    return setup;
  }
  static std::unique_ptr<TestStatekeeper> Begin(const TestStatekeeper::Setup& setup) {
    auto statekeeper = std::make_unique<TestStatekeeper>(setup);
    EXPECT_TRUE(statekeeper->Listen());
    return statekeeper;
  }
  // "open ...": answered, but unsettled for good. "all ...": to both gateways. "hold ...": not answered.
  static void Answer(TestStatekeeper* self, const Taken& event) {
    if (event.payload.starts_with("hold")) return;
    std::vector<ConnectionId> to = {event.from};
    if (event.payload.starts_with("open")) to.push_back({kAway, 1});
    if (event.payload.starts_with("all")) to = {{kNear, UuidLow(1)}, {kFar, UuidLow(1)}};
    self->Release(event, {TestStatekeeper::To(to, event.payload)});
  }

  void SetUp() override {
    a_ = Begin(SetupOf(1));
    b_ = Begin(SetupOf(2));
    a_->Own(1);
    PublishOwner(0, 1);
    near_ = std::make_unique<TestGateway>(Watching(1, 1));
    far_ = std::make_unique<TestGateway>(Watching(2, 1));
    ASSERT_TRUE(near_->AwaitReady());
    ASSERT_TRUE(far_->AwaitReady());
    AwaitLinked(b_.get(), 2);
  }

  StatekeeperLinks::Config Watching(uint64_t number, uint64_t incarnation) const {
    return {.identity = TestIdentity(number), .statekeepers = {"unix:" + SetupOf(incarnation).unix_path}};
  }
  link::ShardMap MapOf(uint32_t owner, uint32_t epoch) {
    link::ShardMap map;
    map.set_version(++version_);
    map.set_shard_count(kShards);
    for (const TestStatekeeper* statekeeper : {a_.get(), b_.get()}) {
      if (statekeeper != nullptr) *map.add_members() = statekeeper->Describe();
    }
    for (uint32_t i = 0; i < kShards; ++i) {
      map.add_owner(owner);
      map.add_epoch(epoch);
    }
    return map;
  }
  // To those who watch a.
  void PublishOwner(uint32_t owner, uint32_t epoch) {
    a_->server().Publish(MapOf(owner, epoch));
    b_->server().Publish(MapOf(owner, epoch));
  }
  static void Await(const std::function<bool()>& condition) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      ASSERT_LT(steady_clock::now(), deadline);
      std::this_thread::yield();
    }
  }
  static void AwaitLinked(TestStatekeeper* statekeeper, size_t gateways) {
    for (const uint32_t lane : {0u, 1u}) {
      Await([&] {
        return statekeeper->thread(lane).Get<size_t>(
                   [&] { return statekeeper->links(lane).Linked().size(); }) == gateways;
      });
    }
  }
  static bool AwaitTaken(TestStatekeeper* statekeeper, size_t count) {
    return statekeeper->facts.Await([=] { return statekeeper->taken.size() >= count; });
  }
  static std::vector<std::string> TakenBy(TestStatekeeper* statekeeper) {
    std::vector<std::string> payloads;
    for (const Taken& taken : statekeeper->GetTaken()) payloads.push_back(taken.payload);
    return payloads;
  }
  static std::vector<std::string> DeliveredTo(TestGateway* gateway) {
    std::vector<std::string> payloads;
    for (const Delivered& delivered : gateway->delivered()) {
      // Some of a Quiesce may come before the gateway hears of a later epoch.
      if (delivered.kind != DeliveryKind::kBarrier) payloads.push_back(delivered.payload);
    }
    return payloads;
  }

  // By a, for the hub of its first event.
  void ReleaseRollCall(const Cause& cause, const std::vector<ConnectionId>& to,
                       const std::vector<GatewayId>& also_to) {
    const Taken about = a_->GetTaken()[0];
    Output output = TestStatekeeper::To(to, "");
    output.kind = DeliveryKind::kRollCall;
    output.return_to = about.hub;
    output.also_to = also_to;
    const uint32_t lane = a_->LaneOf(about.cause.shard);
    a_->thread(lane).Run([&] {
      a_->links(lane).Release(
          {.cause = cause, .shard = about.cause.shard, .epoch = 1, .outputs = {std::move(output)}});
    });
  }

  const TempDir directory_;
  uint64_t version_ = 0;
  std::unique_ptr<TestStatekeeper> a_;
  std::unique_ptr<TestStatekeeper> b_;
  std::unique_ptr<TestGateway> near_;
  std::unique_ptr<TestGateway> far_;
};

TEST_F(OwnershipTest, ANewOwnerIsToldEverythingUnsettledOnItsOwnWord) {
  for (const char* payload : {"settled", "open 1", "hold", "open 2"}) near_->Append("echo/a", payload);
  ASSERT_TRUE(AwaitTaken(a_.get(), 4));
  ASSERT_TRUE(near_->AwaitDeliveries(3));
  b_->Own(2);  // no map says so
  ASSERT_TRUE(AwaitTaken(b_.get(), 3));
  near_->Append("echo/a", "new");
  ASSERT_TRUE(AwaitTaken(b_.get(), 4));
  EXPECT_THAT(TakenBy(b_.get()), ElementsAre("open 1", "hold", "open 2", "new"));
  for (const Taken& taken : b_->GetTaken()) {
    EXPECT_EQ(taken.epoch, 2u);
    EXPECT_EQ(taken.repeated, taken.payload != "new");
  }
  ASSERT_TRUE(near_->AwaitDeliveries(4));
  EXPECT_THAT(DeliveredTo(near_.get()), ElementsAre("settled", "open 1", "open 2", "new"));
  // An older map changes nothing.
  PublishOwner(0, 1);
  near_->Append("echo/a", "newer");
  ASSERT_TRUE(AwaitTaken(b_.get(), 5));
  EXPECT_EQ(TakenBy(a_.get()).size(), 4u);
}

TEST_F(OwnershipTest, WhatADeposedOwnerStillSaysIsIgnored) {
  near_->Append("echo/a", "hold");
  ASSERT_TRUE(AwaitTaken(a_.get(), 1));
  b_->Own(2);
  ASSERT_TRUE(AwaitTaken(b_.get(), 1));
  // It does not know yet: it answers, and finds out by what the gateway acknowledges.
  const Taken held = a_->GetTaken()[0];
  bool acknowledged = false;
  const uint32_t lane = a_->LaneOf(held.cause.shard);
  a_->thread(lane).Run([&] {
    a_->Release(held, {TestStatekeeper::To({held.from}, "of a zombie")});
    a_->links(lane).Release({.cause = {},
                             .shard = held.cause.shard,
                             .epoch = 1,
                             .outputs = {TestStatekeeper::To({held.from}, "alarm of a zombie")},
                             .acknowledged = [&] { acknowledged = true; }});
  });
  ASSERT_TRUE(a_->Quiesce(1));  // both gateways have looked at it
  EXPECT_EQ(near_->unsettled(), 1u);
  const Taken taken = b_->GetTaken()[0];
  b_->thread(lane).Run([&] { b_->Release(taken, {TestStatekeeper::To({taken.from}, "of the owner")}); });
  ASSERT_TRUE(near_->AwaitSettled());
  ASSERT_TRUE(near_->AwaitDeliveries(1));
  EXPECT_THAT(DeliveredTo(near_.get()), ElementsAre("of the owner"));
  EXPECT_FALSE(acknowledged);
}

TEST_F(OwnershipTest, EventsThatComeBeforeTheLaneOwnsTheirShardComeAgain) {
  const auto received = [&] {
    uint64_t sum = 0;
    for (const uint32_t lane : {0u, 1u}) {
      b_->thread(lane).Run([&] { sum += b_->links(lane).traffic().messages_received; });
    }
    return sum;
  };
  for (const char* payload : {"hold 1", "hold 2"}) near_->Append("echo/a", payload);
  ASSERT_TRUE(AwaitTaken(a_.get(), 2));
  const uint64_t before = received();
  PublishOwner(1, 2);  // a map that is ahead of the owner
  Await([&] { return received() > before; });
  EXPECT_THAT(TakenBy(b_.get()), IsEmpty());
  b_->Own(2);
  ASSERT_TRUE(AwaitTaken(b_.get(), 2));
  near_->Append("echo/a", "last");
  ASSERT_TRUE(AwaitTaken(b_.get(), 3));
  EXPECT_THAT(TakenBy(b_.get()), ElementsAre("hold 1", "hold 2", "last"));
}

TEST_F(OwnershipTest, AGatewayThatLinksLaterIsGreetedWithTheOwner) {
  b_->Own(2);
  TestGateway late(Watching(4, 1));  // its map speaks of a
  ASSERT_TRUE(late.AwaitReady());
  late.Append("echo/a", "hold");
  ASSERT_TRUE(AwaitTaken(b_.get(), 1));
}

TEST_F(OwnershipTest, AfterAQuiesceTheNextOwnerGetsNothingThatWasReleased) {
  for (uint32_t epoch = 1; epoch < 10; ++epoch) {
    TestStatekeeper* const from = epoch % 2 == 1 ? a_.get() : b_.get();
    TestStatekeeper* const to = epoch % 2 == 1 ? b_.get() : a_.get();
    const size_t already = TakenBy(from).size();
    for (int i = 0; i < 300; ++i) {
      const std::string hub = "echo/" + std::to_string(i % 5);
      (i % 7 == 0 ? far_ : near_)->Append(hub, i % 3 == 0 ? "all" : "one");
    }
    ASSERT_TRUE(AwaitTaken(from, already + 300));
    const size_t before = TakenBy(to).size();
    ASSERT_TRUE(from->Quiesce(epoch));
    from->Disown();
    to->Own(epoch + 1);
    near_->Append("echo/0", "one");
    ASSERT_TRUE(AwaitTaken(to, before + 1));
    ASSERT_TRUE(near_->AwaitSettled());
    ASSERT_TRUE(far_->AwaitSettled());
    EXPECT_EQ(TakenBy(to).size(), before + 1) << epoch;
  }
}

TEST_F(OwnershipTest, AQuiesceIsPrompt) {
  // An acknowledgement that waits for company takes five milliseconds, and two are needed. A busy machine may
  // need some attempts.
  bool prompt = false;
  for (int i = 0; i < 200 && !prompt; ++i) {
    const auto start = steady_clock::now();
    ASSERT_TRUE(a_->Quiesce(1));
    prompt = steady_clock::now() - start < milliseconds(8);
  }
  EXPECT_TRUE(prompt);
}

TEST_F(OwnershipTest, QuiescesOfOneTurnCostOneRound) {
  int done = 0;
  a_->thread().Run([&] {
    for (int i = 0; i < 100; ++i) {
      a_->links().Quiesce({{0, 1}}, [&] { a_->facts.Change([&] { ++done; }); });
    }
  });
  ASSERT_TRUE(a_->facts.Await([&] { return done == 100; }));
  EXPECT_EQ(near_->delivered().size(), 2u);  // barriers
  EXPECT_EQ(far_->delivered().size(), 2u);
}

TEST_F(OwnershipTest, AQuiesceDoesNotWaitForAGatewayThatIsLost) {
  CuttingProxy proxy(directory_ / "proxy", SetupOf(1).unix_path);
  TestStatekeeper::Setup setup = SetupOf(1);
  setup.unix_path = directory_ / "proxy";
  link::ShardMap map = MapOf(0, 1);
  map.mutable_members(0)->set_unix_path(setup.unix_path);
  a_->server().Publish(map);
  auto third = std::make_unique<TestGateway>(Watching(4, 1));
  ASSERT_TRUE(third->AwaitReady());
  AwaitLinked(a_.get(), 3);
  proxy.Stall();
  int done = 0;
  a_->thread().Run(
      [&] { a_->links().Quiesce(a_->ShardsOf(0, 1), [&] { a_->facts.Change([&] { ++done; }); }); });
  // The others have answered when a later one of their own messages is there; the third never does.
  near_->Append("echo/a", "one");
  ASSERT_TRUE(near_->AwaitSettled());
  EXPECT_EQ(a_->facts.Get<int>([&] { return done; }), 0);
  proxy.set_closed(true);
  proxy.Cut();
  EXPECT_TRUE(a_->facts.Await([&] { return done == 1; }));
}

TEST_F(OwnershipTest, WithoutGatewaysAQuiesceIsOverAtOnce) {
  near_.reset();
  far_.reset();
  AwaitLinked(a_.get(), 0);
  bool done = false;
  a_->thread().Run([&] {
    a_->links().Quiesce({{0, 1}}, [&] { done = true; });
    EXPECT_TRUE(done);
  });
}

TEST_F(OwnershipTest, WhatIsDisownedIsNeitherAcknowledgedNorSettled) {
  near_->Append("echo/a", "hold");
  ASSERT_TRUE(AwaitTaken(a_.get(), 1));
  const Taken held = a_->GetTaken()[0];
  const uint32_t lane = a_->LaneOf(held.cause.shard);
  bool acknowledged = false;
  a_->thread(lane).Run([&] {
    GatewayLinks& links = a_->links(lane);
    links.Release({.cause = {},
                   .shard = held.cause.shard,
                   .epoch = 1,
                   .outputs = {TestStatekeeper::To({held.from}, "alarm")},
                   .acknowledged = [&] { acknowledged = true; }});
    a_->Release(held, {TestStatekeeper::To({{kFar, UuidLow(1)}}, "to the far one")});
    links.Disown({held.cause.shard});
  });
  ASSERT_TRUE(a_->Quiesce(1));
  EXPECT_FALSE(acknowledged);
  EXPECT_EQ(near_->unsettled(), 1u);
}

TEST_F(OwnershipTest, AnOutputReachesGatewaysWithoutARecipient) {
  near_->Append("echo/a", "hold");
  ASSERT_TRUE(AwaitTaken(a_.get(), 1));
  ReleaseRollCall({}, {{kNear, UuidLow(7)}}, {kNear, kFar});
  ASSERT_TRUE(near_->AwaitDeliveries(1));
  ASSERT_TRUE(far_->AwaitDeliveries(1));
  EXPECT_THAT(near_->delivered()[0].recipients, ElementsAre(UuidLow(7)));
  EXPECT_THAT(far_->delivered()[0].recipients, IsEmpty());
  EXPECT_EQ(far_->delivered()[0].kind, DeliveryKind::kRollCall);
  // As an answer to an event, it counts for its settlement.
  ReleaseRollCall(a_->GetTaken()[0].cause, {}, {kNear});
  ASSERT_TRUE(near_->AwaitSettled());
  near_->Append("echo/a", "hold");
  ASSERT_TRUE(AwaitTaken(a_.get(), 2));
  ReleaseRollCall(a_->GetTaken()[1].cause, {}, {kNear, kAway});
  ASSERT_TRUE(near_->AwaitDeliveries(3));
  ASSERT_TRUE(a_->Quiesce(1));
  EXPECT_EQ(near_->unsettled(), 1u);
}

TEST_F(OwnershipTest, ShardsOfADeadOwnerWaitWhileOthersGoOn) {
  TestGateway small({.identity = TestIdentity(4),
                     .statekeepers = {"unix:" + SetupOf(2).unix_path},
                     .replay_buffer = 20'000});
  ASSERT_TRUE(small.AwaitReady());
  AwaitLinked(b_.get(), 3);
  // b takes half of the shards of each lane.
  const auto is_of_b = [](ShardId shard) { return shard / 2 % 2 == 1; };
  for (const uint32_t lane : {0u, 1u}) {
    std::vector<ShardEpoch> shards = b_->ShardsOf(lane, 2);
    std::erase_if(shards, [&](const ShardEpoch& each) { return !is_of_b(each.shard); });
    b_->thread(lane).Run([&] { b_->links(lane).Own(shards); });
  }
  std::string hub_of_a;
  std::string hub_of_b;
  for (int i = 0; hub_of_a.empty() || hub_of_b.empty(); ++i) {
    const std::string hub = "echo/" + std::to_string(i);
    const ShardId shard = ShardOf(hub, kShards);
    if (shard % 2 == 0) (is_of_b(shard) ? hub_of_b : hub_of_a) = hub;
  }
  small.Append(hub_of_b, "hold");
  ASSERT_TRUE(AwaitTaken(b_.get(), 1));
  a_.reset();
  const auto append = [&](const std::string& hub) {
    return small.thread().Get<bool>([&] {
      return small.links().Append({.kind = EventKind::kText,
                                   .connection = UuidLow(1),
                                   .hub = hub,
                                   .payload = std::string(1000, 'x')}) ==
             StatekeeperLinks::AppendResult::kCongested;
    });
  };
  int sent = 0;
  while (!append(hub_of_a)) ++sent;
  EXPECT_GT(sent, 5);
  EXPECT_FALSE(append(hub_of_b));
  ASSERT_TRUE(small.AwaitDeliveries(1));
  // The shard finds an owner: its sockets are read again.
  const auto uncongested = [&] { return small.facts.Get<int>([&] { return small.uncongested_count; }); };
  EXPECT_EQ(uncongested(), 0);
  b_->thread(0).Run([&] { b_->links(0).Own({{ShardOf(hub_of_a, kShards), 2}}); });
  Await([&] { return uncongested() == 1; });
  b_->Own(3);
  ASSERT_TRUE(small.AwaitDeliveries(static_cast<size_t>(sent) + 2));
}

// --- The watch.

TEST_F(OwnershipTest, AWatchMovesOnFromAStatekeeperThatHangs) {
  CuttingProxy proxy(directory_ / "proxy", SetupOf(1).unix_path);
  TestGateway gateway({.identity = TestIdentity(4),
                       .statekeepers = {"unix:" + directory_ / "proxy", "unix:" + SetupOf(2).unix_path}});
  ASSERT_TRUE(gateway.AwaitReady());
  proxy.Stall();
  b_->Own(2);
  const auto c = Begin(SetupOf(3));
  c->Own(3);
  link::ShardMap map = MapOf(2, 3);
  *map.add_members() = c->Describe();
  c->server().Publish(map);
  b_->server().Publish(map);
  const auto start = steady_clock::now();
  AwaitLinked(c.get(), 1);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(8));
  gateway.Append("echo/a", "event");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
}

TEST_F(OwnershipTest, AWatchMovesOnFromAStatekeeperThatKnowsNoMapAnyMore) {
  TestGateway gateway({.identity = TestIdentity(4),
                       .statekeepers = {"unix:" + SetupOf(1).unix_path, "unix:" + SetupOf(2).unix_path}});
  ASSERT_TRUE(gateway.AwaitReady());
  const auto c = Begin(SetupOf(3));
  c->Own(3);
  link::ShardMap map = MapOf(2, 3);
  *map.add_members() = c->Describe();
  c->server().Publish(map);
  b_->server().Publish(map);
  a_->server().Withdraw();
  AwaitLinked(c.get(), 1);
  gateway.Append("echo/a", "event");
  EXPECT_TRUE(gateway.AwaitDeliveries(1));
}

TEST_F(OwnershipTest, AMapWhoseOwnersAreSilentIsDoubted) {
  PublishOwner(1, 2);
  b_->Own(2);
  TestGateway gateway({.identity = TestIdentity(4),
                       .statekeepers = {"unix:" + SetupOf(1).unix_path, "unix:" + SetupOf(3).unix_path}});
  ASSERT_TRUE(gateway.AwaitReady());
  b_.reset();  // a does not notice
  TestStatekeeper::Setup setup = SetupOf(3);
  setup.epoch = 3;
  TestStatekeeper c(setup);
  ASSERT_TRUE(c.Start());
  gateway.Append("echo/a", "event");
  EXPECT_TRUE(gateway.AwaitDeliveries(1));
}

TEST_F(OwnershipTest, AllStatekeepersAreReplacedByOthersOfTheSameList) {
  TestGateway gateway({.identity = TestIdentity(4),
                       .statekeepers = {"unix:" + SetupOf(1).unix_path, "unix:" + SetupOf(2).unix_path,
                                        "unix:" + SetupOf(3).unix_path, "unix:" + SetupOf(4).unix_path}});
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.Append("echo/a", "open");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  a_.reset();
  b_.reset();
  gateway.Append("echo/a", "new");
  TestStatekeeper::Setup setup = SetupOf(4);
  setup.epoch = 2;
  TestStatekeeper other(setup);
  const auto start = steady_clock::now();
  ASSERT_TRUE(other.Start());
  ASSERT_TRUE(gateway.AwaitDeliveries(2));
  EXPECT_LT(steady_clock::now() - start, milliseconds(1500));
  ASSERT_TRUE(AwaitTaken(&other, 2));
  EXPECT_THAT(TakenBy(&other), ElementsAre("open", "new"));
}

// As after the restore of a backup.
TEST_F(OwnershipTest, AnOwnerOfAnEpochThatIsOverIsToldWhichOneIsKnown) {
  a_->Disown();
  b_->Own(5);
  for (TestGateway* gateway : {near_.get(), far_.get()}) gateway->Append("echo/room", "5");
  ASSERT_TRUE(AwaitTaken(b_.get(), 2));
  b_->Disown();
  a_->Own(3);
  ASSERT_TRUE(a_->facts.Await([&] { return a_->later.size() >= 2 * kShards; }));  // by both gateways
  for (const ShardEpoch& known : a_->later) EXPECT_EQ(known.epoch, 5u);
  near_->Append("echo/room", "6");
  a_->Own(6);
  ASSERT_TRUE(near_->AwaitDeliveries(2));
  EXPECT_EQ(near_->delivered().back().payload, "6");
}

// The store has gone back, and given an epoch away for the second time; the first owner may come to life
// again.
TEST_F(OwnershipTest, ASecondOwnerOfAnEpochIsToldToTakeALaterOne) {
  b_->Own(1);
  ASSERT_TRUE(b_->facts.Await([&] { return b_->later.size() >= 2 * kShards; }));
  for (const ShardEpoch& known : b_->later) EXPECT_EQ(known.epoch, 2u);
  near_->Append("echo/room", "hold");  // for the first one until then
  b_->Own(3);
  ASSERT_TRUE(AwaitTaken(b_.get(), 1));
  EXPECT_EQ(b_->GetTaken().front().epoch, 3u);
}

TEST_F(OwnershipTest, AGatewayFindsOutThatTheStoreHasLostWhatItWasToldOf) {
  const std::string hub = "echo/room";
  const ShardId shard = ShardOf(hub, kShards);
  const auto set_commits = [&](TestStatekeeper* statekeeper, uint64_t commits) {
    const uint32_t lane = statekeeper->LaneOf(shard);
    statekeeper->thread(lane).Run([&] { statekeeper->links(lane).SetCommits(shard, commits); });
  };
  set_commits(a_.get(), 10);
  near_->Append(hub, "1");
  size_t sent = 1;
  ASSERT_TRUE(near_->AwaitDeliveries(sent));
  const auto moves_to = [&](TestStatekeeper* statekeeper, uint64_t commits, uint32_t epoch) {
    for (TestStatekeeper* each : {a_.get(), b_.get()}) each->Disown();
    set_commits(statekeeper, commits);
    statekeeper->Own(epoch);
    near_->Append(hub, std::to_string(epoch));
    EXPECT_TRUE(near_->AwaitDeliveries(++sent));
    return near_->facts.Get<std::vector<ShardId>>([&] { return std::exchange(near_->forgotten, {}); });
  };
  EXPECT_THAT(moves_to(b_.get(), 10, 2), IsEmpty());
  EXPECT_THAT(moves_to(a_.get(), 12, 3), IsEmpty());
  EXPECT_THAT(moves_to(b_.get(), 11, 4), ElementsAre(shard));
  EXPECT_THAT(moves_to(b_.get(), 11, 5), IsEmpty()) << "that has been noticed";
  EXPECT_THAT(moves_to(a_.get(), 0, 6), ElementsAre(shard));
}

}  // namespace
}  // namespace dormouse
