// How what hubs send comes to sockets. Through an EdgeServer.
#include "gateway/edge/outbound/outbound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using OutboundTest = EdgeServerTest;

TEST_F(OutboundTest, OneDeliveryReachesAllItsRecipients) {
  Start();
  std::vector<TestClient> clients;
  std::vector<uint64_t> connections;
  for (size_t i = 0; i < 50; ++i) {
    clients.push_back(Open());
    connections.push_back(links_->WaitForEvent(i).connection);
  }
  const std::string text(70'000, 'm');  // in fragments
  DeliverText(connections, text);
  DeliverText(connections, "short");
  for (TestClient& client : clients) {
    EXPECT_EQ(client.ReadMessage(), text);
    EXPECT_EQ(client.ReadMessage(), "short");
  }
}

TEST_F(OutboundTest, HeadsGoBeforeTheSharedBytesInOneFrame) {
  Start();
  TestClient a = Open();
  TestClient b = Open();
  TestClient c = Open();
  const std::string large_head(70'000, 'h');
  const Recipient recipients[] = {{links_->WaitForEvent(0).connection, "to a: "},
                                  {links_->WaitForEvent(1).connection, ""},
                                  {links_->WaitForEvent(2).connection, large_head}};
  DeliveryToAppend delivery;
  delivery.recipients = recipients;
  delivery.has_heads = true;
  delivery.payload = "shared";
  links_->Deliver(delivery);
  const auto frame = a.ReadFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(frame->final);
  EXPECT_EQ(frame->payload, "to a: shared");
  EXPECT_EQ(b.ReadMessage(), "shared");
  EXPECT_EQ(c.ReadMessage(), large_head + "shared");
}

TEST_F(OutboundTest, AnswersPings) {
  Start();
  TestClient client = Open();
  client.Send(TestClient::kPing, "are you there");
  const auto frame = client.ReadFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->opcode, TestClient::kPong);
  EXPECT_EQ(frame->payload, "are you there");
  client.Send(TestClient::kPong, "unasked");  // is fine
  client.SendText("still here");
  EXPECT_EQ(links_->WaitForEvent(1).payload, "still here");
}

TEST_F(OutboundTest, EveryPingIsAnswered) {
  Start();
  TestClient client = Open();
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += TestClient::FrameBytes(TestClient::kPing, std::to_string(i));
  client.SendRaw(bytes);
  for (int i = 0; i < 10; ++i) {
    const auto frame = client.ReadFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->opcode, TestClient::kPong);
    EXPECT_EQ(frame->payload, std::to_string(i));
  }
}

TEST_F(OutboundTest, WhoPingsAndDoesNotReadGetsTheLastAnswer) {
  Start("outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 100; ++i) DeliverText({connection}, Numbered(i));
  while (metrics_->outbound_queued_bytes->Value() < 1e6) links_->Run([] {});
  for (int i = 0; i < 1000; ++i) slow.Send(TestClient::kPing, std::to_string(i));
  slow.SendText("a sign that the pings were read");
  links_->WaitForKind(EventKind::kText, 1);
  std::vector<std::string> pongs;
  int messages = 0;
  while (messages < 100) {
    const auto frame = slow.ReadFrame();
    ASSERT_TRUE(frame.has_value());
    if (frame->opcode == TestClient::kPong) {
      pongs.push_back(frame->payload);
    } else {
      messages += frame->final ? 1 : 0;
    }
  }
  EXPECT_EQ(pongs.back(), "999");
  EXPECT_LT(pongs.size(), 100u);
}

TEST_F(OutboundTest, WhatATurnHasForASocketLeavesInOneWrite) {
  Start();
  std::vector<TestClient> clients;
  std::vector<uint64_t> connections;
  for (size_t i = 0; i < 3; ++i) {
    clients.push_back(Open());
    connections.push_back(links_->WaitForEvent(i).connection);
  }
  constexpr int kMessages = 200;
  std::string batch;
  for (int i = 0; i < kMessages; ++i) {
    std::vector<Recipient> recipients;
    for (const uint64_t connection : connections) recipients.push_back({connection, "head "});
    const std::string text = std::to_string(i) + std::string(100, 'x');
    AppendDelivery({.cause = {}, .recipients = recipients, .has_heads = true, .payload = text}, &batch);
  }
  const double before = metrics_->writes->Value();
  links_->Run([&] {
    std::string_view rest = batch;
    DeliveryView delivery;
    while (ReadDelivery(&rest, &delivery)) edge_->OnDelivery(delivery);
  });
  for (TestClient& client : clients) {
    for (int i = 0; i < kMessages; ++i)
      ASSERT_EQ(client.ReadMessage(), "head " + std::to_string(i) + std::string(100, 'x'));
  }
  EXPECT_EQ(metrics_->writes->Value() - before, 3);
}

TEST_F(OutboundTest, AStaleConnectionIsPassedOver) {
  Start();
  uint64_t stale = 0;
  {
    TestClient client = Open();
    stale = links_->WaitForEvent(0).connection;
  }
  links_->WaitForKind(EventKind::kClose, 1);
  TestClient client = Open();
  const uint64_t open = links_->WaitForKind(EventKind::kOpen, 2).connection;
  DeliverText({stale, open, 0}, "hello");
  EXPECT_EQ(client.ReadMessage(), "hello");
}

TEST_F(OutboundTest, ABrokenReaderHarmsNobody) {
  Start("outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  TestClient quick = Open();
  const uint64_t a = links_->WaitForEvent(0).connection;
  const uint64_t b = links_->WaitForEvent(1).connection;
  for (int i = 0; i < 50; ++i) DeliverText({a, b}, std::string(200'000, 'x'));
  slow.Abort();
  for (int i = 0; i < 50; ++i) DeliverText({a, b}, std::string(200'000, 'x'));
  for (int i = 0; i < 100; ++i) ASSERT_EQ(quick.ReadMessage().size(), 200'000u);
  const FakeLinks::Event close = links_->WaitForKind(EventKind::kClose, 2);
  EXPECT_EQ(close.connection, a);
  EXPECT_EQ(close.close_code(), 1006);
  WaitForGauge(metrics_->outbound_queued_bytes, 0);
}

}  // namespace
}  // namespace dormouse::edge
