// What is answered at the clients' port, and how WebSockets are opened there. Through an EdgeServer.
#include "gateway/edge/door/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/testing/edge_server_fixture.h"

namespace dormouse::edge {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

using HttpServerTest = EdgeServerTest;

TEST_F(HttpServerTest, AnswersTheHandshakeAndTellsTheHub) {
  Start();
  TestClient client(port());
  const std::string head =
      client.Upgrade("/room/kitchen?token=1", "Origin: http://o\r\nUser-Agent: caf\xe9\r\nX-Other: 1\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(head, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(head, testing::Not(HasSubstr("Sec-WebSocket-Protocol")));

  const FakeLinks::Event event = links_->WaitForEvent(0);
  EXPECT_EQ(event.kind, EventKind::kOpen);
  EXPECT_EQ(event.hub, "room/kitchen");
  EXPECT_NEAR(static_cast<double>(event.last_seen_ms), static_cast<double>(WallMs()), 5'000);
  link::OpenRequest open;
  ASSERT_TRUE(open.ParseFromString(event.payload));
  EXPECT_EQ(open.path(), "/room/kitchen");
  EXPECT_EQ(open.query(), "token=1");
  EXPECT_EQ(open.remote_address(), "127.0.0.1");
  EXPECT_EQ(open.subprotocol(), "");
  ASSERT_EQ(open.headers_size(), 2);
  EXPECT_EQ(open.headers(0).name(), "origin");
  EXPECT_EQ(open.headers(0).value(), "http://o");
  EXPECT_EQ(open.headers(1).value(), "caf?");
}

TEST_F(HttpServerTest, EchoesTheFirstSubprotocolOffered) {
  Start();
  TestClient client(port());
  EXPECT_THAT(client.Upgrade("/room", "Sec-WebSocket-Protocol: chat.v2, other\r\n"),
              HasSubstr("\r\nSec-WebSocket-Protocol: chat.v2\r\n"));
  link::OpenRequest open;
  ASSERT_TRUE(open.ParseFromString(links_->WaitForEvent(0).payload));
  EXPECT_EQ(open.subprotocol(), "chat.v2");

  const std::string token(1024, 't');
  TestClient second(port());
  EXPECT_THAT(second.Upgrade("/room", "Sec-WebSocket-Protocol: " + token + "\r\n"),
              HasSubstr(token + "\r\n"));
  second.SendText("works");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 1).payload, "works");
}

TEST_F(HttpServerTest, TakesFramesThatComeTogetherWithTheRequest) {
  Start();
  links_->Echo(true);
  TestClient client(port());
  const std::string large(3000, 'l');
  client.SendRaw(TestClient::UpgradeRequest("/room") + TestClient::FrameBytes(TestClient::kText, "early") +
                 TestClient::FrameBytes(TestClient::kText, large));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(client.ReadMessage(), "early");
  EXPECT_EQ(client.ReadMessage(), large);
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Start();
  TestClient client(port());
  const std::string request = TestClient::UpgradeRequest("/room");
  for (const char c : request.substr(0, request.size() - 1)) client.SendRaw({&c, 1});
  EXPECT_TRUE(client.HasNothing(50));
  client.SendRaw("\n");
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 "));
  client.SendText("hello");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 0).payload, "hello");
}

