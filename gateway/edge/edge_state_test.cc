// What an edge hands to its successor, and that one goes on with: two of them on one loop, one after the other, with
// real sockets.
#include "gateway/edge/edge_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/takeover/testing/state_copy.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;

class EdgeStateTest : public EdgeServerTest {
 protected:
  ~EdgeStateTest() override {
    if (thread_.joinable()) {
      links_->Run([this] { ev_break(loop_, EVBREAK_ALL); });
      thread_.join();
    }
    before_.clear();
    links_before_.clear();
  }

  // Another edge takes the place of the one that there is; events are counted from 0 again.
  void Replace() {
    links_->Run([this] {
      takeover::StateCopy copy;
      takeover::StateWriter writer(&copy);
      const uint64_t key = edge_->table_key();
      const size_t connections = edge_->connections();
      edge_->Save(&writer);
      ASSERT_TRUE(writer.Finish());
      const int listening = dup(edge_->listening_sockets().plain);
      edge_->Leave(0, [] {});

      EdgeServer::Config config = config_;
      config.gateway = kGateway;
      config.http.listen = "127.0.0.1:0";
      config.http.web_root = web_root_.path();
      auto next = std::make_unique<EdgeServer>(config, loop_, metrics_.get());
      auto links = std::make_unique<FakeLinks>(loop_, next.get());
      next->Prepare(links.get());
      next->OnProfiles(profiles_, 16);
      next->RestoreTableKey(key);
      takeover::StateReader reader(&copy);
      while (const takeover::Item* item = reader.Next()) EXPECT_TRUE(next->Restore(*item, &reader));
      EXPECT_EQ(reader.wrong(), "there is no more");
      next->FinishRestoring();
      next->Listen({.plain = listening});
      EXPECT_EQ(next->connections(), connections);
      std::swap(edge_, next);
      before_.push_back(std::move(next));
      next_links_ = std::move(links);
    });
    links_before_.push_back(std::move(links_));
    links_ = std::move(next_links_);
  }

  EdgeServer::Config config_;
  std::unique_ptr<FakeLinks> next_links_;
  std::vector<std::unique_ptr<EdgeServer>> before_;
  std::vector<std::unique_ptr<FakeLinks>> links_before_;
};

TEST_F(EdgeStateTest, SocketsGoOnBothWays) {
  Start();
  TestClient client = Open("/room/kitchen");
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 3; ++i) {
    Replace();
    client.SendText("up " + std::to_string(i));
    const FakeLinks::Event event = links_->WaitForEvent(0);
    EXPECT_EQ(event.kind, EventKind::kText);
    EXPECT_EQ(event.connection, connection);
    EXPECT_EQ(event.hub, "room/kitchen");
    EXPECT_EQ(event.payload, "up " + std::to_string(i));
    DeliverText({connection}, "down " + std::to_string(i));
    EXPECT_EQ(client.ReadMessage(), "down " + std::to_string(i));
  }
  client.SendClose(1000, "enough");
  EXPECT_EQ(links_->WaitForKind(EventKind::kClose, 0).close_code(), 1000);
}

