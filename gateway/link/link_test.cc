// StatekeeperRouter and GatewayRouter over real sockets: what the two ends of the link promise each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/rpc/framed_stream.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/statekeeper_sockets.h"
#include "common/rpc/testing/test_trust.h"
#include "common/shard.h"
#include "common/temp_dir.h"
#include "gateway/link/testing/cutting_proxy.h"
#include "gateway/link/testing/loop_thread.h"
#include "gateway/link/testing/rude_gateway.h"
#include "gateway/link/testing/test_gateway.h"
#include "gateway/link/testing/test_statekeeper.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LinkTest : public testing::Test {
 protected:
  TestStatekeeper::Setup Standard() { return {.addresses = {"unix:" + path_}, .unix_path = path_}; }
  StatekeeperLinks::Config Gateway(uint64_t number = 1) {
    return {.identity = TestIdentity(number), .statekeepers = {"unix:" + path_}};
  }

  static std::vector<std::string> Payloads(TestGateway* gateway) {
    std::vector<std::string> payloads;
    for (const Delivered& delivered : gateway->delivered()) payloads.push_back(delivered.payload);
    return payloads;
  }

  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
};

TEST_F(LinkTest, EventsAndDeliveriesArriveWholeAndInOrder) {
  TestStatekeeper::Setup setup = Standard();
  setup.lanes = 2;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());

  constexpr int kHubs = 20;
  constexpr int kEach = 200;
  for (int i = 0; i < kEach; ++i) {
    for (int hub = 0; hub < kHubs; ++hub) {
      gateway.Append("echo/hub-" + std::to_string(hub), std::to_string(i), static_cast<uint64_t>(hub));
    }
  }
  ASSERT_TRUE(gateway.AwaitDeliveries(size_t{kHubs} * kEach));
  ASSERT_TRUE(gateway.AwaitSettled());
  const auto settled = gateway.facts.Get<std::map<std::string, int>>([&] { return gateway.settled; });
  EXPECT_EQ(settled.size(), size_t{kEach});
  for (const auto& [payload, times] : settled) EXPECT_EQ(times, kHubs) << payload;
  std::map<uint64_t, int> next;
  for (const Delivered& delivered : gateway.delivered()) {
    ASSERT_EQ(delivered.recipients.size(), 1u);
    EXPECT_EQ(delivered.payload, std::to_string(next[delivered.recipients[0]]++));
  }
  EXPECT_EQ(next.size(), kHubs);
  for (const Taken& taken : statekeeper.GetTaken()) {
    EXPECT_EQ(taken.cause.shard, ShardOf(taken.hub, 64));
    EXPECT_EQ(taken.epoch, 1u);
  }
}

TEST_F(LinkTest, OneMessageReachesManyRecipientsWithTheirHeads) {
  TestStatekeeper::Setup setup = Standard();
  setup.on_event = [](TestStatekeeper* self, const Taken& event) {
    Output output;
    output.kind = DeliveryKind::kBinary;
    output.has_heads = true;
    output.payload = event.payload;
    for (uint64_t i = 0; i < 3; ++i) {
      output.to.push_back({{event.gateway, UuidLow(i)}, "h" + std::to_string(i)});
    }
    self->Release(event, {std::move(output)});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.Append("echo/a", "shared");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  const std::vector<Delivered> delivered = gateway.delivered();
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_THAT(delivered[0].recipients, ElementsAre(UuidLow(0), UuidLow(1), UuidLow(2)));
  EXPECT_EQ(delivered[0].heads, "h0h1h2");
  EXPECT_EQ(delivered[0].payload, "shared");
  EXPECT_EQ(delivered[0].kind, DeliveryKind::kBinary);
}

TEST_F(LinkTest, BatchesGrowWithLoad) {
  TestStatekeeper::Setup setup = Standard();
  setup.record = false;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  constexpr size_t kEvents = 20'000;
  std::atomic<size_t> received = 0;
  gateway.on_delivery = [&](const DeliveryView&) {
    if (++received == kEvents) gateway.facts.Change([] {});
  };
  // One turn of the loop for each event: only writes in flight make batches.
  for (size_t i = 0; i < kEvents; ++i) gateway.Append("echo/a", "x");
  ASSERT_TRUE(gateway.facts.Await([&] { return received == kEvents; }));
  const auto traffic =
      gateway.thread().Get<StatekeeperLinks::Traffic>([&] { return gateway.links().traffic(); });
  EXPECT_LT(traffic.messages_sent, kEvents / 4);
  EXPECT_LT(traffic.messages_received, kEvents / 4);
}

TEST_F(LinkTest, WhoHasMuchUnderWayWaitsBehindHimself) {
  TestStatekeeper::Setup setup = Standard();
  std::promise<void> begun, go_on;
  std::atomic<bool> first = true;
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    if (first.exchange(false)) {
      begun.set_value();
      go_on.get_future().wait();
    }
    self->Release(event, {TestStatekeeper::To({event.from}, event.payload)});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  constexpr size_t kGreedy = 10;
  constexpr size_t kEach = 4;
  const std::string much(1'000'000, 'x');
  gateway.thread().Run([&] {
    for (size_t i = 0; i < kGreedy * kEach; ++i) {
      const std::string payload = std::to_string(i / kGreedy) + much;
      gateway.links().AppendInLine({.kind = EventKind::kText,
                                    .connection = UuidLow(i % kGreedy),
                                    .hub = i % 2 == 0 ? "echo/a" : "echo/b",
                                    .payload = payload});
    }
  });
  begun.get_future().wait();
  gateway.Append("echo/a", "one word", kGreedy);
  // The link has had its chance to send all.
  for (int turn = 0; turn < 10; ++turn) gateway.thread().Run([] {});
  go_on.set_value();
  ASSERT_TRUE(gateway.AwaitDeliveries(kGreedy * kEach + 1));
  ASSERT_TRUE(gateway.AwaitSettled());
  const std::vector<Taken> taken = statekeeper.GetTaken();
  ASSERT_EQ(taken.size(), kGreedy * kEach + 1);
  EXPECT_LT(std::ranges::find(taken, "one word", &Taken::payload) - taken.begin(), 4);
  std::map<ConnectionId, std::string> said;
  for (const Taken& each : taken) {
    if (each.payload != "one word") said[each.from] += each.payload[0];
  }
  EXPECT_EQ(said.size(), kGreedy);
  for (const auto& [connection, numbers] : said) EXPECT_EQ(numbers, "0123");
}

TEST_F(LinkTest, NobodyWaitsBehindWhatComesBackFromManySockets) {
  TestStatekeeper::Setup setup = Standard();
  std::promise<void> begun, go_on;
  std::atomic<bool> first = true;
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    if (first.exchange(false)) {
      begun.set_value();
      go_on.get_future().wait();
    }
    self->Release(event, {});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  constexpr size_t kSockets = 40;
  const auto much = std::make_shared<std::string>(1'000'000, 'x');
  gateway.thread().Run([&] {
    for (size_t i = 0; i < kSockets; ++i) {
      gateway.links().AppendWithTail(
          {.kind = EventKind::kUndelivered, .connection = UuidLow(i), .hub = "echo/a", .payload = "head"},
          {.bytes = {much, much->data()}, .size = much->size(), .counts = i == 0});
    }
  });
  begun.get_future().wait();
  // Both in the hub to which it comes back, and in another.
  gateway.Append("echo/a", "one word", kSockets);
  gateway.Append("echo/b", "another", kSockets + 1);
  for (int turn = 0; turn < 10; ++turn) gateway.thread().Run([] {});
  go_on.set_value();
  ASSERT_TRUE(gateway.AwaitSettled());
  const std::vector<Taken> taken = statekeeper.GetTaken();
  ASSERT_EQ(taken.size(), kSockets + 2);
  EXPECT_LT(std::ranges::find(taken, "one word", &Taken::payload) - taken.begin(), 5);
  EXPECT_LT(std::ranges::find(taken, "another", &Taken::payload) - taken.begin(), 5);
  EXPECT_EQ(std::ranges::count(taken, "head" + *much, &Taken::payload), kSockets);
}

TEST_F(LinkTest, WhatFollowsOfAConnectionInLineStaysBehindIt) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.thread().Run([&] {
    const auto event = [](EventKind kind, uint64_t connection, std::string_view payload) {
      return EventView{.kind = kind, .connection = UuidLow(connection), .hub = "echo/a", .payload = payload};
    };
    StatekeeperLinks& links = gateway.links();
    for (const uint64_t connection : {1, 2}) {
      links.AppendInLine(event(EventKind::kText, connection, "frame"));
      links.Append(event(EventKind::kText, connection, "small"));
      links.Append(event(EventKind::kClose, connection, "close"));
    }
    links.Append(event(EventKind::kUndelivered, 2, "returned"));
  });
  ASSERT_TRUE(gateway.AwaitDeliveries(7));
  std::map<ConnectionId, std::vector<std::string>> said;
  for (const Taken& each : statekeeper.GetTaken()) said[each.from].push_back(each.payload);
  EXPECT_THAT(said[gateway.Connection(1)], ElementsAre("frame", "small", "close"));
  EXPECT_THAT(said[gateway.Connection(2)], ElementsAre("frame", "small", "close", "returned"));
}

