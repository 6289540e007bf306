#include "gateway/edge/edge_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

TEST_F(EdgeServerTest, ClosesASocketWhoseEventCannotBeRead) {
  Start();
  TestClient client = Open();
  const FakeLinks::Event open = links_->WaitForEvent(0);
  links_->Run([&] {
    edge_->OnUnreadable({.kind = open.kind, .connection = open.connection, .hub = open.hub, .payload = {}});
  });
  EXPECT_EQ(client.ReadClose().close_code(), 1011);
  EXPECT_EQ(links_->WaitForKind(EventKind::kClose, 1).close_code(), 1011);
  EXPECT_EQ(Metric("dormouse_events_unreadable_total"), 1);
  EXPECT_EQ(Metric("dormouse_closes_total", "unreadable"), 1);
}

TEST_F(EdgeServerTest, SaysWhenSocketsWereAnsweredAsTheirHubHadAsked) {
  Start();
  TestClient client = Open();
  TestClient other = Open();
  const uint64_t connection = links_->WaitForKind(EventKind::kOpen, 0).connection;
  const std::vector<Recipient> recipients{{connection, {}}, {connection + 1'000'000, {}}};
  std::string record;
  AppendDelivery(
      {.kind = DeliveryKind::kAskAnswerTimes, .cause = {}, .recipients = recipients, .payload = {}}, &record);
  std::string_view records = record;
  DeliveryView question;
  ASSERT_TRUE(ReadDelivery(&records, &question));
  std::vector<int64_t> at_ms;
  const auto ask = [&] { links_->Run([&] { at_ms = edge_->AnswerTimes(question); }); };
  ask();
  EXPECT_THAT(at_ms, testing::ElementsAre(0, 0));
  DeliverAutoResponse(connection, "ping", "pong");
  const int64_t begin = WallMs();
  client.SendText("ping");
  EXPECT_EQ(client.ReadMessage(), "pong");
  ask();
  EXPECT_THAT(at_ms, testing::ElementsAre(testing::AllOf(testing::Ge(begin), testing::Le(WallMs())), 0));
}

TEST_F(EdgeServerTest, ASocketThatLacksSomethingIsClosedAndItsHubHears) {
  Start();
  TestClient client = Open();
  TestClient other = Open();
  const FakeLinks::Event open = links_->WaitForEvent(0);
  const std::vector<Recipient> recipients{{open.connection, {}}, {open.connection + 1'000'000, {}}};
  links_->Deliver({.kind = DeliveryKind::kOutputLost, .cause = {}, .recipients = recipients, .payload = {}});
  EXPECT_EQ(client.ReadClose().close_code(), 1011);
  EXPECT_EQ(links_->WaitForKind(EventKind::kClose, 2).close_code(), 1011);
  EXPECT_EQ(Metric("dormouse_closes_total", "output_lost"), 1);
  other.SendText("still open");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 3).payload, "still open");
}

TEST_F(EdgeServerTest, IsReadyWithItsLinks) {
  Start();
  const auto wait_for = [&](bool ready) {
    const int64_t until = SteadyMs() + 10'000;
    while (edge_->readiness().ready != ready && SteadyMs() < until) links_->Run([] {});
    return edge_->readiness();
  };
  EXPECT_TRUE(wait_for(true).ready);
  links_->SetReady(false);
  EXPECT_EQ(wait_for(false).detail, "told so by a test");
}

TEST_F(EdgeServerTest, NoTwoConnectionsEverShareAnId) {
  Start();
  std::set<uint64_t> seen;
  for (size_t i = 0; i < 50; ++i) {
    TestClient client = Open();
    EXPECT_TRUE(seen.insert(links_->WaitForKind(EventKind::kOpen, 2 * i).connection).second);
    client.Send(TestClient::kClose, "");
    links_->WaitForKind(EventKind::kClose, 2 * i);
  }
}

}  // namespace
}  // namespace dormouse::edge
