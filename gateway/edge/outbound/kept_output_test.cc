// What was written to a socket, and whether its client has it: an EdgeServer with a class that wants it back.
#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Returned = std::pair<EventKind, std::string>;

constexpr char kKeeps[] = "kept_messages: 100 kept_bytes: 1000000 outbound_limit: 500000000";

class KeptOutputTest : public EdgeServerTest {
 protected:
  // Opens a client and delivers texts to it, which it reads.
  TestClient OpenWith(const std::vector<std::string>& texts, uint64_t* connection) {
    size_t at = links_->event_count();
    TestClient client = Open();
    *connection = links_->WaitForKind(EventKind::kOpen, at).connection;
    for (const std::string& text : texts) {
      DeliverReturnable(*connection, text);
      EXPECT_EQ(client.ReadMessage(), text);
    }
    return client;
  }
  // All that comes back of the connection, from the end of its life to the next event of somebody else.
  std::vector<Returned> AwaitReturns(uint64_t connection) {
    const size_t close = AwaitClose(connection);
    WaitForGauge(metrics_->connections, 0);
    Open();
    std::vector<Returned> returned;
    for (size_t i = close + 1;; ++i) {
      const FakeLinks::Event event = links_->WaitForEvent(i);
      if (event.kind == EventKind::kOpen) return returned;
      EXPECT_EQ(event.connection, connection);
      EXPECT_EQ(event.hub, "room/lobby");
      returned.emplace_back(event.kind, event.payload);
    }
  }
  size_t AwaitClose(uint64_t connection) {
    size_t at = 0;
    while (links_->WaitForKind(EventKind::kClose, at, &at).connection != connection) ++at;
    return at;
  }
  // The next ping, whatever comes before it.
  static std::string ReadPing(TestClient* client) {
    while (const auto frame = client->ReadFrame()) {
      if (frame->opcode == TestClient::kPing) return frame->payload;
    }
    return "<closed>";
  }
};

TEST_F(KeptOutputTest, ComesBackFromAClientThatBreaksOffAsPerhapsThere) {
  Start(kKeeps);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  client.Abort();
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUnconfirmed, "one"),
                                                    Returned(EventKind::kUnconfirmed, "two")));
}

TEST_F(KeptOutputTest, IsNotKeptForAClassThatDoesNotWantIt) {
  Start();
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  client.Abort();
  EXPECT_THAT(AwaitReturns(connection), IsEmpty());
}

TEST_F(KeptOutputTest, ComesBackBeforeWhatWasNotWritten) {
  Start(kKeeps);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one"}, &connection);
  links_->Run([&] {  // in one turn of the loop, so that it cannot have seen the end yet
    client.Abort();
    DeliverReturnable(connection, "two");
  });
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUnconfirmed, "one"),
                                                    Returned(EventKind::kUndelivered, "two")));
}

TEST_F(KeptOutputTest, IsOverWithAGoodBye) {
  for (const bool with_code : {true, false}) {
    SCOPED_TRACE(with_code);
    if (edge_ == nullptr) Start(kKeeps);
    uint64_t connection = 0;
    TestClient client = OpenWith({"one"}, &connection);
    if (with_code) {
      client.SendClose(1000, "");
    } else {
      client.Send(TestClient::kClose, "");
    }
    WaitForGauge(metrics_->connections, 0);
    const size_t close = AwaitClose(connection);
    Open();
    EXPECT_EQ(links_->WaitForEvent(close + 1).kind, EventKind::kOpen);
    WaitForGauge(metrics_->connections, 0);
  }
}

TEST_F(KeptOutputTest, ComesBackAfterAnyOtherCloseOfTheClient) {
  Start(kKeeps);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one"}, &connection);
  client.SendClose(4000, "");
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUnconfirmed, "one")));
}

TEST_F(KeptOutputTest, AHubThatHasClosedTheSocketGetsItForCertain) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start(kKeeps, config);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  DeliverClose(connection, 1000, "Session resumed elsewhere");
  DeliverClose(connection, 1000, "");  // what it wants back
  EXPECT_EQ(links_->WaitForKind(EventKind::kUndelivered, 0).payload, "one");
  EXPECT_EQ(links_->WaitForKind(EventKind::kUndelivered, 2).payload, "two");
}