// Hubs that wait for something else than time do not hold up those who stand in line.
TEST_F(LinkTest, LinesGoOnThoughTheLaneSaysNothing) {
  TestStatekeeper::Setup setup = Standard();
  setup.on_event = [](TestStatekeeper*, const Taken&) {};
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  const std::string much(1'000'000, 'x');
  gateway.thread().Run([&] {
    for (uint64_t i = 0; i < 6; ++i) {
      gateway.links().AppendInLine(
          {.kind = EventKind::kText, .connection = UuidLow(i), .hub = "echo/a", .payload = much});
    }
  });
  EXPECT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() == 6; }));
}

TEST_F(LinkTest, LinesFollowTheirShardsToTheNextOwner) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  const std::string much(300'000, 'x');
  constexpr size_t kFrames = 60;
  for (uint32_t epoch = 2; epoch < 4; ++epoch) {
    gateway.thread().Run([&] {
      for (size_t i = 0; i < kFrames; ++i) {
        const std::string payload = std::to_string(epoch * kFrames + i) + much;
        gateway.links().AppendInLine(
            {.kind = EventKind::kText, .connection = UuidLow(i % 3), .hub = "echo/a", .payload = payload});
      }
    });
    statekeeper.Publish(epoch);
  }
  ASSERT_TRUE(gateway.AwaitDeliveries(2 * kFrames));
  ASSERT_TRUE(gateway.AwaitSettled());
  const std::vector<Delivered> delivered = gateway.delivered();
  EXPECT_EQ(delivered.size(), 2 * kFrames);
  std::map<uint64_t, int> last;
  for (const Delivered& each : delivered) {
    const int number = std::stoi(each.payload.substr(0, each.payload.find('x')));
    EXPECT_GT(number, std::exchange(last[each.recipients.at(0)], number));
  }
}

TEST_F(LinkTest, AShardWithMuchToSayLetsOthersOfItsLaneSpeak) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  constexpr size_t kMuch = 20;
  const std::string much(1'000'000, 'x');
  gateway.thread().Run([&] {
    for (size_t i = 0; i < kMuch; ++i)
      gateway.links().Append({.kind = EventKind::kText, .hub = "echo/talkative", .payload = much});
    gateway.links().Append({.kind = EventKind::kText, .hub = "echo/terse", .payload = "one word"});
  });
  ASSERT_TRUE(gateway.AwaitDeliveries(kMuch + 1));
  const std::vector<Taken> taken = statekeeper.GetTaken();
  ASSERT_EQ(taken.size(), kMuch + 1);
  const auto terse = std::ranges::find(taken, "echo/terse", &Taken::hub);
  EXPECT_LT(terse - taken.begin(), 5);
}

// By the lane's own socket, by TCP with a secret and with certificates; and by gRPC, as to the version before.
enum class Way { kLocal, kTcp, kTls, kGrpc };

class CutStreamsTest : public LinkTest, public testing::WithParamInterface<Way> {
 protected:
  // Of the statekeeper's streams, made by the way of the test.
  std::unique_ptr<CuttingProxy> Between(TestStatekeeper* statekeeper, const std::string& front) {
    if (GetParam() == Way::kLocal) {
      return std::make_unique<CuttingProxy>(LaneSocket(front, 0), LaneSocket(path_, 0));
    }
    auto proxy = std::make_unique<CuttingProxy>(statekeeper->server().port());
    statekeeper->Publish(1, "127.0.0.1:" + std::to_string(proxy->port()));
    return proxy;
  }

