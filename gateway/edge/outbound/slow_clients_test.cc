// Clients that do not read what is sent to them, and what they cost the others. Through an EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
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

TEST_F(SlowClientsTest, ASlowReaderGetsEverythingInOrderAndItsHubIsTold) {
  Start("outbound_pause: 1000000 outbound_resume: 500000 outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  TestClient quick = Open();
  const uint64_t a = links_->WaitForEvent(0).connection;
  const uint64_t b = links_->WaitForEvent(1).connection;
  constexpr int kMessages = 200;
  const auto message = [](int i) { return std::to_string(i) + std::string(100'000, 'x'); };
  for (int i = 0; i < kMessages; ++i) DeliverText({a, b}, message(i));
  size_t pause = 1;
  while (links_->WaitForKind(EventKind::kPause, pause + 1, &pause).connection != a) {
  }
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(quick.ReadMessage(), message(i));
  EXPECT_GT(metrics_->outbound_queued_bytes->Value(), 1'000'000);
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(slow.ReadMessage(), message(i));
  size_t at = 2;
  while (links_->WaitForKind(EventKind::kResume, at + 1, &at).connection !=
         a) {  // the quick one may have paused, too
  }
  WaitForGauge(metrics_->outbound_queued_bytes, 0);
}

TEST_F(SlowClientsTest, AReaderThatIsTooSlowIsClosedWith1013) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start("outbound_pause: 1000000 outbound_resume: 500000 outbound_limit: 3000000", config);
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 300; ++i) DeliverText({connection}, std::string(100'000, 'x'));
  ExpectCloseEvent(1013, "Too slow");
  EXPECT_EQ(slow.ReadClose().close_code(), 1013);  // once it reads what was on its way
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(metrics_->outbound_queued_bytes->Value(), 0);
}

TEST_F(SlowClientsTest, AReaderThatNeverReadsIsDropped) {
  EdgeServer::Config config;
  config.close_timeout_ms = 200;
  Start("outbound_limit: 3000000", config);
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 300; ++i) DeliverText({connection}, std::string(100'000, 'x'));
  ExpectCloseEvent(1013, "Too slow");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(metrics_->outbound_queued_bytes->Value(), 0);
}

TEST_F(SlowClientsTest, WhatWaitsForASlowReaderStillComesBeforeTheHubsClose) {
  Start("outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 100; ++i)
    DeliverText({connection}, std::string(100'000, static_cast<char>('a' + i % 26)));
  DeliverClose(connection, 4000, "that was all");
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(slow.ReadMessage(), std::string(100'000, static_cast<char>('a' + i % 26)));
  EXPECT_EQ(slow.ReadClose().close_reason(), "that was all");
}

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
    char* at = batch.data();
    DeliveryView delivery;
    while (at != batch.data() + batch.size() && ReadDelivery(&at, batch.data() + batch.size(), &delivery))
      edge_->OnDelivery(delivery);
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

}  // namespace
}  // namespace dormouse::edge