TEST_F(HttpServerTest, RefusesWithASentence) {
  Start();
  const auto status = [&](const std::string& request) {
    TestClient client(port());
    client.SendRaw(request);
    return client.ReadHead().substr(9, 3);
  };
  EXPECT_EQ(status(TestClient::UpgradeRequest("/nowhere")), "404");
  EXPECT_EQ(status(TestClient::UpgradeRequest("/room/a%20b")), "404");
  EXPECT_EQ(status("GET /room HTTP/1.1\r\nHost: a\r\n\r\n"), "426");
  EXPECT_EQ(status("GET /room/x HTTP/1.1\r\nHost: a\r\n\r\n"), "426");
  EXPECT_EQ(status("POST /room HTTP/1.1\r\nHost: a\r\n\r\n"), "405");
  EXPECT_EQ(status("nonsense\r\n\r\n"), "400");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nA: " + std::string(20'000, 'x') + "\r\n\r\n"), "431");
  EXPECT_EQ(status("GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
                   "websocket\r\nSec-WebSocket-Version: 8\r\n\r\n"),
            "426");
  EXPECT_EQ(status("GET /room HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
                   "websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: short\r\n\r\n"),
            "400");
  EXPECT_THAT(TestClient(port()).Get("/room"), EndsWith("open it with one (ws:// or wss://).\n"));
  EXPECT_THAT(TestClient(port()).Get("/nowhere"), HasSubstr("There is nothing at /nowhere."));
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(HttpServerTest, AnUpgradeThatCanBeReadInTwoWaysIsRefused) {
  Start();
  const auto refused = [&](const std::string& lines) {
    TestClient client(port());
    const std::string status = client.Upgrade("/room", lines).substr(9, 4);
    return status + client.ReadRest();
  };
  EXPECT_THAT(refused("Content-Length: 5\r\n"), "400 A WebSocket is opened without a body; send none.\n");
  EXPECT_THAT(refused("Transfer-Encoding: chunked\r\n"),
              "400 A WebSocket is opened without a body; send none.\n");
  EXPECT_THAT(refused("sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
              "400 The header sec-websocket-key may be sent once only.\n");
  EXPECT_THAT(refused("Sec-WebSocket-Version: 13\r\n"),
              "400 The header Sec-WebSocket-Version may be sent once only.\n");
  for (const char* lines : {"Host: b\r\n", "A : b\r\n", " folded\r\n", "A: b\x01\r\n", "A: b\rB: c\r\n",
                            "A: b\nB: c\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n",
                            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"}) {
    EXPECT_THAT(refused(lines), StartsWith("400 ")) << lines;
  }
  const std::string good = TestClient::UpgradeRequest("/room");
  for (const auto& [what, by] : {std::pair("Host: test\r\n", ""), std::pair("Host: test", "Host:"),
                                 std::pair("Host: test", "Host: te st"), std::pair("/room", "/room#x"),
                                 std::pair("/room", "ftp://a/room")}) {
    std::string bad = good;
    TestClient client(port());
    client.SendRaw(bad.replace(bad.find(what), std::string_view(what).size(), by));
    EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 400 ")) << bad;
  }
  EXPECT_EQ(links_->event_count(), 0u);
  TestClient client(port());
  EXPECT_THAT(client.Upgrade("/room", "Content-Length: 0\r\n"), StartsWith("HTTP/1.1 101 ")) << "no body";
}

TEST_F(HttpServerTest, ARequestMaySayItsWholeAddressAndComeAfterEmptyLines) {
  Start();
  for (const char* target : {"http://elsewhere.example/room/a", "ws://[::1]:8080/room/a"}) {
    TestClient client(port());
    client.SendRaw("\r\n\r\n" + TestClient::UpgradeRequest(target));
    EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 ")) << target;
  }
  EXPECT_EQ(links_->WaitForEvent(1).hub, "room/a");
  TestClient impatient(port());
  impatient.SendRaw("GET / HTTP/1.1\nHost: a\n");
  EXPECT_THAT(impatient.ReadHead(), StartsWith("HTTP/1.1 400 ")) << "at once: it would never end";
}

TEST_F(HttpServerTest, EveryAnswerHasADateAndUpgradesAreForThisHop) {
  Start();
  for (const char* path : {"/", "/health", "/room", "/nowhere", "/#"}) {
    EXPECT_THAT(TestClient(port()).Get(path),
                testing::ContainsRegex("\r\nDate: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} "
                                       "[0-9]{2}:[0-9]{2}:[0-9]{2} GMT\r\n"))
        << path;
  }
  EXPECT_THAT(
      TestClient(port()).Get("/room"),
      testing::AllOf(StartsWith("HTTP/1.1 426 Upgrade Required\r\n"), HasSubstr("\r\nUpgrade: websocket\r\n"),
                     HasSubstr("\r\nSec-WebSocket-Version: 13\r\n"),
                     HasSubstr("\r\nConnection: Upgrade, close\r\n")));
  EXPECT_THAT(TestClient(port()).Get("/"), HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(HttpServerTest, LoadBalancersAskWithOptions) {
  Start();
  const auto answer = [&](const std::string& request) {
    TestClient client(port());
    client.SendRaw(request);
    return client.ReadRest();
  };
  // As HAProxy's option httpchk does.
  EXPECT_THAT(answer("OPTIONS /health HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  for (const char* target : {"/", "/room", "/app.js"}) {
    EXPECT_THAT(answer("OPTIONS " + std::string(target) + " HTTP/1.0\r\n\r\n"),
                testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                               HasSubstr("\r\nAllow: GET, HEAD, OPTIONS\r\n"), EndsWith("\r\n\r\n")))
        << target;
  }
  EXPECT_THAT(answer("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                             HasSubstr("\r\nAllow: GET, HEAD, POST, OPTIONS\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(answer("OPTIONS /nowhere HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(answer("get / HTTP/1.1\r\nHost: a\r\n\r\n"),
              testing::AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: GET, HEAD, OPTIONS\r\n")));
}

TEST_F(HttpServerTest, SaysBusyUntilProfilesAreKnown) {
  Start("", {}, false);
  {
    TestClient client(port());
    const std::string head = client.Upgrade("/room");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(head, HasSubstr("Retry-After: 1"));
  }
  EXPECT_FALSE(edge_->readiness().ready);
  links_->Run([this] { edge_->OnProfiles(profiles_, 16); });
  Open();
}

TEST_F(HttpServerTest, ServesTheWebClientAndItsHealth) {
  Start();
  const std::string page = TestClient(port()).Get("/");
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"));
  EXPECT_THAT(page, EndsWith("\r\n\r\n<title>Dormouse</title>"));
  EXPECT_THAT(TestClient(port()).Get("/app.js"), EndsWith(std::string(300'000, ';')));
  EXPECT_THAT(TestClient(port()).Get("/health"),
              testing::ContainsRegex("\r\n\r\n.\"status\":\"ok\",\"service\":\"signal-hub\",\"version\":\"[0-"
                                     "9.]+\",\"timestamp\":1[0-9]{12}.$"));
  EXPECT_THAT(TestClient(port()).Get("/../etc/passwd"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, HealthIsToldToWhoeverAsks) {
  Start();
  const auto answer = [&](const std::string& method, const std::string& more) {
    TestClient client(port());
    client.SendRaw(method + " /health HTTP/1.1\r\nHost: a\r\n" + more);
    std::string said = client.ReadHead();
    if (method != "HEAD") said += client.ReadRest();
    return said;
  };
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"GET", "\r\n"},
      {"POST", "Content-Length: 2\r\n\r\n{}"},
      {"HEAD", "\r\n"},
      {"OPTIONS", "Origin: https://a\r\nAccess-Control-Request-Method: POST\r\n\r\n"}};
  for (const auto& [method, more] : requests) {
    const std::string said = answer(method, more);
    EXPECT_THAT(said, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")) << method;
    EXPECT_THAT(said, HasSubstr("\r\nAccess-Control-Allow-Origin: *\r\n")) << method;
    EXPECT_THAT(said, HasSubstr("\r\nAccess-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n")) << method;
    EXPECT_EQ(said.ends_with("}"), method != "HEAD") << method;
  }
  EXPECT_THAT(answer("PUT", "\r\n"), StartsWith("HTTP/1.1 405 "));
}

TEST_F(HttpServerTest, A404ListsTheRoutesThatThereAre) {
  Start();
  EXPECT_THAT(TestClient(port()).Get("/nowhere"),
              HasSubstr("WebSockets open at /plain/NAME (class plain), /, /room, /room/NAME (class room)"));
  links_->Run([this] { edge_->OnProfiles({profiles_[1]}, 16); });
  const std::string less = TestClient(port()).Get("/nowhere");
  EXPECT_THAT(less, HasSubstr("WebSockets open at /plain/NAME (class plain)"));
  EXPECT_THAT(less, testing::Not(HasSubstr("/room")));
}

TEST_F(HttpServerTest, TheRootWithAnUpgradeHeaderIsARoute) {
  Start();
  Open("/");
  EXPECT_EQ(links_->WaitForEvent(0).hub, "room/lobby");
}

TEST_F(HttpServerTest, ARequestThatTricklesIsCutOffAtTheDeadline) {
  EdgeServer::Config config;
  config.http.handshake_timeout_ms = 300;
  Start("", config);
  TestClient client(port());
  const int64_t began = SteadyMs();
  client.SendRaw("GET /room HTTP/1.1\r\nX: ");
  while (client.HasNothing(20) && SteadyMs() - began < 10'000) client.SendRaw("x");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_GE(SteadyMs() - began, 300);
  EXPECT_EQ(metrics_->handshake_timeouts->Value(), 1);
}

TEST_F(HttpServerTest, ThousandsOfHalfOpenHandshakesHurtNobodyAndEnd) {
  EdgeServer::Config config;
  config.http.handshake_timeout_ms = 2'000;
  Start("", config);
  links_->Echo(true);
  std::vector<TestClient> half_open;
  half_open.reserve(3000);
  for (int i = 0; i < 3000; ++i) {
    half_open.emplace_back(port());
    if (i % 3 == 0) half_open.back().SendRaw("GET /room HTTP/1.1\r\nHo");
  }
  TestClient client = Open();
  for (int i = 0; i < 100; ++i) {
    client.SendText("still quick");
    EXPECT_EQ(client.ReadMessage(), "still quick");
  }
  WaitForGauge(metrics_->half_open, 0);
  EXPECT_EQ(metrics_->handshake_timeouts->Value(), 3000);
  EXPECT_TRUE(half_open.front().ReadsEnd());
}

TEST_F(HttpServerTest, SaysThatItIsFullBeforeDescriptorsRunOut) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit small{200, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &small);  // the edge keeps an eighth of them back
  Start();
  std::vector<TestClient> clients;  // they take descriptors, too
  std::string refused;
  for (int i = 0; i < 95 && refused.empty(); ++i) {
    clients.emplace_back(port());
    const std::string head = clients.back().Upgrade("/room");
    if (!head.starts_with("HTTP/1.1 101 ")) refused = head;
  }
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503 "));
  clients.front().SendText("served all the same");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 0).payload, "served all the same");
  clients.clear();
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace dormouse::edge
