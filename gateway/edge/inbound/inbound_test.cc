// What one client may make a gateway and its hub do: its window, its rate, and what it hears of either.
// Through an EdgeServer.
#include "gateway/edge/inbound/inbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::StartsWith;

class InboundTest : public EdgeServerTest {
 protected:
  // Frames "0", "1", ... in one go.
  static std::string Numbers(int count, size_t padding = 0) {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      bytes += TestClient::FrameBytes(TestClient::kText, std::to_string(i) + std::string(padding, '.'));
    }
    return bytes;
  }
  static EdgeServer::Config WindowOf(uint32_t messages) {
    EdgeServer::Config config;
    config.connection_window = messages;
    return config;
  }
  void LetTheLoopTurn() {
    for (int i = 0; i < 100; ++i) links_->Run([] {});
  }
};

// --- The window

TEST_F(InboundTest, AHubGetsAWindowOfOneClientAndTheRestWhenItHasDealtWithThat) {
  Start("", WindowOf(4));
  links_->Settle(false);
  TestClient client = Open();
  links_->WaitForEvent(0);
  client.SendRaw(Numbers(100));
  EXPECT_EQ(links_->WaitForEvent(4).payload, "3");
  LetTheLoopTurn();
  EXPECT_EQ(links_->event_count(), 5u);  // not one more was read
  EXPECT_EQ(metrics_->windows_full->Value(), 1);

  TestClient other = Open();
  other.SendText("other");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 5).payload, "other");

  links_->Settle(true);
  size_t at = 4;
  for (int i = 4; i < 100; ++i) {
    do {
      ++at;
    } while (links_->WaitForEvent(at).payload == "other" ||
             links_->WaitForEvent(at).kind != EventKind::kText);
    ASSERT_EQ(links_->WaitForEvent(at).payload, std::to_string(i));
  }
}