TEST_F(EdgeStateTest, OutputThatIsHalfWrittenGoesOnWhereItStopped) {
  Start();
  TestClient client = Open("/room", 4'096);
  TestClient other = Open("/room", 4'096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  const uint64_t second = links_->WaitForEvent(1).connection;
  for (int i = 0; i < 60; ++i) DeliverText({connection, second}, Numbered(i));
  links_->Run([] {});
  Replace();
  EXPECT_GT(Metric("dormouse_outbound_queued_bytes"), 0);
  Replace();
  for (int i = 60; i < 70; ++i) DeliverText({connection, second}, Numbered(i));
  DeliverClose(connection, 4000, "done");
  DeliverClose(second, 4000, "done");
  std::vector<int> all(70);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(ReadNumbers(&client), all);
  EXPECT_EQ(ReadNumbers(&other), all);
}

// Bodies that many wait for are one afterwards, too.
TEST_F(EdgeStateTest, SharedOutputStaysShared) {
  Start();
  std::vector<TestClient> clients;
  std::vector<uint64_t> connections;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(Open("/room", 4'096));
    connections.push_back(links_->WaitForEvent(static_cast<size_t>(i)).connection);
  }
  for (int i = 0; i < 80; ++i) DeliverText(connections, Numbered(i));
  for (int i = 0; i < 10; ++i) links_->Run([] {});  // what is counted is shown at the end of a turn
  const double before = Metric("dormouse_outbound_buffer_bytes");
  Replace();
  for (int i = 0; i < 10; ++i) links_->Run([] {});
  const double after = Metric("dormouse_outbound_buffer_bytes");
  EXPECT_GT(after, before * 0.8);
  EXPECT_LT(after, before * 1.2);
}

TEST_F(EdgeStateTest, AMessageThatHasComeInPartIsPutTogether) {
  Start();
  TestClient client = Open();
  links_->WaitForEvent(0);
  std::string text;
  for (int i = 0; i < 300; ++i) text += "\xE2\x82\xAC" + std::to_string(i);  // characters of three bytes
  const std::string frame = TestClient::FrameBytes(TestClient::kText, text);
  // Cut within the header, within a character, and at a frame's border.
  size_t sent = 0;
  for (const size_t cut : {size_t{1}, size_t{5}, size_t{9}, size_t{100}, size_t{1'001}, size_t{1'002}}) {
    client.SendRaw(std::string_view(frame).substr(sent, cut - sent));
    sent = cut;
    // Until the gateway has read it.
    links_->Run([] {});
    client.HasNothing(20);
    Replace();
  }
  client.SendRaw(std::string_view(frame).substr(sent));
  EXPECT_EQ(links_->WaitForEvent(0).payload, text);

  client.Send(TestClient::kText, "one, ", false);
  client.HasNothing(20);
  Replace();
  client.Send(TestClient::kContinuation, "two, ", false);
  client.HasNothing(20);
  Replace();
  client.Send(TestClient::kContinuation, "three");
  EXPECT_EQ(links_->WaitForEvent(0).payload, "one, two, three");
}

TEST_F(EdgeStateTest, ABrokenCharacterIsFoundAcrossASuccessor) {
  Start();
  TestClient client = Open();
  links_->WaitForEvent(0);
  client.Send(TestClient::kText, "\xE2\x82", false);
  client.HasNothing(20);
  Replace();
  client.Send(TestClient::kContinuation, "x");
  EXPECT_EQ(client.ReadClose().close_code(), 1007);
}

TEST_F(EdgeStateTest, WhatTheClientMayStillSayIsRemembered) {
  Start(R"(rate_limit: 0.01 rate_burst: 2 rate_limited_reply { parts { literal: "slow down" } })");
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  client.SendText("one");
  links_->WaitForEvent(1);
  Replace();
  client.SendText("two");
  EXPECT_EQ(links_->WaitForEvent(0).payload, "two");
  client.SendText("three");
  EXPECT_EQ(client.ReadMessage(), "slow down");
  Replace();
  client.SendText("four");
  EXPECT_EQ(client.ReadMessage(), "slow down");
  DeliverText({connection}, "still here");
  EXPECT_EQ(client.ReadMessage(), "still here");
}

TEST_F(EdgeStateTest, AdmissionAnswersAndRolesMove) {
  Start(R"(admission_timeout_ms: 60000 admission_close_code: 4401 rate_limit: 100 rate_burst: 100
           role_limits { role: "guest" rate: 0.01 burst: 1 } rate_limited_reply { parts { literal: "no" } })");
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  Replace();
  client.SendText(R"({"type":"heartbeat"})");  // who is not admitted is answered by the hub alone
  EXPECT_EQ(links_->WaitForEvent(0).kind, EventKind::kText);
  DeliverAdmit(connection, "guest");
  DeliverAutoResponse(connection, "marco", "polo");
  Replace();
  client.SendText("marco");
  EXPECT_EQ(client.ReadMessage(), "polo");
  client.SendText("marco");
  EXPECT_EQ(client.ReadMessage(), "no") << "its role's limit, of which it has used all";
  Replace();
  client.SendText("marco");
  EXPECT_EQ(client.ReadMessage(), "no");
  DeliverAdmit(connection, "");
  client.HasNothing(50);
  Replace();
  client.SendText("marco");
  EXPECT_EQ(client.ReadMessage(), "polo");
}

TEST_F(EdgeStateTest, WhoIsNotAdmittedInTimeIsClosedByTheSuccessor) {
  Start(R"(admission_timeout_ms: 300 admission_close_code: 4401)");
  TestClient client = Open();
  links_->WaitForEvent(0);
  Replace();
  EXPECT_EQ(client.ReadClose().close_code(), 4401);
}

TEST_F(EdgeStateTest, AnIdleTimeoutGoesOn) {
  Start(R"(idle_timeout_ms: 400 idle_check_ms: 50 idle_close_code: 4408)");
  TestClient client = Open();
  links_->WaitForEvent(0);
  Replace();
  EXPECT_EQ(client.ReadClose().close_code(), 4408);
}

TEST_F(EdgeStateTest, KeptOutputComesBackFromTheSuccessor) {
  Start(R"(kept_messages: 10 kept_bytes: 100000)");
  std::optional<TestClient> client(Open());
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (const char* text : {"1", "2", "3"}) DeliverReturnable(connection, text);
  for (const char* text : {"1", "2", "3"}) EXPECT_EQ(client->ReadMessage(), text);
  Replace();
  DeliverReturnable(connection, "4");
  EXPECT_EQ(client->ReadMessage(), "4");
  client->Abort();
  size_t at = 0;
  links_->WaitForKind(EventKind::kClose, 0, &at);
  for (const char* text : {"1", "2", "3", "4"}) EXPECT_EQ(links_->WaitForEvent(++at).payload, text);
}

TEST_F(EdgeStateTest, OutputThatWaitsComesBackFromTheSuccessor) {
  Start();
  TestClient client = Open("/room", 4'096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (int i = 0; i < 100; ++i) DeliverReturnable(connection, Numbered(i));
  links_->Run([] {});
  Replace();
  client.Abort();
  size_t at = 0;
  links_->WaitForKind(EventKind::kClose, 0, &at);
  const int first = std::stoi(links_->WaitForEvent(++at).payload);
  for (int i = first + 1; i < 100; ++i) EXPECT_EQ(std::stoi(links_->WaitForEvent(++at).payload), i);
}

TEST_F(EdgeStateTest, AClosingHandshakeIsFinished) {
  Start();
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  DeliverClose(connection, 4001, "bye");
  links_->Run([] {});
  Replace();
  Replace();
  EXPECT_EQ(client.ReadClose().close_code(), 4001);
  EXPECT_TRUE(client.ReadsEnd());
  WaitForGauge(metrics_->connections, 0);
}

TEST_F(EdgeStateTest, AFullWindowStaysFullUntilItsHubHasDealtWithIt) {
  config_.connection_window = 2;
  Start("", config_);
  links_->Settle(false);
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  for (const char* text : {"one", "two", "three"}) client.SendText(text);
  links_->WaitForEvent(2);
  client.HasNothing(50);
  EXPECT_EQ(links_->event_count(), 3u);
  Replace();
  client.HasNothing(50);
  EXPECT_EQ(links_->event_count(), 0u) << "it was read although its window is full";
  links_->Run([&] {
    for (const char* text : {"one", "two"}) {
      EventView settled;
      settled.kind = EventKind::kText;
      settled.connection = connection;
      settled.hub = "room/lobby";
      settled.payload = text;
      edge_->OnSettled(settled);
    }
  });
  EXPECT_EQ(links_->WaitForEvent(0).payload, "three");
}

TEST_F(EdgeStateTest, WhoseShardIsCongestedIsReadWhenItIsNot) {
  Start();
  TestClient client = Open();
  links_->WaitForEvent(0);
  links_->Congest(true);
  client.SendText("one");
  links_->WaitForEvent(1);
  client.SendText("two");
  client.HasNothing(50);
  Replace();
  client.HasNothing(50);
  EXPECT_EQ(links_->event_count(), 0u);
  links_->Run([this] { edge_->OnUncongested(); });
  EXPECT_EQ(links_->WaitForEvent(0).payload, "two");
}

TEST_F(EdgeStateTest, ARequestThatHasComeInPartIsAnsweredByTheSuccessor) {
  Start();
  TestClient client(port());
  const std::string request = TestClient::UpgradeRequest("/room/attic");
  client.SendRaw(request.substr(0, 40));
  WaitForGauge(metrics_->half_open, 1);
  client.HasNothing(20);
  Replace();
  client.SendRaw(request.substr(40));
  EXPECT_THAT(client.ReadHead(), HasSubstr("101"));
  EXPECT_EQ(links_->WaitForEvent(0).hub, "room/attic");
}

TEST_F(EdgeStateTest, NoHandleIsUsedAgain) {
  Start();
  std::set<uint64_t> handles;
  for (int round = 0; round < 4; ++round) {
    std::vector<TestClient> stay;
    for (int i = 0; i < 10; ++i) {
      const size_t at = links_->event_count();
      TestClient client = Open();
      EXPECT_TRUE(handles.insert(links_->WaitForKind(EventKind::kOpen, at).connection).second);
      if (i % 3 == 0) stay.push_back(std::move(client));
    }
    Replace();
  }
}

TEST_F(EdgeStateTest, CompressionStaysAsItWasNegotiated) {
  config_.http.upgrades.compression = true;
  Start("", config_);
  TestClient client(port());
  EXPECT_THAT(client.Upgrade("/room", "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
              HasSubstr("permessage-deflate"));
  const uint64_t connection = links_->WaitForEvent(0).connection;
  Replace();
  DeliverText({connection}, std::string(1'000, 'a'));
  const auto frame = client.ReadFrame();
  ASSERT_TRUE(frame.has_value());
  EXPECT_LT(frame->payload.size(), 100u) << "it is not compressed";
  // "hello", as RFC 7692 compresses it.
  client.SendRaw(TestClient::FrameBytes(TestClient::kText, std::string("\xf2\x48\xcd\xc9\xc9\x07\x00", 7),
                                        true, true, 4));
  EXPECT_EQ(links_->WaitForEvent(0).payload, "Hello");
}

TEST_F(EdgeStateTest, WhoHasLeftTouchesNothingAndLetsNobodyIn) {
  Start();
  TestClient client = Open();
  links_->WaitForEvent(0);
  Replace();
  links_->Run([this] {
    EXPECT_FALSE(before_.back()->readiness().ready);
    EXPECT_NE(before_.back()->WhyNotHandedOver(), "");
    EXPECT_TRUE(edge_->readiness().ready);
  });
  // What its sockets do is no matter of its own.
  for (int i = 0; i < 10; ++i) client.SendText("to the successor alone");
  for (size_t i = 0; i < 10; ++i) links_->WaitForEvent(i);
  EXPECT_EQ(links_before_.back()->event_count(), 1u);
}

}  // namespace
}  // namespace dormouse::edge
