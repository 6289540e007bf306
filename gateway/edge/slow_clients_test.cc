// Clients that take their time, in what they send, in what they read and in saying who they are. Through an
// EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/edge_server_fixture.h"

namespace dormouse {
namespace {

using testing::StartsWith;

class SlowClientsTest : public EdgeServerTest {
 protected:
  // Until all that was delivered has been written or waits, and gauges say so.
  void WaitForTurn() {
    links_->Run([] {});
    links_->Run([] {});
  }
};

TEST_F(SlowClientsTest, ARequestThatTricklesIsCutOffAtTheDeadline) {
  EdgeServer::Config config;
  config.handshake_timeout_ms = 300;
  Start("", config);
  TestClient client(port());
  const int64_t began = SteadyMs();
  client.SendRaw("GET /room HTTP/1.1\r\nX: ");
  while (client.HasNothing(20) && SteadyMs() - began < 10'000) client.SendRaw("x");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_GE(SteadyMs() - began, 300);
  EXPECT_EQ(metrics_->handshake_timeouts->Value(), 1);
}

// --- Admission

TEST_F(SlowClientsTest, WhoIsNotAdmittedInTimeIsClosed) {
  Start(R"(admission_timeout_ms: 300 admission_close_code: 1008 admission_close_reason: "Connect timeout"
           idle_timeout_ms: 1500 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient unknown = Open();
  TestClient known = Open();
  const int64_t began = SteadyMs();
  DeliverAdmit(links_->WaitForEvent(1).connection);
  while (unknown.HasNothing(20)) unknown.SendText("I talk, but do not say who I am");
  const TestClient::Frame close = unknown.ReadClose();
  EXPECT_EQ(close.close_code(), 1008);
  EXPECT_EQ(close.close_reason(), "Connect timeout");
  EXPECT_GE(SteadyMs() - began, 280);
  ExpectCloseEvent(1008, "Connect timeout");
  EXPECT_EQ(Metric("dormouse_closes_total", "not_admitted"), 1);
  EXPECT_EQ(known.ReadClose().close_code(), 4408) << "the idle timeout is enforced as ever";
}

TEST_F(SlowClientsTest, AdmissionIsNotAskedOfAClientThatIsNotRead) {
  Start(R"(admission_timeout_ms: 200)");
  links_->Congest(true);
  TestClient client = Open();
  WaitForGauge(metrics_->congested, 1);
  EXPECT_TRUE(client.HasNothing(600));
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  EXPECT_EQ(client.ReadClose().close_code(), 1008);
}

// --- Messages in pieces

TEST_F(SlowClientsTest, AMessageMustBeWholeWithinTheIdleTimeout) {
  Start(R"(idle_timeout_ms: 400 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient fragments = Open();
  TestClient within_a_frame = Open();
  TestClient slow_but_done = Open();
  const std::string frame = TestClient::FrameBytes(TestClient::kText, std::string(3000, 'x'));
  const int64_t began = SteadyMs();
  fragments.Send(TestClient::kText, "x", false);
  within_a_frame.SendRaw(frame.substr(0, 10));
  bool half = false;
  while (SteadyMs() - began < 390) {
    EXPECT_TRUE(within_a_frame.HasNothing(0));
    fragments.Send(TestClient::kContinuation, "x", false);
    within_a_frame.SendRaw("x");
    slow_but_done.Send(half ? TestClient::kContinuation : TestClient::kText, "x", half);
    half = !half;
    fragments.HasNothing(20);
  }
  if (half) slow_but_done.Send(TestClient::kContinuation, "x");
  EXPECT_EQ(fragments.ReadClose().close_code(), 4408);
  EXPECT_EQ(within_a_frame.ReadClose().close_code(), 4408);
  EXPECT_LT(SteadyMs() - began, 5'000);
  slow_but_done.Send(TestClient::kPing, "still here");
  EXPECT_EQ(slow_but_done.ReadFrame()->opcode, TestClient::kPong);
}

TEST_F(SlowClientsTest, PingsDoNotKeepAnUnfinishedMessageAlive) {
  Start(R"(idle_timeout_ms: 300 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient client = Open();
  client.Send(TestClient::kText, "x", false);
  const int64_t began = SteadyMs();
  std::optional<TestClient::Frame> frame;
  do {
    client.Send(TestClient::kPing, "");
    frame = client.ReadFrame();
  } while (frame.has_value() && frame->opcode == TestClient::kPong && SteadyMs() - began < 10'000);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->opcode, TestClient::kClose);
  EXPECT_EQ(frame->close_code(), 4408);
}

TEST_F(SlowClientsTest, WhenMemoryIsShortTheUnfinishedMessageGoesThatCostsMost) {
  EdgeServer::Config config;
  config.inbound_buffer = 8'000;
  Start("", config);
  links_->Echo(true);
  TestClient first = Open();
  TestClient second = Open();
  TestClient third = Open();
  first.Send(TestClient::kText, std::string(3000, 'a'), false);
  while (metrics_->inbound_partial_bytes->Value() < 3'000) links_->Run([] {});
  second.Send(TestClient::kText, std::string(2000, 'b'), false);
  while (metrics_->inbound_partial_bytes->Value() < 5'000) links_->Run([] {});
  third.Send(TestClient::kText, std::string(4000, 'c'), false);
  EXPECT_EQ(first.ReadClose().close_code(), 1013);
  ExpectCloseEvent(1013, "Too many unfinished messages");
  EXPECT_EQ(Metric("dormouse_closes_total", "partials_full"), 1);
  third.Send(TestClient::kContinuation, "");
  EXPECT_EQ(third.ReadMessage(), std::string(4000, 'c'));
  second.Abort();
  WaitForGauge(metrics_->inbound_partial_bytes, 0);
}

TEST_F(SlowClientsTest, WhoComesAlongIsServedBesideAnyNumberOfUnfinishedMessages) {
  EdgeServer::Config config;
  config.inbound_buffer = 20'000;
  Start("", config);
  links_->Echo(true);
  TestClient innocent = Open();
  std::vector<TestClient> crowd;
  for (int i = 0; i < 40; ++i) {
    crowd.push_back(Open());
    crowd.back().Send(TestClient::kText, std::string(3000, 'x'), false);
    // In pieces, as they come over a network.
    const std::string bytes = TestClient::FrameBytes(TestClient::kText, std::string(3900, 'i'));
    innocent.SendRaw(bytes.substr(0, 2000));
    for (TestClient& trickles : crowd) trickles.Send(TestClient::kContinuation, "y", false);
    innocent.SendRaw(bytes.substr(2000));
    ASSERT_EQ(innocent.ReadMessage(), std::string(3900, 'i')) << i;
  }
  EXPECT_GE(Metric("dormouse_closes_total", "partials_full"), 30);
}

TEST_F(SlowClientsTest, AMessageThatNeedsMoreThanThereIsEndsItsOwnConnection) {
  EdgeServer::Config config;
  config.inbound_buffer = 2'000;
  Start("", config);
  TestClient client = Open();
  client.Send(TestClient::kText, std::string(3000, 'a'), false);
  EXPECT_EQ(client.ReadClose().close_code(), 1013);
}

// --- Outbound

TEST_F(SlowClientsTest, ManySmallMessagesPauseAndResume) {
  Start("outbound_pause_messages: 100 outbound_resume_messages: 50 outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 3000;
  for (int i = 0; i < kMessages; ++i) DeliverText({connection}, std::to_string(i) + std::string(10'000, 'x'));
  size_t at = 0;
  uint32_t said = 50;
  for (int i = 0; i < 3; ++i) {
    const Backlog backlog = links_->WaitForKind(EventKind::kPause, at + 1, &at).backlog();
    EXPECT_GE(backlog.messages, 2 * said);
    EXPECT_LE(backlog.messages, 2 * said + 1);
    EXPECT_NEAR(static_cast<double>(backlog.bytes), backlog.messages * 10'004.0, 70'000);
    said = backlog.messages;
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_THAT(slow.ReadMessage(), StartsWith(std::to_string(i) + "x"));
  const Backlog backlog = links_->WaitForKind(EventKind::kResume, at + 1).backlog();
  EXPECT_LE(backlog.messages, 50u);
}

TEST_F(SlowClientsTest, WhatManyWaitForIsKeptOnceThoughTheirHeadsDiffer) {
  Start("outbound_limit: 500000000");
  constexpr int kClients = 10;
  constexpr int kMessages = 8;
  std::vector<TestClient> slow;
  std::vector<std::string> heads;
  std::vector<Recipient> recipients;
  for (int i = 0; i < kClients; ++i) {
    slow.push_back(Open("/room", 4096));
    heads.push_back("to number " + std::to_string(i) + ": ");
  }
  for (int i = 0; i < kClients; ++i)
    recipients.push_back(
        {links_->WaitForEvent(static_cast<size_t>(i)).connection, heads[static_cast<size_t>(i)]});
  const auto body = [](int message) { return std::string(1'000'000, static_cast<char>('a' + message)); };
  for (int message = 0; message < kMessages; ++message) {
    DeliveryToAppend delivery;
    delivery.recipients = recipients;
    delivery.has_heads = true;
    const std::string payload = body(message);
    delivery.payload = payload;
    links_->Deliver(delivery);
  }
  WaitForTurn();
  EXPECT_GT(metrics_->outbound_queued_bytes->Value(), kClients * 3e6);
  EXPECT_LT(metrics_->outbound_buffer_bytes->Value(), kMessages * 1e6 + kClients * 100e3);
  for (size_t i = 0; i < kClients; ++i) {
    for (int message = 0; message < kMessages; ++message)
      ASSERT_TRUE(slow[i].ReadMessage() == heads[i] + body(message));
  }
  WaitForGauge(metrics_->outbound_buffer_bytes, 0);
}

TEST_F(SlowClientsTest, OverTheSumOfAllWhoeverHoldsMostOfItIsClosed) {
  EdgeServer::Config config;
  config.outbound_buffer = 8'000'000;
  Start("outbound_limit: 500000000", config);
  TestClient little = Open("/room", 4096);
  TestClient much = Open("/room", 4096);
  const uint64_t a = links_->WaitForEvent(0).connection;
  const uint64_t b = links_->WaitForEvent(1).connection;
  int sent = 0;
  for (; metrics_->outbound_queued_bytes->Value() < 150'000; WaitForTurn()) {
    ASSERT_LT(sent, 1000);
    DeliverText({a}, Numbered(sent++));
  }
  for (int i = 0; i < 300; ++i) DeliverText({b}, Numbered(i));
  ExpectCloseEvent(1013, "Too slow", 2);
  EXPECT_EQ(links_->WaitForKind(EventKind::kClose, 2).connection, b);
  WaitForTurn();
  EXPECT_LE(metrics_->outbound_buffer_bytes->Value(), config.outbound_buffer);
  EXPECT_EQ(Metric("dormouse_closes_total", "outbound_full"), 1);
  for (int i = 0; i < sent; ++i) EXPECT_TRUE(little.ReadMessage() == Numbered(i));
  EXPECT_EQ(much.ReadClose().close_code(), 1013);
}

TEST_F(SlowClientsTest, WhoReadsIsSparedBeforeWhoDoesNot) {
  EdgeServer::Config config;
  config.outbound_buffer = 16'000'000;
  Start("outbound_limit: 500000000", config);
  TestClient reads = Open("/room", 4096);
  TestClient sleeps = Open("/room", 4096);
  const uint64_t a = links_->WaitForEvent(0).connection;
  const uint64_t b = links_->WaitForEvent(1).connection;
  int sent = 0;
  for (; sent < 70; ++sent) {
    DeliverText({a}, Numbered(sent));
    if (sent >= 10) DeliverText({b}, Numbered(sent));
  }
  int read = 0;
  const int64_t began = SteadyMs();
  while (SteadyMs() - began < 2'000) {
    DeliverText({a}, Numbered(sent++));
    ASSERT_TRUE(reads.ReadMessage() == Numbered(read++));
    links_->Run([] {});
  }
  ASSERT_EQ(Metric("dormouse_closes_total", "outbound_full"), 0);
  for (int i = 0; Metric("dormouse_closes_total", "outbound_full") == 0; ++i) {
    ASSERT_LT(i, 1000);
    DeliverText({a, b}, Numbered(sent++));
    WaitForTurn();
  }
  EXPECT_EQ(links_->WaitForKind(EventKind::kClose, 2).connection, b);
  for (; read < sent; ++read) ASSERT_TRUE(reads.ReadMessage() == Numbered(read));
}

TEST_F(SlowClientsTest, HubsGetBackWholeWhatTheClosedDidNotTake) {
  EdgeServer::Config config;
  config.outbound_buffer = 6'000'000;
  config.close_timeout_ms = 60'000;
  Start("outbound_limit: 500000000", config);
  TestClient first = Open("/room", 4096);
  TestClient second = Open("/room", 4096);
  const uint64_t a = links_->WaitForEvent(0).connection;
  const uint64_t b = links_->WaitForEvent(1).connection;
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) {
    const std::string head = std::to_string(i);
    const Recipient recipients[] = {{a, head}, {b, head}};
    links_->Deliver({.cause = {},
                     .return_to = "room/lobby",
                     .recipients = recipients,
                     .has_heads = true,
                     .payload = std::string(100'000, 'x')});
  }
  for (const auto& [client, connection] : {std::pair(&first, a), std::pair(&second, b)}) {
    std::vector<int> all = ReadNumbers(client);
    for (size_t at = 1; all.size() < kMessages; ++at) {
      const FakeLinks::Event event = links_->WaitForEvent(at);
      if (event.connection != connection || !IsReturn(event.kind)) continue;
      const int number = std::stoi(event.payload);
      ASSERT_EQ(event.payload.size(), std::to_string(number).size() + 100'000);
      // The end of the one that was begun may have gone out, or not.
      if (event.kind == EventKind::kUnconfirmed && number < static_cast<int>(all.size())) continue;
      all.push_back(number);
    }
    for (int i = 0; i < kMessages; ++i) ASSERT_EQ(all[static_cast<size_t>(i)], i);
  }
  EXPECT_EQ(Metric("dormouse_closes_total", "outbound_full"), 2);
}

TEST_F(SlowClientsTest, ALargeFanOutIsSpreadOverTurnsOfTheLoop) {
  Start("outbound_limit: 500000000");
  constexpr size_t kClients = 100;
  std::vector<TestClient> crowd;
  std::vector<Recipient> recipients;
  for (size_t i = 0; i < kClients; ++i) {
    crowd.push_back(Open());
    recipients.push_back({links_->WaitForEvent(i).connection, {}});
  }
  TestClient other = Open();
  const Recipient bystander{links_->WaitForEvent(kClients).connection, {}};
  const std::string large(1'000'000, 'x');
  std::string batch;
  AppendDelivery({.cause = {}, .recipients = recipients, .payload = large}, &batch);
  AppendDelivery({.cause = {}, .recipients = {&bystander, 1}, .payload = "and you?"}, &batch);
  AppendDelivery({.cause = {}, .recipients = recipients, .payload = "that was it"}, &batch);
  int64_t begun = 0;
  links_->Run([&] {
    std::string_view rest = batch;
    DeliveryView delivery;
    while (ReadDelivery(&rest, &delivery)) edge_->OnDelivery(delivery);
    begun = std::ranges::count_if(crowd, [](TestClient& client) { return !client.HasNothing(0); });
  });
  EXPECT_GT(begun, 0) << "what can go at once goes at once";
  EXPECT_LT(begun, 10) << "the rest is for the turns that follow";
  EXPECT_EQ(other.ReadMessage(), "and you?");
  for (TestClient& client : crowd) {
    ASSERT_TRUE(client.ReadMessage() == large);
    ASSERT_EQ(client.ReadMessage(), "that was it");
  }
}

// --- Leaving while output waits

class LeavingTest : public SlowClientsTest {
 protected:
  // A client for which far more waits than the kernel takes, and its handle.
  std::pair<TestClient, uint64_t> OpenWithBacklog() {
    size_t at = links_->event_count();
    TestClient client = Open("/room", 4096);
    const uint64_t connection = links_->WaitForKind(EventKind::kOpen, at, &at).connection;
    for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
    WaitForTurn();
    EXPECT_GT(metrics_->outbound_queued_bytes->Value(), 5e6);
    return {std::move(client), connection};
  }
  FakeLinks::Event CloseOf(uint64_t connection) {
    for (size_t at = 0;; ++at) {
      FakeLinks::Event event = links_->WaitForKind(EventKind::kClose, at, &at);
      if (event.connection == connection) return event;
    }
  }

  static constexpr int kMessages = 150;
};

TEST_F(LeavingTest, AClientThatClosesIsHeardAndAnsweredThoughMegabytesWaitForIt) {
  Start("outbound_limit: 500000000");
  for (const uint16_t code : {1000, 1001, 1005, 4000}) {
    auto [client, connection] = OpenWithBacklog();
    if (code == 1005) {
      client.Send(TestClient::kClose, "");
    } else {
      client.SendClose(code, "bye");
    }
    // Before it has read a byte.
    const FakeLinks::Event close = CloseOf(connection);
    EXPECT_EQ(close.close_code(), code);
    EXPECT_EQ(close.close_reason(), code == 1005 ? "" : "bye");
    EXPECT_TRUE(close.close_by_client());
    size_t whole = 0;
    std::optional<TestClient::Frame> frame;
    while ((frame = client.ReadFrame()) && frame->opcode != TestClient::kClose) whole += frame->final ? 1 : 0;
    ASSERT_TRUE(frame.has_value()) << "its close frame must be answered: " << code;
    if (code == 1005) {
      EXPECT_EQ(frame->payload, "");
    } else {
      EXPECT_EQ(frame->close_code(), code);
    }
    EXPECT_TRUE(client.ReadsEnd());
    WaitForGauge(metrics_->connections, 0);
    EXPECT_LT(whole, static_cast<size_t>(kMessages)) << "or the test says nothing";
    // What was not written whole goes back to the hub.
    std::vector<int> returned;
    for (size_t at = 0; returned.size() < kMessages - whole; ++at) {
      const FakeLinks::Event event = links_->WaitForKind(EventKind::kUndelivered, at, &at);
      if (event.connection == connection) returned.push_back(std::stoi(event.payload));
    }
    EXPECT_EQ(returned.front(), static_cast<int>(whole));
    EXPECT_EQ(returned.back(), kMessages - 1);
  }
}

TEST_F(LeavingTest, WhoNeverReadsHisCloseFrameIsLetGo) {
  EdgeServer::Config config;
  config.close_timeout_ms = 300;
  Start("outbound_limit: 500000000", config);
  auto [client, connection] = OpenWithBacklog();
  client.SendClose(1000, "");
  EXPECT_EQ(CloseOf(connection).close_code(), 1000);
  WaitForGauge(metrics_->connections, 0);
}

TEST_F(LeavingTest, HowItEndedIsWhatTheClientSaidBeforeItWasGone) {
  Start("outbound_limit: 500000000");
  for (int i = 0; i < 20; ++i) {
    auto [polite, a] = OpenWithBacklog();
    polite.SendClose(1000, "");
    polite.Abort();  // reset: it has not read all
    EXPECT_EQ(CloseOf(a).close_code(), 1000);
    EXPECT_TRUE(CloseOf(a).close_by_client());
    WaitForGauge(metrics_->connections, 0);
  }
  auto [broken, b] = OpenWithBacklog();
  broken.Abort();
  EXPECT_EQ(CloseOf(b).close_code(), 1006);
  EXPECT_FALSE(CloseOf(b).close_by_client());
  auto [half, c] = OpenWithBacklog();
  half.EndOutput();
  EXPECT_EQ(CloseOf(c).close_code(), 1006);
  WaitForGauge(metrics_->connections, 0);
}

}  // namespace
}  // namespace dormouse
