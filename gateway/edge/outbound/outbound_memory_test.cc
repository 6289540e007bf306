// Who is closed when too much waits for all sockets together. Through an EdgeServer.
#include "gateway/edge/outbound/outbound_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

class OutboundMemoryTest : public EdgeServerTest {
 protected:
  // Until all that was delivered has been written or waits, and gauges say so.
  void WaitForTurn() {
    links_->Run([] {});
    links_->Run([] {});
  }
};

TEST_F(OutboundMemoryTest, WhatManyWaitForIsKeptOnceThoughTheirHeadsDiffer) {
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

TEST_F(OutboundMemoryTest, OverTheSumOfAllWhoeverHoldsMostOfItIsClosed) {
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

TEST_F(OutboundMemoryTest, WhoReadsIsSparedBeforeWhoDoesNot) {
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

}  // namespace
}  // namespace dormouse::edge