TEST_F(KeptOutputTest, ComesBackForCertainFromAClientThatIsNotHeardAnyMore) {
  EdgeServer::Config config;
  config.close_timeout_ms = 100;
  Start(std::string(kKeeps) + R"( idle_timeout_ms: 200 idle_check_ms: 50 idle_close_reason: "silent")",
        config);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUndelivered, "one"),
                                                    Returned(EventKind::kUndelivered, "two")));
}

TEST_F(KeptOutputTest, AClientThatIsDrainedIsAskedAndItsAnswerIsNotItsPrograms) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start(kKeeps, config);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  links_->Run([&] { edge_->Drain([] {}); });
  client.Send(TestClient::kPong, ReadPing(&client));
  EXPECT_EQ(client.ReadClose().close_code(), 1001);
  client.Abort();
  const size_t close = AwaitClose(connection);
  for (const size_t i : {1, 2}) {
    EXPECT_EQ(links_->WaitForEvent(close + i).kind, EventKind::kUnconfirmed) << i;
  }
}

TEST_F(KeptOutputTest, AClientThatAnswersIsNotSilent) {
  EdgeServer::Config config;
  config.close_timeout_ms = 60'000;
  Start(std::string(kKeeps) + R"( idle_timeout_ms: 300 idle_check_ms: 50 idle_close_reason: "silent")",
        config);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two"}, &connection);
  client.Send(TestClient::kPong, ReadPing(&client));
  // With nothing to be asked for any more it is closed.
  EXPECT_EQ(client.ReadClose().close_reason(), "silent");
  const size_t close = AwaitClose(connection);
  DeliverReturnable(connection, "later");
  EXPECT_EQ(links_->WaitForEvent(close + 1).kind, EventKind::kUnconfirmed);
}

// As a browser with a frozen page: that answers, and breaks off.
TEST_F(KeptOutputTest, ComesBackAsPerhapsThereFromAMachineThatAnsweredForASilentProgram) {
  EdgeServer::Config config;
  config.close_timeout_ms = 100;
  Start(std::string(kKeeps) + R"( idle_timeout_ms: 300 idle_check_ms: 50 idle_close_reason: "silent")",
        config);
  uint64_t connection = 0;
  TestClient client = OpenWith({"one"}, &connection);
  client.Send(TestClient::kPong, ReadPing(&client));
  links_->Run([] {});
  DeliverReturnable(connection, "two");
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUnconfirmed, "one"),
                                                    Returned(EventKind::kUndelivered, "two")));
}

TEST_F(KeptOutputTest, AProgramThatIsHeardAfterTheAnswerHasIt) {
  Start(kKeeps);
  uint64_t connection = 0;
  TestClient client = OpenWith({std::string(Unconfirmed::kAskBytes, 'x')}, &connection);
  client.Send(TestClient::kPong, ReadPing(&client));
  links_->Run([] {});  // the turn that wrote it is over, and the gauge says so
  // A while later, and there is nothing to await but the time.
  for (size_t at = 0; metrics_->outbound_buffer_bytes->Value() > 0; ++at) {
    client.SendText("a sign of life");
    links_->WaitForKind(EventKind::kText, at, &at);
    links_->Run([] {});
  }
  DeliverReturnable(connection, "later");
  EXPECT_EQ(client.ReadMessage(), "later");
  client.SendClose(4000, "");
  EXPECT_THAT(AwaitReturns(connection), ElementsAre(Returned(EventKind::kUnconfirmed, "later")));
}

TEST_F(KeptOutputTest, NoMoreComesBackThanTheClassWants) {
  Start("kept_messages: 2 kept_bytes: 1000000 outbound_limit: 500000000");
  uint64_t connection = 0;
  TestClient client = OpenWith({"one", "two", "three", "four", "five"}, &connection);
  client.Abort();
  EXPECT_THAT(
      AwaitReturns(connection),
      ElementsAre(Returned(EventKind::kLost, LostPayload({.count = 3, .older = true, .unconfirmed = true})),
                  Returned(EventKind::kUnconfirmed, "four"), Returned(EventKind::kUnconfirmed, "five")));
}