  const TestSecret secret_;
  const TestCertificates certificates_;
  prometheus::Registry registry_;
};
INSTANTIATE_TEST_SUITE_P(Ways, CutStreamsTest, testing::Values(Way::kLocal, Way::kTcp, Way::kTls, Way::kGrpc),
                         [](const testing::TestParamInfo<Way>& way) {
                           return way.param == Way::kLocal ? "Local"
                                  : way.param == Way::kTcp ? "Tcp"
                                  : way.param == Way::kTls ? "Tls"
                                                           : "Grpc";
                         });

TEST_P(CutStreamsTest, LoseNothingAndRepeatNothing) {
  const TestTrust& trust = GetParam() == Way::kTls ? static_cast<const TestTrust&>(certificates_) : secret_;
  const std::string front = directory_ / "proxy.sock";
  TestStatekeeper::Setup setup = Standard();
  setup.addresses.emplace_back("127.0.0.1:0");
  setup.gate = trust.NewGate(&registry_);
  setup.unix_path = GetParam() == Way::kLocal ? front : "";
  setup.framed = GetParam() != Way::kGrpc;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  const std::unique_ptr<CuttingProxy> between = Between(&statekeeper, front);
  CuttingProxy& proxy = *between;
  StatekeeperLinks::Config config = Gateway();
  config.credentials = trust.Of(LinkRole::kGateway);
  TestGateway gateway(config);
  ASSERT_TRUE(gateway.AwaitReady());

  constexpr size_t kEvents = 20'000;
  constexpr size_t kCuts = 15;
  std::map<std::string, int> sent;
  for (size_t i = 0; i < kEvents; ++i) {
    const std::string hub = "echo/" + std::to_string(i % 7);
    gateway.Append(hub, std::to_string(sent[hub]++), i % 7);
    if (i % (kEvents / kCuts) == 0) {
      const size_t before = gateway.delivered().size();
      ASSERT_TRUE(gateway.AwaitDeliveries(std::min(before + 1, i)));
      proxy.Cut();
    }
  }
  ASSERT_TRUE(gateway.AwaitDeliveries(kEvents));
  ASSERT_TRUE(gateway.AwaitSettled());
  std::map<uint64_t, int> next;
  for (const Delivered& delivered : gateway.delivered()) {
    ASSERT_EQ(delivered.payload, std::to_string(next[delivered.recipients[0]]++));
  }
  ASSERT_EQ(gateway.delivered().size(), kEvents);
  // Nor did the lane see an event twice.
  std::map<ShardId, uint64_t> last;
  for (const Taken& taken : statekeeper.GetTaken()) {
    EXPECT_EQ(taken.cause.sequence, ++last[taken.cause.shard]);
    EXPECT_FALSE(taken.repeated);
  }
  EXPECT_THAT(statekeeper.GetGone(), IsEmpty());
}

TEST_F(LinkTest, APeerThatFallsSilentIsNoticedWithinSecondsAndAnIdleOneIsLeftInPeace) {
  const std::string front = directory_ / "proxy.sock";
  TestStatekeeper::Setup setup = Standard();
  setup.unix_path = front;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  CuttingProxy proxy(front, path_);
  StatekeeperLinks::Config config = Gateway();
  config.statekeepers = {"unix:" + front};
  TestGateway gateway(config);
  TestGateway idle(LinkTest::Gateway(2));  // watches the map directly, and is linked through the proxy
  ASSERT_TRUE(gateway.AwaitReady());
  ASSERT_TRUE(idle.AwaitReady());
  const auto received = [](TestGateway* of) {
    return of->thread().Get<uint64_t>([&] { return of->links().traffic().messages_received; });
  };

  const auto start = std::chrono::steady_clock::now();
  proxy.Stall();
  gateway.Append("echo/a", "vanishes first");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(6));
  ASSERT_TRUE(gateway.AwaitSettled());

  // Several keepalive rounds later both have the stream that they had.
  idle.Append("echo/b", "x");
  ASSERT_TRUE(idle.AwaitDeliveries(1));
  const uint64_t before = received(&gateway) + received(&idle);
  std::this_thread::sleep_for(std::chrono::seconds(7));
  EXPECT_EQ(received(&gateway) + received(&idle), before);
}

TEST_F(LinkTest, ANewStatekeeperGetsWhatIsUnsettledAndClientsWhatTheyHaveNotSeen) {
  const GatewayId kElsewhere = TestGatewayId(2);  // never comes: what it should get keeps the event unsettled
  TestStatekeeper::Setup setup = Standard();
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    std::vector<Output> outputs = {TestStatekeeper::To({event.from}, event.payload + " 1")};
    if (event.payload != "settled") outputs.push_back(TestStatekeeper::To({{kElsewhere, 1}}, "elsewhere"));
    self->Release(event, std::move(outputs));
  };
  auto first = std::make_unique<TestStatekeeper>(setup);
  ASSERT_TRUE(first->Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.Append("echo/a", "settled");
  gateway.Append("echo/a", "open");
  gateway.Append("echo/b", "open too");
  ASSERT_TRUE(gateway.AwaitDeliveries(3));
  EXPECT_EQ(gateway.unsettled(), 2u);
  const std::vector<Taken> first_taken = first->GetTaken();
  first.reset();
  gateway.Append("echo/a", "new");

  setup.incarnation = 2;
  setup.epoch = 2;
  setup.on_event = [](TestStatekeeper* self, const Taken& event) {
    self->Release(event, {TestStatekeeper::To({event.from}, event.payload + " 1"),
                          TestStatekeeper::To({event.from}, event.payload + " 2")});
  };
  TestStatekeeper second(setup);
  ASSERT_TRUE(second.Start());
  ASSERT_TRUE(gateway.AwaitDeliveries(7));
  ASSERT_TRUE(gateway.AwaitSettled());

  std::map<std::string, std::vector<std::string>> by_hub;
  for (const Taken& taken : second.GetTaken()) {
    by_hub[taken.hub].push_back(taken.payload);
    EXPECT_EQ(taken.epoch, 2u);
    EXPECT_TRUE(taken.repeated || taken.payload == "new") << taken.payload;
  }
  for (const Taken& taken : first_taken) EXPECT_FALSE(taken.repeated);
  EXPECT_THAT(by_hub["echo/a"], ElementsAre("open", "new"));
  EXPECT_THAT(by_hub["echo/b"], ElementsAre("open too"));
  EXPECT_THAT(Payloads(&gateway), testing::UnorderedElementsAre("settled 1", "open 1", "open too 1", "open 2",
                                                                "open too 2", "new 1", "new 2"));
}

