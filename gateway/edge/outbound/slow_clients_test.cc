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

using SlowClientsTest = EdgeServerTest;

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

}  // namespace
}  // namespace dormouse::edge