TEST_F(KeptOutputTest, OfWhatWaitedTheRestIsCounted) {
  Start("kept_messages: 100 kept_bytes: 450000 outbound_limit: 500000000");
  TestClient slow = Open("/room", 4096);
  const uint64_t connection = links_->WaitForEvent(0).connection;
  constexpr int kMessages = 200;
  for (int i = 0; i < kMessages; ++i) DeliverReturnable(connection, Numbered(i));
  slow.Abort();
  const std::vector<Returned> returned = AwaitReturns(connection);
  // Some were written, and of these a few were kept; then come those that were not, as far as there is room.
  uint64_t lost = 0;
  std::vector<int> numbers;
  for (const auto& [kind, payload] : returned) {
    if (kind == EventKind::kLost) {
      Lost some;
      ASSERT_TRUE(ReadLostPayload(payload, &some));
      lost += some.count;
      EXPECT_EQ(some.older, numbers.empty());
    } else {
      EXPECT_EQ(kind, EventKind::kUndelivered) << "the client's machine has not taken all that was written";
      numbers.push_back(std::stoi(payload));
    }
  }
  ASSERT_THAT(numbers, testing::SizeIs(4));
  for (size_t i = 1; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], numbers[i - 1] + 1);
  EXPECT_EQ(lost + numbers.size(), static_cast<size_t>(kMessages));
}

TEST_F(KeptOutputTest, MemoryForItIsBoundedAndClosesNobody) {
  EdgeServer::Config config;
  config.outbound_buffer = 4u << 20;  // a quarter of it
  Start("kept_messages: 100 kept_bytes: 100000000 outbound_limit: 500000000", config);
  std::vector<TestClient> clients;
  std::vector<uint64_t> connections;
  for (int i = 0; i < 20; ++i) {
    connections.push_back(0);
    clients.push_back(OpenWith({std::string(100'000, 'x'), std::string(100'000, 'y')}, &connections.back()));
  }
  // The last message may not have been written when its client has it.
  const int64_t until = SteadyMs() + 10'000;
  while (metrics_->outbound_buffer_bytes->Value() > static_cast<double>(config.outbound_buffer / 4)) {
    ASSERT_LT(SteadyMs(), until) << metrics_->outbound_buffer_bytes->Value();
    links_->Run([] {});
  }
  EXPECT_EQ(metrics_->connections->Value(), 20);
  clients.front().Abort();
  const size_t close = AwaitClose(connections.front());
  EXPECT_EQ(links_->WaitForEvent(close + 1).payload,
            LostPayload({.count = 2, .older = true, .unconfirmed = true}));
  clients.back().Abort();
  const size_t last = AwaitClose(connections.back());
  EXPECT_EQ(links_->WaitForEvent(last + 1).payload, std::string(100'000, 'x'));
}

TEST_F(KeptOutputTest, OfWhatMachinesAnsweredForThoseWhoHaveMuchLoseMost) {
  EdgeServer::Config config;
  config.outbound_buffer = 4u << 20;  // a 32nd of it
  Start(kKeeps, config);
  uint64_t quiet_connection = 0;
  TestClient quiet = OpenWith(std::vector<std::string>(Unconfirmed::kAskMessages, "."), &quiet_connection);
  quiet.Send(TestClient::kPong, ReadPing(&quiet));
  uint64_t busy_connection = 0;
  TestClient busy = OpenWith({}, &busy_connection);
  for (const char text : {'x', 'y', 'z'}) {
    DeliverReturnable(busy_connection, std::string(Unconfirmed::kAskBytes, text));
    busy.ReadMessage();
    busy.Send(TestClient::kPong, ReadPing(&busy));
  }
  busy.SendText("a sign that the pong was read");
  links_->WaitForKind(EventKind::kText, 0);
  DeliverReturnable(busy_connection, "later");
  busy.ReadMessage();

  busy.Abort();
  const size_t close = AwaitClose(busy_connection);
  EXPECT_EQ(links_->WaitForEvent(close + 1).payload,
            LostPayload({.count = 2, .older = true, .unconfirmed = true}));
  EXPECT_EQ(links_->WaitForEvent(close + 2).payload, std::string(Unconfirmed::kAskBytes, 'z'));
  quiet.Abort();
  EXPECT_THAT(AwaitReturns(quiet_connection), testing::SizeIs(Unconfirmed::kAskMessages));
}

}  // namespace
}  // namespace dormouse::edge
