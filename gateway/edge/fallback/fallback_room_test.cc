// Connections without a WebSocket, through an EdgeServer: what clients get and hubs see, request by request.
#include "gateway/edge/fallback/fallback_room.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <numeric>

#include "gateway/edge/testing/app_fixture.h"
#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A class that wants back what its clients have not confirmed.
constexpr char kKeeping[] = "kept_messages: 100 kept_bytes: 1000000";

class FallbackRoomTest : public AppTest {
 protected:
  TestClient Begin(std::string_view method, std::string_view target, std::string_view body = "",
                   std::string_view headers = "") const {
    const std::string length = method == "POST" ? fmt::format("Content-Length: {}\r\n", body.size()) : "";
    return Send(fmt::format("{} {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}{}\r\n{}", method, target,
                            length, headers, body));
  }
  // The whole answer.
  std::string Say(std::string_view method, std::string_view target, std::string_view body = "",
                  std::string_view headers = "") const {
    TestClient client = Begin(method, target, body, headers);
    return client.ReadRest();
  }
  static std::string BodyOf(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }
  static std::string IdOf(const std::string& answer) {
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 "));
    const size_t at = answer.find("\"id\":\"") + 6;
    return answer.substr(at, answer.find('"', at) - at);
  }
  // Opens one; its handle among the edge's connections is in connection_.
  std::string OpenFallback(std::string_view path = "/room", std::string_view headers = "") {
    size_t index = 0;
    const std::string id = IdOf(Say("POST", fmt::format("{}/@fallback", path), "", headers));
    connection_ = links_->WaitForKind(EventKind::kOpen, opened_, &index).connection;
    opened_ = index + 1;
    return id;
  }
  static std::string At(std::string_view call, std::string_view id, std::string_view more = "") {
    return fmt::format("/room/@fallback/{}?id={}{}", call, id, more);
  }
  std::string Poll(const std::string& id, uint64_t after) const {
    return BodyOf(Say("GET", At("poll", id, fmt::format("&after={}", after))));
  }
  std::string Post(const std::string& id, uint64_t from, std::string_view body, uint64_t after = 0) const {
    return Say("POST", At("send", id, fmt::format("&from={}&after={}", from, after)), body);
  }
  TestClient Stream(const std::string& id, uint64_t after) const {
    return Begin("GET", At("events", id, fmt::format("&after={}", after)));
  }
  // Reads a stream up to where this has come.
  static std::string ReadUntil(TestClient* client, std::string_view end) {
    std::string got;
    while (got.find(end) == std::string::npos) {
      const std::string next = client->Read(1);
      if (next.empty()) break;
      got += next;
    }
    return got;
  }
  FakeLinks::Event Closed() const { return links_->WaitForKind(EventKind::kClose, 0); }

  uint64_t connection_ = 0;
  size_t opened_ = 0;
};

TEST_F(FallbackRoomTest, IsAWebSocketToItsHub) {
  Start();
  links_->Echo(true);
  const std::string id = OpenFallback("/room/kitchen", "Origin: https://app.example\r\nUser-Agent: me\r\n");
  const FakeLinks::Event open = links_->WaitForEvent(0);
  EXPECT_EQ(open.hub, "room/kitchen");
  link::OpenRequest request;
  ASSERT_TRUE(request.ParseFromString(open.payload));
  EXPECT_EQ(request.path(), "/room/kitchen");
  EXPECT_EQ(request.remote_address(), "127.0.0.1");
  EXPECT_EQ(request.headers_size(), 2);
  EXPECT_THAT(Post(id, 1, "text 2\nhibinary 2\n\x01\x02"), HasSubstr("\r\n\r\n{\"received\":2}"));
  std::string got = Poll(id, 0);
  if (got.find("id: 2") == std::string::npos) got += Poll(id, 1);
  EXPECT_EQ(got, "id: 1\ndata: hi\n\nid: 2\nevent: binary\ndata: AQI=\n\n");
  EXPECT_EQ(Metric("dormouse_connections"), 1);
}

