// Hubs that call the roll: which of their sockets are open, as the edge knows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class RollCallTest : public EdgeServerTest {
 protected:
  uint64_t OpenOne(std::vector<TestClient>* clients, std::string_view path) {
    const size_t index = links_->event_count();
    clients->push_back(Open(path));
    return links_->WaitForEvent(index).connection;
  }
  // What the edge answers, by kind.
  struct Answer {
    std::vector<uint64_t> absent;
    std::vector<uint64_t> present;
  };
  Answer Call(const std::string& hub, const std::vector<uint64_t>& named) {
    std::vector<Recipient> recipients;
    recipients.reserve(named.size());
    for (const uint64_t connection : named) recipients.push_back({connection, {}});
    const size_t before = links_->event_count();
    links_->Deliver({.kind = DeliveryKind::kRollCall,
                     .cause = {},
                     .return_to = hub,
                     .recipients = recipients,
                     .payload = {}});
    links_->Run([] {});  // behind the delivery
    Answer answer;
    for (size_t i = before; i < links_->event_count(); ++i) {
      const FakeLinks::Event event = links_->WaitForEvent(i);
      EXPECT_EQ(event.hub, hub);
      if (event.kind == EventKind::kPresent) {
        answer.present.push_back(event.connection);
      } else {
        EXPECT_EQ(event.kind, EventKind::kClose);
        EXPECT_EQ(event.close_code(), 1006);
        answer.absent.push_back(event.connection);
      }
    }
    return answer;
  }
};

TEST_F(RollCallTest, NobodyAnswersWhereTheHubIsRight) {
  Start();
  std::vector<TestClient> clients;
  const uint64_t a1 = OpenOne(&clients, "/room/a");
  const uint64_t a2 = OpenOne(&clients, "/room/a");
  OpenOne(&clients, "/room/b");
  const Answer answer = Call("room/a", {a2, a1});
  EXPECT_THAT(answer.absent, IsEmpty());
  EXPECT_THAT(answer.present, IsEmpty());
}

TEST_F(RollCallTest, EachSocketThatTheHubIsWrongAboutIsToldOf) {
  Start();
  std::vector<TestClient> clients;
  const uint64_t a1 = OpenOne(&clients, "/room/a");
  const uint64_t a2 = OpenOne(&clients, "/room/a");
  const uint64_t a3 = OpenOne(&clients, "/room/a");
  const uint64_t b1 = OpenOne(&clients, "/room/b");
  constexpr uint64_t kNever = UuidLow(77);
  // One of another hub, one that never was.
  const Answer answer = Call("room/a", {b1, a2, kNever});
  EXPECT_THAT(answer.absent, ElementsAre(b1, kNever));
  EXPECT_THAT(answer.present, UnorderedElementsAre(a1, a3));
  const Answer none = Call("room/a", {});
  EXPECT_THAT(none.absent, IsEmpty());
  EXPECT_THAT(none.present, UnorderedElementsAre(a1, a2, a3));
  const Answer unknown = Call("room/c", {kNever});
  EXPECT_THAT(unknown.absent, ElementsAre(kNever));
  EXPECT_THAT(unknown.present, IsEmpty());
}

TEST_F(RollCallTest, ASocketThatClosesIsNotOpen) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start("", config);
  std::vector<TestClient> clients;
  const uint64_t gone = OpenOne(&clients, "/room/a");
  const uint64_t closing = OpenOne(&clients, "/room/a");
  const uint64_t open = OpenOne(&clients, "/room/a");
  clients[0].Abort();
  links_->WaitForKind(EventKind::kClose, 3);
  WaitForGauge(metrics_->connections, 2);
  DeliverClose(closing, 4000, "its client does not answer");
  const Answer answer = Call("room/a", {gone, closing, open});
  EXPECT_THAT(answer.absent, ElementsAre(gone, closing));
  EXPECT_THAT(answer.present, IsEmpty());
  const Answer none = Call("room/a", {});
  EXPECT_THAT(none.present, ElementsAre(open));
}

}  // namespace
}  // namespace dormouse::edge