TEST_F(LinkTest, AnEventThatIsSentAgainInANewEpochSaysSo) {
  TestStatekeeper::Setup setup = Standard();
  setup.on_event = [](TestStatekeeper* self, const Taken& event) {
    if (event.epoch == 2) self->Release(event, {TestStatekeeper::To({event.from}, event.payload)});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  gateway.Append("echo/a", "event");
  ASSERT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() == 1; }));
  statekeeper.Publish(2);
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  const std::vector<Taken> taken = statekeeper.GetTaken();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_FALSE(taken[0].repeated);
  EXPECT_TRUE(taken[1].repeated);
}

TEST_F(LinkTest, ARestartedStatekeeperIsServedWithinHalfASecond) {
  TestStatekeeper::Setup setup = Standard();
  auto first = std::make_unique<TestStatekeeper>(setup);
  ASSERT_TRUE(first->Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  first.reset();
  gateway.Append("echo/a", "waits");
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // the outage: retries are made in vain
  setup.incarnation = 2;
  setup.epoch = 2;
  TestStatekeeper second(setup);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(second.Start());
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

// Two gateways; every event goes to connection 1 of both.
class TwoGatewaysTest : public LinkTest {
 protected:
  static inline const GatewayId kNear = TestGatewayId(1);
  static inline const GatewayId kFar = TestGatewayId(2);

  static void Broadcast(TestStatekeeper* self, const Taken& event) {
    if (event.payload == "alone") {
      return self->Release(event, {TestStatekeeper::To({event.from}, event.payload)});
    }
    self->Release(event, {TestStatekeeper::To({{kNear, UuidLow(1)}, {kFar, UuidLow(1)}}, event.payload)});
  }

  void SetUp() override {
    TestStatekeeper::Setup setup = Standard();
    setup.on_event = Broadcast;
    setup.record = false;
    setup.links.gateway_grace = Duration(60'000);
    statekeeper_ = std::make_unique<TestStatekeeper>(setup);
    ASSERT_TRUE(statekeeper_->Start());
    near_ = std::make_unique<TestGateway>(Gateway(1));
    far_ = std::make_unique<TestGateway>(Gateway(2));
    ASSERT_TRUE(near_->AwaitReady());
    ASSERT_TRUE(far_->AwaitReady());
  }

  std::unique_ptr<TestStatekeeper> statekeeper_;
  std::unique_ptr<TestGateway> near_;
  std::unique_ptr<TestGateway> far_;
};

TEST_F(TwoGatewaysTest, ACauseIsSettledOnceBothGatewaysHaveItsOutput) {
  std::promise<void> held;
  std::promise<void> go_on;
  far_->thread().Post([&] {
    held.set_value();
    go_on.get_future().wait();
  });
  held.get_future().wait();
  near_->Append("echo/a", "both");
  ASSERT_TRUE(near_->AwaitDeliveries(1));
  // Others are settled meanwhile.
  for (int i = 0; i < 50; ++i) {
    near_->Append("echo/b", "alone");
    ASSERT_TRUE(near_->AwaitDeliveries(static_cast<size_t>(i) + 2));
  }
  EXPECT_EQ(near_->unsettled(), 1u);
  go_on.set_value();
  ASSERT_TRUE(far_->AwaitDeliveries(1));
  ASSERT_TRUE(near_->AwaitSettled());
  EXPECT_THAT(Payloads(far_.get()), ElementsAre("both"));
}

// Else a crash now would replay the first alone, on top of what the second did.
TEST_F(TwoGatewaysTest, WhatFollowsAnUnsettledEventOfItsShardIsSettledAfterIt) {
  std::promise<void> held;
  std::promise<void> go_on;
  far_->thread().Post([&] {
    held.set_value();
    go_on.get_future().wait();
  });
  held.get_future().wait();
  near_->Append("echo/a", "both");
  near_->Append("echo/a", "alone");
  ASSERT_TRUE(near_->AwaitDeliveries(2));
  // Once this is answered, whatever was said of the others has arrived.
  near_->Append("echo/b", "alone");
  ASSERT_TRUE(near_->AwaitDeliveries(3));
  EXPECT_EQ(near_->unsettled(), 2u);
  go_on.set_value();
  ASSERT_TRUE(near_->AwaitSettled());
}

TEST_F(TwoGatewaysTest, BroadcastsLeaveNothingBehind) {
  constexpr size_t kBroadcasts = 100'000;
  std::atomic<size_t> near_count = 0;
  std::atomic<size_t> far_count = 0;
  near_->on_delivery = [&](const DeliveryView&) {
    if (++near_count == kBroadcasts) near_->facts.Change([] {});
  };
  far_->on_delivery = [&](const DeliveryView&) {
    if (++far_count == kBroadcasts) far_->facts.Change([] {});
  };
  size_t most_remembered = 0;
  for (size_t sent = 0; sent < kBroadcasts; sent += 1000) {
    near_->thread().Run([&] {
      for (int i = 0; i < 1000; ++i) {
        near_->links().Append({.connection = UuidLow(1), .hub = "echo/a", .payload = "x"});
      }
    });
    ASSERT_TRUE(near_->AwaitSettled());
    most_remembered =
        std::max(most_remembered,
                 far_->thread().Get<size_t>([&] { return far_->links().traffic().remembered_causes; }));
  }
  ASSERT_TRUE(near_->facts.Await([&] { return near_count == kBroadcasts; }));
  ASSERT_TRUE(far_->facts.Await([&] { return far_count == kBroadcasts; }));
  EXPECT_LE(most_remembered, 10'000u);
  // The last Forget and the last acknowledgement are on their way: each turn of a loop looks again.
  const auto await = [](LoopThread* thread, const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!thread->Get<bool>(condition)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  };
  EXPECT_TRUE(await(&far_->thread(), [&] { return far_->links().traffic().remembered_causes == 0; }));
  EXPECT_TRUE(await(&statekeeper_->thread(),
                    [&] { return statekeeper_->links().traffic().unacknowledged_bytes == 0; }));
}

TEST_F(TwoGatewaysTest, AnotherGatewaysEventHandledTwiceIsDeliveredOnce) {
  near_->Append("echo/a", "first");
  ASSERT_TRUE(far_->AwaitDeliveries(1));
  ASSERT_TRUE(near_->AwaitSettled());
  statekeeper_.reset();
  near_->Append("echo/a", "second");

  TestStatekeeper::Setup setup = Standard();
  setup.incarnation = 2;
  setup.epoch = 2;
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    // To the far one, and to one that never acknowledges.
    self->Release(event, {TestStatekeeper::To({{kFar, UuidLow(1)}, {0x3003, UuidLow(1)}}, event.payload)});
  };
  auto second = std::make_unique<TestStatekeeper>(setup);
  ASSERT_TRUE(second->Start());
  ASSERT_TRUE(far_->AwaitDeliveries(2));
  second.reset();
  setup.incarnation = 3;
  setup.epoch = 3;
  setup.on_event = Broadcast;
  TestStatekeeper third(setup);
  ASSERT_TRUE(third.Start());
  ASSERT_TRUE(near_->AwaitSettled());
  near_->Append("echo/a", "third");
  ASSERT_TRUE(near_->AwaitSettled());
  ASSERT_TRUE(far_->AwaitDeliveries(3));
  EXPECT_THAT(Payloads(far_.get()), ElementsAre("first", "second", "third"));
}

TEST_F(TwoGatewaysTest, WhatADeposedOwnerSaysIsNeitherDeliveredNorSettled) {
  // The lane holds events, so that it can answer in an epoch that is over.
  statekeeper_.reset();
  TestStatekeeper::Setup setup = Standard();
  setup.incarnation = 2;
  setup.epoch = 2;
  std::vector<Taken> held;
  setup.on_event = [&](TestStatekeeper*, const Taken& event) { held.push_back(event); };
  TestStatekeeper lane(setup);
  ASSERT_TRUE(lane.Start());
  near_->Append("echo/a", "answer");
  near_->Append("echo/b", "silence");
  ASSERT_TRUE(lane.facts.Await([&] { return lane.taken.size() == 2; }));
  // Both gateways learn of epoch 3, the near one sends again.
  lane.Publish(3);
  ASSERT_TRUE(lane.facts.Await([&] { return lane.taken.size() == 4; }));
  far_->Append("echo/c", "knows");
  ASSERT_TRUE(lane.facts.Await([&] { return lane.taken.size() == 5 && lane.taken[4].epoch == 3; }));

  lane.thread().Run([&] {
    for (Taken& event : held) event.epoch = 2;
    Broadcast(&lane, held[0]);
    lane.Release(held[1], {});
  });
  // A later round trip on both streams: what came before it was looked at.
  lane.thread().Run([&] {
    lane.links().Release(
        {.cause = {},
         .shard = 0,
         .epoch = 3,
         .outputs = {TestStatekeeper::To({{kNear, UuidLow(1)}, {kFar, UuidLow(1)}}, "alarm")}});
  });
  ASSERT_TRUE(near_->AwaitDeliveries(1));
  ASSERT_TRUE(far_->AwaitDeliveries(1));
  EXPECT_THAT(Payloads(near_.get()), ElementsAre("alarm"));
  EXPECT_THAT(Payloads(far_.get()), ElementsAre("alarm"));
  EXPECT_EQ(near_->unsettled(), 2u);

  lane.thread().Run([&] {
    for (Taken& event : held) event.epoch = 3;
    Broadcast(&lane, held[0]);
    lane.Release(held[1], {});
    lane.Release(held[4], {});
  });
  ASSERT_TRUE(near_->AwaitSettled());
  ASSERT_TRUE(far_->AwaitSettled());
  EXPECT_THAT(Payloads(near_.get()), ElementsAre("alarm", "answer"));
  EXPECT_THAT(Payloads(far_.get()), ElementsAre("alarm", "answer"));
}

TEST_F(TwoGatewaysTest, AnAlarmsCallerLearnsWhenEveryGatewayHasIt) {
  bool acknowledged = false;
  const auto release = [&] {
    statekeeper_->thread().Run([&] {
      statekeeper_->links().Release(
          {.cause = {},
           .shard = 3,
           .epoch = 1,
           .outputs = {TestStatekeeper::To({{kNear, UuidLow(1)}, {kFar, UuidLow(1)}}, "alarm")},
           .acknowledged = [&] { statekeeper_->facts.Change([&] { acknowledged = true; }); }});
    });
  };
  release();
  EXPECT_TRUE(statekeeper_->facts.Await([&] { return acknowledged; }));
  EXPECT_THAT(Payloads(near_.get()), ElementsAre("alarm"));
  EXPECT_THAT(Payloads(far_.get()), ElementsAre("alarm"));

  bool at_once = false;
  statekeeper_->thread().Run([&] {
    statekeeper_->links().Release(
        {.cause = {}, .shard = 3, .epoch = 1, .outputs = {}, .acknowledged = [&] { at_once = true; }});
  });
  EXPECT_TRUE(at_once);
}

TEST_F(LinkTest, AGatewayThatStaysAwayIsGivenUpAndItsAcknowledgementsCountAsGiven) {
  const GatewayId kFar = TestGatewayId(2);
  TestStatekeeper::Setup setup = Standard();
  setup.links.gateway_grace = Duration(300);
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    self->Release(event,
                  {TestStatekeeper::To({{event.gateway, UuidLow(1)}, {kFar, UuidLow(1)}}, event.payload)});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  auto far = std::make_unique<TestGateway>(Gateway(2));
  ASSERT_TRUE(gateway.AwaitReady());
  ASSERT_TRUE(far->AwaitReady());
  gateway.Append("echo/a", "both");
  ASSERT_TRUE(far->AwaitDeliveries(1));
  ASSERT_TRUE(gateway.AwaitSettled());
  const auto present = [&](GatewayId id) {
    return statekeeper.thread().Get<bool>([&] { return statekeeper.links().IsPresent(id); });
  };
  far.reset();
  EXPECT_TRUE(present(kFar));
  gateway.Append("echo/a", "one is away");
  ASSERT_TRUE(gateway.AwaitDeliveries(2));
  ASSERT_TRUE(statekeeper.facts.Await([&] { return !statekeeper.gone.empty(); }));
  EXPECT_THAT(statekeeper.GetGone(), ElementsAre(kFar));
  EXPECT_FALSE(present(kFar));
  EXPECT_TRUE(present(gateway.id));
  EXPECT_FALSE(present(0x4004));  // never seen, and the grace since the start is over
  ASSERT_TRUE(gateway.AwaitSettled());
}

TEST_F(LinkTest, AGatewayThatWasGivenUpComesBackAsANewOneWithAllThatIsUnsettled) {
  const std::string front = directory_ / "proxy.sock";
  TestStatekeeper::Setup setup = Standard();
  setup.unix_path = front;
  setup.links.gateway_grace = Duration(200);
  std::vector<Taken> held;
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    if (event.payload == "hold" && held.empty()) {
      held.push_back(event);
    } else {
      self->Release(event, {TestStatekeeper::To({event.from}, event.payload)});
    }
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  CuttingProxy proxy(front, path_);
  StatekeeperLinks::Config config = Gateway();
  config.statekeepers = {"unix:" + front};
  TestGateway gateway(config);
  ASSERT_TRUE(gateway.AwaitReady());
  for (int i = 0; i < 5; ++i) gateway.Append("echo/a", "before");
  ASSERT_TRUE(gateway.AwaitDeliveries(5));
  ASSERT_TRUE(gateway.AwaitSettled());
  gateway.Append("echo/a", "hold");
  ASSERT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() == 6; }));
  proxy.set_closed(true);
  proxy.Cut();
  ASSERT_TRUE(statekeeper.facts.Await([&] { return !statekeeper.gone.empty(); }));
  gateway.Append("echo/a", "while away");
  proxy.set_closed(false);
  ASSERT_TRUE(gateway.AwaitSettled());
  ASSERT_TRUE(gateway.AwaitDeliveries(7));
  const std::vector<std::string> payloads = Payloads(&gateway);
  EXPECT_THAT(std::vector(payloads.begin() + 5, payloads.end()), ElementsAre("hold", "while away"));
  EXPECT_THAT(statekeeper.facts.Get<std::vector<GatewayId>>([&] { return statekeeper.back; }),
              ElementsAre(gateway.id));
}