TEST_F(FallbackRoomTest, AMessageThatIsRepeatedIsTakenOnce) {
  Start();
  const std::string id = OpenFallback();
  EXPECT_THAT(Post(id, 1, "text 1\natext 1\nb"), HasSubstr("{\"received\":2}"));
  EXPECT_THAT(Post(id, 1, "text 1\natext 1\nbtext 1\nc"), HasSubstr("{\"received\":3}"));
  EXPECT_THAT(Post(id, 2, "text 1\nb"), HasSubstr("{\"received\":3}"));
  // One is missing in between.
  EXPECT_THAT(Post(id, 5, "text 1\ne"),
              testing::AllOf(StartsWith("HTTP/1.1 409 "), HasSubstr("{\"received\":3}")));
  EXPECT_THAT(Post(id, 4, "text 1\nd"), HasSubstr("{\"received\":4}"));
  for (const size_t at : {1, 2, 3, 4})
    EXPECT_EQ(links_->WaitForEvent(at).payload, std::string(1, static_cast<char>('a' + at - 1)));
}

TEST_F(FallbackRoomTest, OfAMessageThatCameInPartTheRestIsTakenFromItsRepetition) {
  Start();
  const std::string id = OpenFallback();
  {
    TestClient broken =
        Send(fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 27\r\n\r\ntext 1\natext 10\n01234",
                         At("send", id, "&from=1")));
    EXPECT_EQ(links_->WaitForEvent(1).payload, "a");
    links_->Run([] {});
  }
  EXPECT_THAT(Post(id, 1, "text 1\natext 10\n0123456789text 1\nz"), HasSubstr("{\"received\":3}"));
  EXPECT_EQ(links_->WaitForEvent(2).payload, "0123456789");
  EXPECT_EQ(links_->WaitForEvent(3).payload, "z");
}