TEST_F(InboundTest, AWindowHasBytesToo) {
  Start("", WindowOf(1'000));
  links_->Settle(false);
  TestClient client = Open();
  std::thread sender([&] { client.SendRaw(Numbers(100, 3'000)); });
  // Twice the largest message, 64 KiB at least.
  links_->WaitForEvent(21);
  LetTheLoopTurn();
  EXPECT_EQ(links_->event_count(), 1u + 22);
  links_->Settle(true);
  EXPECT_THAT(links_->WaitForEvent(100).payload, StartsWith("99."));
  sender.join();
}

TEST_F(InboundTest, AClientWhoseWindowIsFullCanGo) {
  Start("", WindowOf(1));
  links_->Settle(false);
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  client.SendRaw(Numbers(10));
  links_->WaitForEvent(1);
  DeliverClose(connection, 4000, "enough");
  EXPECT_EQ(client.ReadClose().close_code(), 4000);
  WaitForGauge(metrics_->connections, 0);
  links_->Settle(true);
  LetTheLoopTurn();
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(InboundTest, WhoWaitsForItsHubIsNotIdle) {
  Start("idle_timeout_ms: 300 idle_check_ms: 10 idle_close_code: 4408", WindowOf(1));
  links_->Settle(false);
  TestClient client = Open();
  client.SendRaw(Numbers(2));
  links_->WaitForEvent(1);
  TestClient silent = Open();
  EXPECT_EQ(silent.ReadClose().close_code(), 4408);
  links_->Settle(true);
  size_t at = 2;
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, at).payload, "1");
}

// --- Messages that come in pieces

class WholeMessagesTest : public InboundTest {
 protected:
  static constexpr size_t kClients = 8;
  static constexpr size_t kSize = 600'000;

  // Of each client a message has come, but for its end; then the ends, and what `after` says, come at once.
  void HaveAllEndAtOnce(const std::string& after = "") {
    Start();
    links_->Run([this] {
      edge_->OnProfiles({Profile(R"(name: "room" routes { path: "/room" hub_name: "lobby" }
                                    max_message_size: 1000000)")},
                        16);
    });
    for (size_t i = 0; i < kClients; ++i) {
      clients_.push_back(Open());
      links_->WaitForKind(EventKind::kOpen, i);
    }
    const std::string frame = TestClient::FrameBytes(TestClient::kText, std::string(kSize, 'x')) + after;
    const size_t cut = frame.size() - after.size() - 10;
    for (TestClient& client : clients_) client.SendRaw(std::string_view(frame).substr(0, cut));
    // One read of each socket a turn.
    for (int i = 0; i < 30; ++i) LetTheLoopTurn();
    while (metrics_->inbound_partial_bytes->Value() < kClients * (kSize - 10)) links_->Run([] {});
    LetTheLoopTurn();
    LetTheLoopTurn();
    links_->Run([&] {
      for (TestClient& client : clients_) client.SendRaw(std::string_view(frame).substr(cut));
    });
  }

  std::vector<TestClient> clients_;
};

TEST_F(WholeMessagesTest, OfManyATurnHandsOnOnlySome) {
  HaveAllEndAtOnce();
  std::map<size_t, size_t> bytes;  // by turn
  for (size_t i = 0; i < kClients; ++i) {
    const FakeLinks::Event event = links_->WaitForEvent(kClients + i);
    EXPECT_EQ(event.payload, std::string(kSize, 'x'));
    bytes[event.turn] += event.payload.size();
  }
  for (const auto& [turn, each] : bytes) EXPECT_LE(each, kSize) << turn;
  // Those that had to wait are read on.
  for (TestClient& client : clients_) client.SendText("more");
  for (size_t i = 0; i < kClients; ++i) EXPECT_EQ(links_->WaitForEvent(2 * kClients + i).payload, "more");
}

TEST_F(WholeMessagesTest, WhoGoesBehindHisLeavesIt) {
  HaveAllEndAtOnce(TestClient::FrameBytes(TestClient::kText, "more") +
                   TestClient::FrameBytes(TestClient::kClose, {}));
  std::map<uint64_t, std::vector<size_t>> sizes;
  for (size_t i = 0; i < 3 * kClients; ++i) {
    const FakeLinks::Event event = links_->WaitForEvent(kClients + i);
    sizes[event.connection].push_back(event.kind == EventKind::kClose ? 0 : event.payload.size());
  }
  EXPECT_EQ(sizes.size(), kClients);
  for (const auto& [connection, each] : sizes) EXPECT_THAT(each, testing::ElementsAre(kSize, 4, 0));
}

TEST_F(WholeMessagesTest, WhoIsClosedBeforeItHadItsTurnIsGone) {
  HaveAllEndAtOnce();
  links_->Run([this] { edge_->Drain([] {}); });
  for (TestClient& client : clients_) client.Abort();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(metrics_->inbound_partial_bytes->Value(), 0);
}

// --- Long messages on their way

TEST_F(InboundTest, OfManyLongMessagesATurnReadsOnlySomeAndShortOnesFirst) {
  Start();
  links_->Run([this] {
    edge_->OnProfiles({Profile(R"(name: "room" routes { path: "/room" hub_name: "lobby" }
                                  max_message_size: 1000000)")},
                      16);
  });
  constexpr size_t kClients = 40;
  constexpr size_t kBegun = 20'000;
  constexpr size_t kMore = 60'000;
  const std::string frame = TestClient::FrameBytes(TestClient::kText, std::string(600'000, 'x'));
  std::vector<TestClient> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(Open());
    clients.back().SendRaw(std::string_view(frame).substr(0, kBegun));
  }
  TestClient other = Open();
  links_->WaitForEvent(kClients);
  const double head = static_cast<double>(frame.size() - 600'000);
  WaitForGauge(metrics_->inbound_partial_bytes, kClients * (kBegun - head));

  struct Turn {
    double bytes;   // of unfinished messages
    size_t events;  // that hubs have been told
  };
  std::vector<Turn> turns;
  ev_prepare at_end;
  struct Look {
    const GatewayMetrics* metrics;
    const FakeLinks* links;
    std::vector<Turn>* turns;
  } look{metrics_.get(), links_.get(), &turns};
  ev_prepare_init(&at_end, [](struct ev_loop*, ev_prepare* prepare, int) {
    const auto* from = static_cast<Look*>(prepare->data);
    from->turns->push_back({from->metrics->inbound_partial_bytes->Value(), from->links->event_count()});
  });
  at_end.data = &look;
  ev_set_priority(&at_end, EV_MINPRI);
  links_->Run([&] {
    ev_prepare_start(loop_, &at_end);
    for (TestClient& client : clients) client.SendRaw(std::string_view(frame).substr(kBegun, kMore));
    other.SendText("a word");
  });
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, kClients).payload, "a word");
  WaitForGauge(metrics_->inbound_partial_bytes, kClients * (kBegun + kMore - head));
  links_->Run([&] { ev_prepare_stop(loop_, &at_end); });

  constexpr double kMost = 200'000;  // some reads
  for (size_t i = 1; i < turns.size(); ++i) EXPECT_LE(turns[i].bytes - turns[i - 1].bytes, kMost) << i;
  const auto heard = std::ranges::find_if(turns, [](const Turn& turn) { return turn.events > kClients + 1; });
  ASSERT_NE(heard, turns.end());
  EXPECT_LE(heard->bytes - turns.front().bytes, kMost) << "a short message waits for long ones";
}

// --- The rate

TEST_F(InboundTest, ErrorsAreBoundedHoweverManyMessagesAreRefused) {
  Start(R"(rate_limit: 0.001 rate_burst: 1 rate_limited_reply { parts { literal: "slow down" } })");
  TestClient client = Open();
  client.SendRaw(Numbers(1'000));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.ReadMessage(), "slow down");
  while (metrics_->rate_limited->Value() < 999) links_->Run([] {});
  EXPECT_GE(metrics_->answers_dropped->Value(), 800);
  client.SendText(std::string(5'000, 'x'));  // too large: that is not said either
  while (metrics_->oversized->Value() < 1) links_->Run([] {});
}

TEST_F(InboundTest, WhoDoesNotReadIsNotToldEverything) {
  Start();
  TestClient client = Open("/room", 2'048);
  std::string heartbeats;
  for (int i = 0; i < 1'000; ++i)
    heartbeats += TestClient::FrameBytes(TestClient::kText, R"({"type":"heartbeat"})");
  const int64_t until = SteadyMs() + 30'000;
  while (metrics_->answers_dropped->Value() == 0 && SteadyMs() < until) client.SendRaw(heartbeats);
  EXPECT_GT(metrics_->answers_dropped->Value(), 0);
  EXPECT_LT(metrics_->outbound_queued_bytes->Value(), 100'000);
  // It is told again when it has read.
  client.SendText("after");
  while (links_->event_count() < 2 || metrics_->outbound_queued_bytes->Value() > 0) {
    if (!client.HasNothing(5)) client.ReadMessage();
    ASSERT_LT(SteadyMs(), until);
  }
  const double dropped = metrics_->answers_dropped->Value();
  client.SendText(R"({"type":"heartbeat"})");
  client.SendText("last");
  links_->WaitForEvent(2);
  EXPECT_EQ(metrics_->answers_dropped->Value(), dropped);
}

constexpr char kRoles[] = R"(
  rate_limit: 0.001 rate_burst: 1
  rate_limited_reply { parts { literal: "at most " } parts { value: RATE_LIMIT } }
  role_limits { role: "board" rate: 0.002 burst: 3 } role_limits { role: "free" })";

TEST_F(InboundTest, ARoleCountsFromWhenTheHubNamesIt) {
  Start(kRoles);
  links_->Echo(true);
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  client.SendText("1");
  EXPECT_EQ(client.ReadMessage(), "1");
  client.SendText("2");
  EXPECT_EQ(client.ReadMessage(), "at most 0.001");
  DeliverAdmit(connection, "free");
  for (int i = 0; i < 50; ++i) {
    client.SendText("free");
    ASSERT_EQ(client.ReadMessage(), "free");
  }
  DeliverAdmit(connection, "board");
  client.SendText("3");
  EXPECT_EQ(client.ReadMessage(), "at most 0.002");
  DeliverAdmit(connection, "unknown");
  client.SendText("3");
  EXPECT_EQ(client.ReadMessage(), "at most 0.001");
}

TEST_F(InboundTest, ARoleCountsFromTheUpgradeOnAndSurvivesANewProfile) {
  const FakeAuthority authority;
  EdgeServer::Config config;
  config.http.upgrades.tokens = &authority;
  Start(kRoles, config);
  links_->Echo(true);
  TestClient client(port());
  ASSERT_THAT(client.Upgrade("/room", "Authorization: Bearer " + std::string(FakeAuthority::kGood) + "\r\n"),
              StartsWith("HTTP/1.1 101 "));
  for (int i = 0; i < 3; ++i) {
    client.SendText("one of three");
    ASSERT_EQ(client.ReadMessage(), "one of three");
  }
  client.SendText("4");
  EXPECT_EQ(client.ReadMessage(), "at most 0.002");
  links_->Run([this] {
    edge_->OnProfiles(
        {Profile(std::string(kRoom) + R"(role_limits { role: "board" } rate_limit: 1 rate_burst: 1)")}, 16);
  });
  client.SendText("no limit");
  EXPECT_EQ(client.ReadMessage(), "no limit");
}

}  // namespace
}  // namespace dormouse::edge