TEST_F(LinkTest, AFullReplayBufferIsCongestionAndSettlementEndsIt) {
  TestStatekeeper::Setup setup = Standard();
  setup.links.gateway_grace = Duration(60'000);
  std::vector<Taken> held;
  setup.on_event = [&](TestStatekeeper*, const Taken& event) { held.push_back(event); };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  StatekeeperLinks::Config config = Gateway();
  config.replay_buffer = 10'000;
  TestGateway gateway(config);
  ASSERT_TRUE(gateway.AwaitReady());

  size_t sent = 0;
  gateway.thread().Run([&] {
    auto room = StatekeeperLinks::AppendResult::kAccepted;
    while (room == StatekeeperLinks::AppendResult::kAccepted && sent < 1000) {
      EXPECT_FALSE(gateway.links().IsCongested("echo/a"));
      room = gateway.links().Append({.connection = UuidLow(1), .hub = "echo/a", .payload = "0123456789"});
      ++sent;
    }
    EXPECT_TRUE(gateway.links().IsCongested("echo/a"));
  });
  EXPECT_GT(sent, 20u);
  EXPECT_LT(sent, 500u);
  ASSERT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() == sent; }));
  EXPECT_EQ(gateway.facts.Get<int>([&] { return gateway.uncongested_count; }), 0);
  statekeeper.thread().Run([&] {
    for (const Taken& event : held) statekeeper.Release(event, {});
  });
  ASSERT_TRUE(gateway.facts.Await([&] { return gateway.uncongested_count > 0; }));
  ASSERT_TRUE(gateway.AwaitSettled());
  EXPECT_EQ(gateway.facts.Get<int>([&] { return gateway.uncongested_count; }), 1);
  EXPECT_FALSE(gateway.thread().Get<bool>([&] { return gateway.links().IsCongested("echo/a"); }));
}