TEST_F(FallbackRoomTest, AStreamThatWasCutGoesOnWhereItsClientIs) {
  Start();
  const std::string id = OpenFallback();
  {
    TestClient stream = Stream(id, 0);
    const std::string head = stream.ReadHead();
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(head, HasSubstr("\r\nContent-Type: text/event-stream\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nX-Accel-Buffering: no\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nCache-Control: no-store, no-transform\r\n"));
    EXPECT_THAT(head, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
    ReadUntil(&stream, "event: open\ndata: 0\n\n");
    for (const char* text : {"a", "b", "c"}) DeliverText({connection_}, text);
    ReadUntil(&stream, "data: c\n\n");
  }
  WaitForGauge(metrics_->fallback_streams, 0);
  DeliverText({connection_}, "d");
  // It has the first of them.
  TestClient again = Begin("GET", At("events", id), "", "Last-Event-ID: 1\r\n");
  const std::string rest = ReadUntil(&again, "data: d\n\n");
  EXPECT_THAT(rest, HasSubstr("id: 2\ndata: b\n\nid: 3\ndata: c\n\n"));
  EXPECT_THAT(rest, Not(HasSubstr("data: a\n")));
  EXPECT_EQ(Metric("dormouse_fallback_cut_total"), 1);
  EXPECT_EQ(Metric("dormouse_connections"), 1);
}

TEST_F(FallbackRoomTest, APollIsAnsweredWithWhatComesAndConfirmsWhatCame) {
  Start();
  const std::string id = OpenFallback();
  TestClient waiting = Begin("GET", At("poll", id, "&after=0"));
  WaitForGauge(metrics_->fallback_polls, 1);
  DeliverText({connection_}, "a");
  EXPECT_EQ(BodyOf(waiting.ReadRest()), "id: 1\ndata: a\n\n");
  EXPECT_EQ(Poll(id, 0), "id: 1\ndata: a\n\n");  // it was lost, perhaps
  DeliverText({connection_}, "b");
  EXPECT_EQ(Poll(id, 1), "id: 2\ndata: b\n\n");
  EXPECT_THAT(Say("GET", At("poll", id, "&after=0")), StartsWith("HTTP/1.1 409 "));  // from long ago
  EXPECT_THAT(Say("GET", At("poll", id, "&after=3")), StartsWith("HTTP/1.1 400 "));
}

TEST_F(FallbackRoomTest, APollThatNothingComesForEndsEmpty) {
  EdgeServer::Config config;
  config.http.fallback.wait_ms = 100;
  Start("", config);
  EXPECT_EQ(Poll(OpenFallback(), 0), "");
}

TEST_F(FallbackRoomTest, ASilentStreamHasComments) {
  EdgeServer::Config config;
  config.http.fallback.heartbeat_ms = 100;
  Start("", config);
  TestClient stream = Stream(OpenFallback(), 0);
  EXPECT_THAT(ReadUntil(&stream, "\n:\n\n"), HasSubstr("event: open"));
}

TEST_F(FallbackRoomTest, TheLaterOfTwoTakesThePlaceOfTheEarlier) {
  Start();
  const std::string id = OpenFallback();
  TestClient first = Stream(id, 0);
  ReadUntil(&first, "event: open\ndata: 0\n\n");
  TestClient second = Begin("GET", At("poll", id, "&after=0"));
  EXPECT_THAT(first.ReadRest(),
              HasSubstr(": A later request of the same connection has taken the place of this one."));
  TestClient third = Stream(id, 0);
  EXPECT_THAT(second.ReadRest(), testing::AllOf(StartsWith("HTTP/1.1 409 "), HasSubstr("A later request")));
  ReadUntil(&third, "event: open\ndata: 0\n\n");
  DeliverText({connection_}, "a");
  ReadUntil(&third, "id: 1\ndata: a\n\n");
}

TEST_F(FallbackRoomTest, AHubsCloseArrivesUntilItIsConfirmed) {
  Start();
  const std::string id = OpenFallback();
  DeliverText({connection_}, "last");
  DeliverClose({connection_}, 4001, "enough");
  TestClient stream = Stream(id, 0);
  EXPECT_THAT(
      stream.ReadRest(),
      HasSubstr("id: 1\ndata: last\n\nid: 2\nevent: close\ndata: {\"code\":4001,\"reason\":\"enough\"}\n\n"));
  EXPECT_THAT(Poll(id, 1), HasSubstr("event: close"));
  EXPECT_THAT(Post(id, 1, "", 2), HasSubstr("{\"received\":0}"));
  WaitForGauge(metrics_->connections, 0);
  EXPECT_THAT(Say("GET", At("poll", id, "&after=2")), StartsWith("HTTP/1.1 410 "));
}

TEST_F(FallbackRoomTest, AClientsCloseReachesItsHub) {
  Start();
  const std::string id = OpenFallback();
  EXPECT_THAT(Say("POST", At("close", id, "&code=99")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Say("POST", At("close", id, "&code=4321&reason=so%20long")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(Closed().close_code(), 4321);
  EXPECT_EQ(Closed().close_reason(), "so long");
  EXPECT_TRUE(Closed().close_by_client());
  WaitForGauge(metrics_->connections, 0);
  WaitForGauge(metrics_->fallback_connections, 0);
}

TEST_F(FallbackRoomTest, WhoDoesNotComeBackIsLost) {
  EdgeServer::Config config;
  config.http.fallback.window_ms = 100;
  Start("", config);
  const std::string id = OpenFallback();
  EXPECT_EQ(Closed().close_code(), 1006);
  WaitForGauge(metrics_->connections, 0);
  WaitForGauge(metrics_->fallback_connections, 0);
  EXPECT_EQ(Metric("dormouse_fallback_lost_total"), 1);
  EXPECT_THAT(Say("GET", At("poll", id, "&after=0")), StartsWith("HTTP/1.1 410 "));
}

// What a client may have got is another thing than what it has not: only of the latter a client that says nothing gets
// it again.
TEST_F(FallbackRoomTest, WhatALostClientHasNotConfirmedGoesBackAsUndelivered) {
  EdgeServer::Config config;
  config.http.fallback.window_ms = 300;
  Start(kKeeping, config);
  const std::string id = OpenFallback();
  TestClient stream = Stream(id, 0);
  // So many that the edge asks whether they have come.
  std::vector<int> sent(40);
  std::iota(sent.begin(), sent.end(), 1);
  for (const int number : sent) DeliverReturnable(connection_, std::to_string(number));
  ReadUntil(&stream, "data: 40\n\n");  // they are with its machine, and nobody has said so
  stream.Abort();
  EXPECT_EQ(AwaitReturned(connection_, 40), sent);
  EXPECT_EQ(Closed().close_code(), 1006);
}

TEST_F(FallbackRoomTest, WhatALostClientHasConfirmedGoesBackAsWhatItMayHave) {
  EdgeServer::Config config;
  config.http.fallback.window_ms = 300;
  Start(kKeeping, config);
  const std::string id = OpenFallback();
  DeliverReturnable(connection_, "1");
  EXPECT_THAT(Poll(id, 0), HasSubstr("data: 1"));
  EXPECT_THAT(Post(id, 1, "", 1), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(links_->WaitForKind(EventKind::kUnconfirmed, 1).payload, "1");
}

TEST_F(FallbackRoomTest, ACloseOfAClientThatHasNotConfirmedReturnsWhatItHasNot) {
  Start(kKeeping);
  const std::string id = OpenFallback();
  DeliverReturnable(connection_, "1");
  EXPECT_THAT(Poll(id, 0), HasSubstr("data: 1"));
  EXPECT_THAT(Say("POST", At("close", id, "&code=4000")), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(AwaitReturned(connection_, 1), std::vector<int>{1});
  WaitForGauge(metrics_->fallback_connections, 0);
}

TEST_F(FallbackRoomTest, TheEdgesQuestionIsAnsweredWhenTheClientHasConfirmed) {
  Start(kKeeping);
  const std::string id = OpenFallback();
  TestClient stream = Stream(id, 0);
  for (int i = 1; i <= 40; ++i) DeliverReturnable(connection_, std::to_string(i));
  const std::string got = ReadUntil(&stream, "event: confirm\n");
  EXPECT_THAT(got, HasSubstr("id: 32\ndata: 32\n\n"));
  ReadUntil(&stream, "id: 40\n");
}

TEST_F(FallbackRoomTest, NoMoreIsReadThanMayBeKept) {
  Start();
  const std::string id = OpenFallback();
  for (int i = 0; i < 30; ++i) DeliverText({connection_}, Numbered(i));
  std::string got;
  uint64_t after = 0;
  for (int i = 0; i < 30; ++i) {
    const std::string more = Poll(id, after);
    EXPECT_LT(more.size(), FallbackConnection::kMaxHeldBytes + 200'000);
    for (size_t at = 0; (at = more.find("id: ", at)) != std::string::npos; ++at) {
      EXPECT_EQ(std::stoul(more.substr(at + 4)), ++after);
    }
    got += more;
    if (after == 30) break;
  }
  EXPECT_EQ(after, 30);
  for (int i = 0; i < 30; ++i) EXPECT_THAT(got, HasSubstr(fmt::format("id: {}\ndata: {}xxx", i + 1, i)));
}

TEST_F(FallbackRoomTest, WhoHoldsMostGoesWhenThereIsNoRoomLeft) {
  EdgeServer::Config config;
  config.http.fallback.buffer = 300'000;
  Start("", config);
  const std::string small = OpenFallback();
  const uint64_t small_connection = connection_;
  const std::string large = OpenFallback();
  DeliverText({small_connection}, std::string(100'000, 's'));
  DeliverText({connection_}, std::string(240'000, 'l'));
  EXPECT_EQ(Closed().connection, connection_);
  EXPECT_THAT(Say("GET", At("poll", large, "&after=0")), StartsWith("HTTP/1.1 410 "));
  EXPECT_THAT(Poll(small, 0), HasSubstr("ssss"));
}

TEST_F(FallbackRoomTest, ThoseThatWereOpenedAndLeftMakeRoom) {
  EdgeServer::Config config;
  config.http.fallback.max_connections = 2;
  Start("", config);
  const std::string left = OpenFallback();
  const std::string used = OpenFallback();
  TestClient stream = Stream(used, 0);
  ReadUntil(&stream, "event: open");
  const std::string next = OpenFallback();
  EXPECT_THAT(Say("GET", At("poll", left, "&after=0")), StartsWith("HTTP/1.1 410 "));
  TestClient other = Stream(next, 0);
  ReadUntil(&other, "event: open");
  WaitForGauge(metrics_->fallback_connections, 2);
  EXPECT_THAT(Say("POST", "/room/@fallback"), StartsWith("HTTP/1.1 503 "));
}

TEST_F(FallbackRoomTest, AWholeConversationOnOneConnection) {
  Start();
  links_->Echo(true);
  TestClient client(port());
  const auto ask = [&](std::string_view method, std::string_view target, std::string_view body) {
    client.SendRaw(fmt::format("{} {} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}", method, target,
                               body.size(), body));
    const std::string head = client.ReadHead();
    EXPECT_THAT(head, HasSubstr("\r\nConnection: keep-alive\r\n"));
    return client.Read(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
  };
  const std::string opened = ask("POST", "/room/@fallback", "");
  const std::string id = opened.substr(7, opened.find('"', 7) - 7);
  for (int i = 1; i <= 20; ++i) {
    EXPECT_EQ(ask("POST", At("send", id, fmt::format("&from={}", i)), "text 1\nx"),
              fmt::format("{{\"received\":{}}}\n", i));
    EXPECT_EQ(ask("GET", At("poll", id, fmt::format("&after={}", i - 1)), ""),
              fmt::format("id: {}\ndata: x\n\n", i));
  }
  EXPECT_EQ(Metric("dormouse_handshake_timeouts_total"), 0);
}

TEST_F(FallbackRoomTest, WhatAnUpgradeIsRefusedThisIsRefused) {
  const FakeAuthority tokens;
  std::string wrong;
  EdgeServer::Config config;
  config.http.upgrades.tokens = &tokens;
  config.http.upgrades.origins = *OriginList::Parse({"https://app.example"}, &wrong);
  Start("", config);
  EXPECT_THAT(Say("POST", "/nothing/@fallback"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Say("POST", "/room/.../@fallback"), testing::Not(StartsWith("HTTP/1.1 201 ")));
  EXPECT_THAT(Say("POST", "/room/@fallback"),
              testing::AllOf(StartsWith("HTTP/1.1 401 "), HasSubstr("WWW-Authenticate: Bearer realm")));
  const std::string good = fmt::format("Authorization: Bearer {}\r\n", FakeAuthority::kGood);
  EXPECT_THAT(Say("POST", "/room/@fallback", "", good + "Origin: https://evil.example\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 403 "), Not(HasSubstr("Access-Control-"))));
  const std::string answer = Say("POST", "/room/@fallback", "", good + "Origin: https://app.example\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Origin: https://app.example\r\nVary: Origin\r\n"));
  EXPECT_THAT(Say("GET", At("poll", IdOf(answer)), "", "Origin: https://evil.example\r\n"),
              StartsWith("HTTP/1.1 403 "));
  // A page's token, where pages can put it.
  const std::string by_protocol =
      fmt::format("Dormouse-Protocol: dormouse, bearer.{}\r\n", FakeAuthority::kGood);
  EXPECT_THAT(Say("POST", "/room/@fallback", "", by_protocol), HasSubstr("\"protocol\":\"dormouse\""));
  // The page can read why it was refused.
  EXPECT_THAT(Say("POST", "/room/@fallback", "", "Origin: https://app.example\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 401 "),
                             HasSubstr("\r\nAccess-Control-Allow-Origin: https://app.example\r\n")));
}

TEST_F(FallbackRoomTest, BrowsersAreToldWhatTheyMaySend) {
  Start();
  const std::string answer = Say("OPTIONS", "/room/@fallback", "", "Origin: https://app.example\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Origin: https://app.example\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nAccess-Control-Allow-Headers: Authorization, "));
}

TEST_F(FallbackRoomTest, WhatCannotBeIsSaid) {
  Start();
  const std::string id = OpenFallback();
  EXPECT_THAT(Say("GET", "/room/@fallback"),
              testing::AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: POST, OPTIONS\r\n")));
  EXPECT_THAT(Say("POST", At("poll", id)), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Say("GET", At("poll", std::string(48, '0'))), StartsWith("HTTP/1.1 410 "));
  EXPECT_THAT(Say("GET", At("poll", "")), StartsWith("HTTP/1.1 410 "));
  EXPECT_THAT(Say("GET", At("poll", id, "&after=x")), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Post(id, 1, "nonsense\n"),
              testing::AllOf(StartsWith("HTTP/1.1 400 "), HasSubstr("text LENGTH")));
  EXPECT_THAT(Post(id, 1, "text 5\nhell"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Post(id, 0, ""), StartsWith("HTTP/1.1 400 "));
  TestClient chunked =
      Send(fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", At("send", id)));
  EXPECT_THAT(chunked.ReadHead(), StartsWith("HTTP/1.1 411 "));
  TestClient endless =
      Send(fmt::format("POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", At("send", id)));
  EXPECT_THAT(endless.ReadHead(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(FallbackRoomTest, LimitsAreThoseOfAWebSocket) {
  Start();
  const std::string id = OpenFallback();
  Post(id, 1, fmt::format("text 5000\n{}", std::string(5'000, 'x')));
  EXPECT_EQ(Poll(id, 0), "id: 1\ndata: too large 5000 4000.\n\n");
  Post(id, 2, fmt::format("text 20000\n{}", std::string(20'000, 'x')));
  EXPECT_THAT(Poll(id, 1), HasSubstr("event: close\ndata: {\"code\":1009,"));
}

TEST_F(FallbackRoomTest, EachCountsUnderItsAddress) {
  EdgeServer::Config config;
  config.http.max_connections_per_address = 2;  // a request and what it opens
  Start("", config);
  OpenFallback();
  WaitForGauge(metrics_->half_open, 0);
  const std::string answer = Say("POST", "/room/@fallback");
  EXPECT_THAT(answer, testing::AllOf(StartsWith("HTTP/1.1 429 "), HasSubstr("Your address has")));
}

TEST_F(FallbackRoomTest, CanBeOff) {
  EdgeServer::Config config;
  config.http.fallback.is_on = false;
  Start("", config);
  EXPECT_THAT(Say("POST", "/room/@fallback"),
              testing::AnyOf(StartsWith("HTTP/1.1 404 "), StartsWith("HTTP/1.1 405 ")));
}

TEST_F(FallbackRoomTest, AnAppIsAskedWithAnUpgrade) {
  StartApp();
  TestClient client = Begin("POST", "/chat/@fallback?room=7", "", "Cookie: c=1\r\n");
  TestClient at_worker = worker_.Accept();
  const std::string request = at_worker.ReadHead();
  EXPECT_THAT(request, StartsWith("GET /chat?room=7 HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nCookie: c=1\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\nupgrade: websocket\r\ndormouse-upgrade: 1\r\n"));
  at_worker.SendRaw(
      "HTTP/1.1 200 OK\r\ndormouse-hub: plain/0abc\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n");
  const std::string answer = client.ReadRest();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 "));
  EXPECT_THAT(answer, HasSubstr("\r\nSet-Cookie: a=1\r\n"));
  EXPECT_EQ(links_->WaitForEvent(0).hub, "plain/0abc");
}

TEST_F(FallbackRoomTest, AnAppsRefusalIsTheAnswer) {
  StartApp();
  TestClient client = Begin("POST", "/chat/@fallback", "", "Origin: https://app.example\r\n");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  at_worker.SendRaw("HTTP/1.1 418 Teapot\r\nContent-Length: 5\r\n\r\nshort");
  const std::string answer = client.ReadRest();
  EXPECT_THAT(answer,
              StartsWith("HTTP/1.1 418 Teapot\r\nAccess-Control-Allow-Origin: https://app.example\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nshort"));
  WaitForGauge(metrics_->fallback_connections, 0);
}

TEST_F(FallbackRoomTest, AnOldProxysStreamEndsWithItsConnection) {
  Start();
  const std::string id = OpenFallback();
  TestClient stream = Send(fmt::format("GET {} HTTP/1.0\r\n\r\n", At("events", id)));
  const std::string head = stream.ReadHead();
  EXPECT_THAT(head, testing::AllOf(Not(HasSubstr("chunked")), HasSubstr("\r\nConnection: close\r\n")));
  EXPECT_EQ(ReadUntil(&stream, "\n\n"), "event: open\ndata: 0\n\n");
  DeliverText({connection_}, "a");
  EXPECT_EQ(ReadUntil(&stream, "\n\n"), "id: 1\ndata: a\n\n");
}

}  // namespace
}  // namespace dormouse::edge
