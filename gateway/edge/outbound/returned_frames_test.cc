// What comes back to hubs of what clients did not get. Through an EdgeServer.
#include "gateway/edge/outbound/returned_frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using ReturnedFramesTest = EdgeServerTest;

TEST_F(ReturnedFramesTest, ReturnableTextToAClientThatHasJustGoneComesBack) {
  Start();
  std::optional<TestClient> client(Open());
  const uint64_t connection = links_->WaitForEvent(0).connection;
  links_->Run([&] {  // in one turn of the loop, so that it cannot have seen the end yet
    client.reset();
    DeliverReturnable(connection, "too late");
  });
  EXPECT_EQ(links_->WaitForKind(EventKind::kUndelivered, 1).payload, "too late");
}

TEST_F(ReturnedFramesTest, ReturnableTextToAConnectionThatIsNotThereComesBackWhole) {
  Start();
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  const Recipient recipients[] = {{UuidLow(7), "head "}, {connection, "hello "}};
  links_->Deliver({.cause = {}, .recipients = recipients, .has_heads = true, .payload = "not returnable"});
  links_->Deliver({.cause = {},
                   .return_to = "room/lobby",
                   .recipients = recipients,
                   .has_heads = true,
                   .payload = "world"});
  links_->Deliver({.kind = static_cast<DeliveryKind>(99),  // of a later version
                   .cause = {},
                   .return_to = "room/lobby",
                   .recipients = recipients,
                   .has_heads = true,
                   .payload = "what is this"});
  DeliverReturnable(UuidLow(8), "last");
  const FakeLinks::Event first = links_->WaitForEvent(1);
  EXPECT_EQ(first.kind, EventKind::kUndelivered);
  EXPECT_EQ(first.connection, UuidLow(7));
  EXPECT_EQ(first.hub, "room/lobby");
  EXPECT_EQ(first.payload, "head world");
  EXPECT_EQ(links_->WaitForEvent(2).payload, "last");
  EXPECT_EQ(client.ReadMessage(), "hello not returnable");
  EXPECT_EQ(client.ReadMessage(), "hello world");
  EXPECT_TRUE(client.HasNothing(50));
}

TEST_F(ReturnedFramesTest, WhatWaitedForAReaderThatWasTooSlowComesBackAfterItsClose) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start("outbound_limit: 3000000", config);
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 300;
  for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
  const std::vector<int> got = ReadNumbers(&slow);
  const std::vector<int> returned = AwaitReturned(connection, kMessages - got.size());
  EXPECT_EQ(links_->WaitForEvent(1).close_reason(), "Too slow");
  // Each went one way or the other, in order.
  std::vector<int> all = got;
  all.insert(all.end(), returned.begin(), returned.end());
  ASSERT_EQ(all.size(), kMessages);
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(all[i], i);
  slow.SendClose(1013, "");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(metrics_->outbound_queued_bytes->Value(), 0);
}

TEST_F(ReturnedFramesTest, WhatWaitedForABrokenReaderComesBackAfterItsClose) {
  Start("outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 100;
  for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
  slow.Abort();
  ExpectCloseEvent(1006, "");
  for (int i = kMessages; i < 2 * kMessages; ++i) DeliverReturnable(connection, Numbered(i));
  std::vector<int> returned;
  for (size_t at = 2; returned.empty() || returned.back() < 2 * kMessages - 1; ++at) {
    returned.push_back(std::stoi(links_->WaitForKind(EventKind::kUndelivered, at, &at).payload));
  }
  EXPECT_GT(returned.size(), static_cast<size_t>(kMessages));
  for (size_t i = 1; i < returned.size(); ++i) EXPECT_EQ(returned[i], returned[i - 1] + 1);
}

TEST_F(ReturnedFramesTest, AHubThatClosesAgainWantsBackWhatStillWaits) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start("outbound_limit: 500000000", config);
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 100;
  for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
  DeliverClose(connection, 4000, "that was all");
  DeliverClose(connection, 1001, "");
  DeliverReturnable(connection, Numbered(kMessages));
  const std::vector<int> got = ReadNumbers(&slow);
  const std::vector<int> returned = AwaitReturned(connection, kMessages + 1 - got.size());
  std::vector<int> all = got;
  all.insert(all.end(), returned.begin(), returned.end());
  ASSERT_EQ(all.size(), kMessages + 1);
  EXPECT_GT(returned.size(), 1u);
  for (int i = 0; i <= kMessages; ++i) EXPECT_EQ(all[i], i);
}

TEST_F(ReturnedFramesTest, HubsGetBackWholeWhatTheClosedDidNotTake) {
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

}  // namespace
}  // namespace dormouse::edge