TEST_F(LinkTest, ALaneThatDoesNotListenStopsTheStreamAndMissesNothing) {
  TestStatekeeper::Setup setup = Standard();
  setup.links.max_inbox = 1 << 20;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  std::promise<void> go_on;
  statekeeper.thread().Post([&] { go_on.get_future().wait(); });

  constexpr int kEvents = 60;
  const std::string filling(1 << 20, 'x');
  for (int i = 0; i < kEvents; ++i) gateway.Append("echo/a", std::to_string(i) + filling);
  // Fewer messages than events leave while nobody reads: the inbox, the sockets and gRPC's windows hold the
  // others back.
  gateway.thread().Run([] {});
  const auto sent = [&] {
    return gateway.thread().Get<uint64_t>([&] { return gateway.links().traffic().messages_sent; });
  };
  uint64_t before = 0;
  for (uint64_t now = sent(); now != before; now = sent()) {
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_LT(before, kEvents / 2);
  go_on.set_value();
  ASSERT_TRUE(gateway.AwaitDeliveries(kEvents));
  const std::vector<Delivered> delivered = gateway.delivered();
  for (int i = 0; i < kEvents; ++i) {
    EXPECT_EQ(delivered[static_cast<size_t>(i)].payload, std::to_string(i) + filling);
  }
}

TEST_F(LinkTest, BrokenInputEndsItsOwnStreamAndNoOther) {
  TestStatekeeper::Setup setup = Standard();
  setup.lanes = 2;
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());

  link::ToLane no_greeting;
  no_greeting.set_events("x");
  struct {
    link::ToLane first;
    grpc::StatusCode status;
  } const refused[] = {
      {no_greeting, grpc::StatusCode::INVALID_ARGUMENT},
      {RudeGateway::Hello(1, 2), grpc::StatusCode::INVALID_ARGUMENT},      // there are two lanes
      {RudeGateway::Hello(99, 0), grpc::StatusCode::FAILED_PRECONDITION},  // an earlier statekeeper
  };
  for (const auto& [first, status] : refused) {
    RudeGateway rude("unix:" + path_);
    rude.Open(first);
    EXPECT_EQ(rude.AwaitEnd(), status);
  }

  link::ToLane cut;
  AppendEvent({.shard = 0, .epoch = 1, .sequence = 1, .hub = "echo/a", .payload = "x"}, cut.mutable_events());
  cut.mutable_events()->pop_back();
  link::ToLane other_lane;
  AppendEvent({.shard = 1, .epoch = 1, .sequence = 1, .hub = "echo/a", .payload = "x"},
              other_lane.mutable_events());
  link::ToLane no_shard;
  AppendEvent({.shard = 64, .epoch = 1, .sequence = 1, .hub = "echo/a", .payload = "x"},
              no_shard.mutable_events());
  link::ToLane no_kind;
  AppendEvent({.kind = EventKind{99}, .shard = 0, .epoch = 1, .sequence = 1, .hub = "echo/a", .payload = ""},
              no_kind.mutable_events());
  link::ToLane unsent_batch;
  unsent_batch.set_received_through(1000);
  const grpc::Slice garbage(std::string("\xff\xff\xff\xff garbage"));
  for (const grpc::ByteBuffer& message :
       {ToBuffer(cut), ToBuffer(other_lane), ToBuffer(no_shard), ToBuffer(no_kind), ToBuffer(unsent_batch),
        ToBuffer(RudeGateway::Hello(1, 0)), grpc::ByteBuffer(&garbage, 1)}) {
    RudeGateway rude("unix:" + path_);
    rude.Open(RudeGateway::Hello(1, 0));
    ASSERT_TRUE(rude.AwaitGreeting());
    rude.Write(message);
    EXPECT_EQ(rude.AwaitEnd(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_THAT(statekeeper.GetTaken(), IsEmpty());
  gateway.Append("echo/a", "fine");
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
}

// Of a gateway of a later version, say. It is not sent again and again.
TEST_F(LinkTest, AnEventThatTheLaneCannotReadIsDroppedAndNothingElse) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  constexpr int kEvents = 30;
  gateway.thread().Run([&] {
    for (int i = 0; i < kEvents; ++i) {
      const std::string hub = "echo/" + std::to_string(i % 7);
      const std::string payload = std::to_string(i);
      gateway.links().Append({.kind = i == 11 || i == 20 ? EventKind{99} : EventKind::kText,
                              .connection = UuidLow(1),
                              .hub = hub,
                              .payload = payload});
    }
  });
  ASSERT_TRUE(gateway.AwaitDeliveries(size_t{kEvents} - 2));
  ASSERT_TRUE(gateway.AwaitSettled());
  EXPECT_THAT(gateway.facts.Get<std::vector<std::string>>([&] { return gateway.unreadable; }),
              testing::UnorderedElementsAre("11", "20"));
  EXPECT_EQ(Payloads(&gateway).size(), size_t{kEvents} - 2);
  EXPECT_EQ(statekeeper.GetTaken().size(), size_t{kEvents} - 2);
}

TEST_F(LinkTest, AnEventThatOvertookTheOwnersWordDoesNotHideThoseBeforeIt) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  RudeGateway gateway("unix:" + path_);
  gateway.Open(RudeGateway::Hello(1, 0));
  ASSERT_TRUE(gateway.AwaitGreeting());
  const auto write = [&](const std::vector<uint64_t>& sequences) {
    link::ToLane message;
    for (const uint64_t sequence : sequences) {
      AppendEvent({.shard = 3,
                   .epoch = 2,
                   .sequence = sequence,
                   .hub = "echo/a",
                   .payload = std::to_string(sequence)},
                  message.mutable_events());
    }
    gateway.Write(ToBuffer(message));
  };
  // By a map that is ahead of the lane.
  write({7});
  const auto received = [&] {
    return statekeeper.thread().Get<uint64_t>(
        [&] { return statekeeper.links().traffic().messages_received; });
  };
  while (received() < 2) std::this_thread::yield();
  statekeeper.Own(2);
  write({8});     // before the gateway hears of that
  write({7, 8});  // and after
  write({9});
  ASSERT_TRUE(statekeeper.facts.Await([&] { return statekeeper.taken.size() >= 3; }));
  std::vector<std::string> payloads;
  for (const Taken& taken : statekeeper.GetTaken()) payloads.push_back(taken.payload);
  EXPECT_THAT(payloads, ElementsAre("7", "8", "9"));
}

TEST_F(LinkTest, ASecondStreamOfAGatewayReplacesTheFirst) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  RudeGateway first("unix:" + path_);
  first.Open(RudeGateway::Hello(1, 0));
  ASSERT_TRUE(first.AwaitGreeting());
  RudeGateway second("unix:" + path_);
  second.Open(RudeGateway::Hello(1, 0));
  ASSERT_TRUE(second.AwaitGreeting());
  EXPECT_EQ(first.AwaitEnd(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(statekeeper.thread().Get<size_t>([&] { return statekeeper.links().traffic().gateways; }), 1u);
}

// A gateway's id is the first half of what clients see of each of their connections.
TEST_F(LinkTest, NobodyTakesAGatewaysStreamByWhatItsConnectionsAreCalled) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  const std::string seen = gateway.Connection(1).ToBytes();
  std::string padded = seen.substr(0, sizeof(GatewayId));
  std::string reversed(padded.rbegin(), padded.rend());
  for (const std::string& identity :
       {std::string(), seen, padded, gateway.Connection(1).ToString().substr(0, 18)}) {
    RudeGateway thief("unix:" + path_);
    link::ToLane hello = RudeGateway::Hello(1, 0);
    hello.mutable_hello()->set_identity(identity);
    thief.Open(hello);
    EXPECT_EQ(thief.AwaitEnd(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  for (std::string identity : {padded, reversed, seen + seen}) {
    RudeGateway thief("unix:" + path_);
    identity.resize(kGatewayIdentitySize, '\0');
    link::ToLane hello = RudeGateway::Hello(1, 0);
    hello.mutable_hello()->set_identity(identity);
    thief.Open(hello);
    ASSERT_TRUE(thief.AwaitGreeting());
    EXPECT_FALSE(thief.received()[0].hello().resumed());  // somebody else
    const size_t before = gateway.delivered().size();
    gateway.Append("echo/a", "mine");
    ASSERT_TRUE(gateway.AwaitDeliveries(before + 1));
    EXPECT_THAT(thief.received(), testing::SizeIs(1));
  }
  EXPECT_THAT(Payloads(&gateway), ElementsAre("mine", "mine", "mine"));
}

TEST_F(LinkTest, OnlySoManyGatewaysAreRememberedAndThoseThatGoMakeRoom) {
  TestStatekeeper::Setup setup = Standard();
  setup.links.gateway_grace = Duration(500);
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  const auto greeting = [](uint64_t number) {
    link::ToLane hello = RudeGateway::Hello(1, 0);
    hello.mutable_hello()->set_identity(TestIdentity(number));
    return hello;
  };
  constexpr size_t kMost = 1024;
  {
    RudeGateway many("unix:" + path_);
    for (size_t i = 0; i < kMost; ++i) {
      many.Open(greeting(1000 + i));
      ASSERT_TRUE(many.AwaitMessages(static_cast<int>(i) + 1));
    }
    many.Open(greeting(99));
    EXPECT_EQ(many.AwaitEnd(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    const auto known = [&] { return statekeeper.links().traffic().gateways; };
    EXPECT_EQ(statekeeper.thread().Get<size_t>(known), kMost);
  }
  TestGateway gateway(Gateway());
  EXPECT_TRUE(gateway.AwaitReady());
}

TEST_F(LinkTest, ARecallOutlastsAReplacedStream) {
  std::vector<std::string> handed;  // on the lane's thread, under facts
  TestStatekeeper::Setup setup = Standard();
  setup.on_event = [&](TestStatekeeper* self, const Taken& event) {
    self->facts.Change([&] { handed.push_back(event.payload); });
    self->Release(event, {});
  };
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  RudeGateway first("unix:" + path_);
  first.Open(RudeGateway::Hello(1, 0));
  ASSERT_TRUE(first.AwaitGreeting());
  const std::string hub = "echo/a";
  const ShardId shard = ShardOf(hub, 64);
  const auto recalled = [&](const std::vector<std::string>& frames) {
    EXPECT_THAT(frames, IsEmpty());
    statekeeper.facts.Change([&] { handed.emplace_back("end"); });
  };
  statekeeper.thread().Run([&] {
    statekeeper.links().Recall({RudeGateway::Id(), UuidLow(1)}, shard, 1, recalled);
  });
  ASSERT_TRUE(first.AwaitMessages(2));
  // What it sent back got lost with its stream, although it acknowledges the batch.
  RudeGateway second("unix:" + path_);
  link::ToLane hello = RudeGateway::Hello(1, 0);
  hello.mutable_hello()->set_received_through(1);
  second.Open(hello);
  ASSERT_TRUE(second.AwaitMessages(2));
  EXPECT_EQ(first.AwaitEnd(), grpc::StatusCode::ABORTED);
  link::ToLane again;
  AppendEvent({.kind = EventKind::kUndelivered,
               .shard = shard,
               .epoch = 1,
               .sequence = 1,
               .connection = UuidLow(1),
               .hub = hub,
               .payload = "came back"},
              again.mutable_events());
  again.set_received_through(2);
  second.Write(ToBuffer(again));
  ASSERT_TRUE(statekeeper.facts.Await([&] { return !handed.empty() && handed.back() == "end"; }));
  EXPECT_THAT(handed, ElementsAre("came back", "end"));
}

TEST_F(LinkTest, AServerSaysWhichAddressIsTaken) {
  prometheus::Registry registry;
  const auto gate = TestSecret().NewGate(&registry);
  TestStatekeeper::Setup setup = Standard();
  setup.addresses.push_back("127.0.0.1:0");
  setup.gate = gate;
  TestStatekeeper first(setup);
  ASSERT_TRUE(first.Start());
  ASSERT_GT(first.server().port(), 0);
  std::string error;
  const std::string address = "127.0.0.1:" + std::to_string(first.server().port());
  EXPECT_FALSE(NewLinkServer({.addresses = {address}, .gate = gate, .incarnation = 2})->Start(&error));
  EXPECT_THAT(error, testing::HasSubstr(address));
  EXPECT_FALSE(NewLinkServer({.addresses = {"unix:" + path_}, .incarnation = 2})->Start(&error));
  EXPECT_THAT(error, testing::HasSubstr(path_));
}

TEST_F(LinkTest, ASocketThatAKilledServerLeftIsReplaced) {
  const int left = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(left);
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  EXPECT_TRUE(gateway.AwaitReady());
}

TEST_F(LinkTest, AGatewayFindsStatekeepersByTheirDirectory) {
  StatekeeperLinks::Config config = Gateway();
  config.statekeepers = {"unix:" + directory_.path()};
  TestGateway gateway(config);  // there is nothing yet
  TestStatekeeper::Setup setup = Standard();
  setup.addresses = {"unix:" + StatekeeperSocket(directory_.path(), 1)};
  setup.unix_path = StatekeeperSocket(directory_.path(), 1);
  TestStatekeeper statekeeper(setup);
  ASSERT_TRUE(statekeeper.Start());
  EXPECT_TRUE(gateway.AwaitReady());
}

TEST_F(LinkTest, AGatewayFindsTheStatekeeperThatLivesAmongThoseItWasTold) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  StatekeeperLinks::Config config = Gateway();
  config.statekeepers = {"unix:" + directory_ / "nobody.sock", "unix:" + directory_ / "none.sock",
                         "unix:" + path_};
  TestGateway gateway(config);
  EXPECT_TRUE(gateway.AwaitReady());
}

TEST_F(LinkTest, AGatewayIsToldOfTheAppsAddressesWhenTheyChange) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Listen());
  statekeeper.Own(1);
  TestGateway gateway(Gateway());
  uint64_t version = 0;
  // Of so many members, the first of which lives and owns everything.
  const auto publish = [&](const std::vector<std::string>& addresses) {
    link::ShardMap map;
    map.set_version(++version);
    map.set_shard_count(Standard().shards);
    for (const std::string& address : addresses) {
      link::Member* member = map.add_members();
      *member = statekeeper.Describe();
      if (map.members_size() > 1) member->set_incarnation(100 + static_cast<uint64_t>(map.members_size()));
      member->set_app_http(address);
    }
    for (uint32_t i = 0; i < Standard().shards; ++i) {
      map.add_owner(0);
      map.add_epoch(1);
    }
    statekeeper.server().Publish(std::move(map));
  };
  using Told = std::vector<std::vector<std::string>>;
  const auto await = [&](size_t count) {
    EXPECT_TRUE(gateway.facts.Await([&] { return gateway.app_addresses.size() >= count; }));
    return gateway.facts.Get<Told>([&] { return gateway.app_addresses; });
  };
  publish({""});
  publish({"/run/one", "", "/run/two"});
  EXPECT_EQ(await(1), (Told{{"/run/one", "/run/two"}}));
  publish({"/run/one", "/run/two"});
  publish({""});
  EXPECT_EQ(await(2), (Told{{"/run/one", "/run/two"}, {}})) << "a map that says the same is no news";
}

TEST_F(LinkTest, EventsOfShardsWithoutAnOwnerWait) {
  TestStatekeeper statekeeper(Standard());
  ASSERT_TRUE(statekeeper.Start());
  TestGateway gateway(Gateway());
  ASSERT_TRUE(gateway.AwaitReady());
  link::ShardMap map;
  map.set_version(10);
  map.set_shard_count(64);
  for (int i = 0; i < 64; ++i) {
    map.add_owner(~0u);
    map.add_epoch(2);
  }
  statekeeper.server().Publish(map);
  const auto reason = [&] {
    return gateway.thread().Get<std::string>([&] { return gateway.links().not_ready_reason(); });
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (reason().empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_THAT(reason(), testing::HasSubstr("no owner"));
  gateway.Append("echo/a", "waits");
  EXPECT_EQ(gateway.unsettled(), 1u);
  statekeeper.Publish(3);
  ASSERT_TRUE(gateway.AwaitDeliveries(1));
}

}  // namespace
}  // namespace dormouse
