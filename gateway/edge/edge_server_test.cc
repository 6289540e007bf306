#include "gateway/edge/edge_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "gateway/edge/edge_server_fixture.h"
#include "gateway/edge/event_writer.h"

namespace dormouse {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// --- Handshake

TEST_F(EdgeServerTest, AnswersTheHandshakeAndTellsTheHub) {
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

TEST_F(EdgeServerTest, EchoesTheFirstSubprotocolOffered) {
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

TEST_F(EdgeServerTest, TakesFramesThatComeTogetherWithTheRequest) {
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

TEST_F(EdgeServerTest, TakesARequestByteByByte) {
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

TEST_F(EdgeServerTest, RefusesWithASentence) {
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

TEST_F(EdgeServerTest, AnUpgradeThatCanBeReadInTwoWaysIsRefused) {
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

TEST_F(EdgeServerTest, ARequestMaySayItsWholeAddressAndComeAfterEmptyLines) {
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

TEST_F(EdgeServerTest, EveryAnswerHasADateAndUpgradesAreForThisHop) {
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

TEST_F(EdgeServerTest, LoadBalancersAskWithOptions) {
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

TEST_F(EdgeServerTest, SaysBusyUntilProfilesAreKnown) {
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

TEST_F(EdgeServerTest, WhoHasMuchUnderWayStandsInLine) {
  Start();
  const link::ClassProfile large =
      Profile(R"(name: "large" routes { path: "/large/{name}" } max_message_size: 1000000)");
  links_->Run([&] { edge_->OnProfiles({large}, 16); });
  links_->Settle(false);
  TestClient client = Open("/large/a");
  TestClient other = Open("/large/a");
  const std::string half(EventWriter::kMuchBytes / 2, 'x');
  for (int i = 0; i < 2; ++i) client.SendText(half);
  client.SendText("small");
  size_t at = 0;
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at, &at).in_line);
  EXPECT_TRUE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  EXPECT_TRUE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  other.SendText("small");
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at + 1, &at).in_line);
  links_->Settle(true);
  links_->Run([] {});
  client.SendText("small again");
  EXPECT_FALSE(links_->WaitForKind(EventKind::kText, at + 1).in_line);
}

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

// --- Plain HTTP

TEST_F(EdgeServerTest, ServesTheWebClientAndItsHealth) {
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

TEST_F(EdgeServerTest, HealthIsToldToWhoeverAsks) {
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

TEST_F(EdgeServerTest, A404ListsTheRoutesThatThereAre) {
  Start();
  EXPECT_THAT(TestClient(port()).Get("/nowhere"),
              HasSubstr("WebSockets open at /plain/NAME (class plain), /, /room, /room/NAME (class room)"));
  links_->Run([this] { edge_->OnProfiles({profiles_[1]}, 16); });
  const std::string less = TestClient(port()).Get("/nowhere");
  EXPECT_THAT(less, HasSubstr("WebSockets open at /plain/NAME (class plain)"));
  EXPECT_THAT(less, testing::Not(HasSubstr("/room")));
}

TEST_F(EdgeServerTest, TheRootWithAnUpgradeHeaderIsARoute) {
  Start();
  Open("/");
  EXPECT_EQ(links_->WaitForEvent(0).hub, "room/lobby");
}

// --- Frames

TEST_F(EdgeServerTest, ForwardsFramesOfAllKindsAndSizes) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {0, 1, 125, 126, 127, 495, 496, 500, 512, 513, 1000, 2048, 4000}) {
    const std::string text(size, 't');
    client.SendText(text);
    EXPECT_EQ(client.ReadMessage(), text);
    std::string binary(size, '\xff');
    client.Send(TestClient::kBinary, binary);
    const auto frame = client.ReadFrame();
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->opcode, TestClient::kBinary);
    EXPECT_EQ(frame->payload, binary);
  }
  EXPECT_EQ(links_->WaitForEvent(1).kind, EventKind::kText);
  EXPECT_EQ(links_->WaitForEvent(2).kind, EventKind::kBinary);
}

TEST_F(EdgeServerTest, PutsFragmentsTogether) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  client.Send(TestClient::kText, "gr\xc3", false);  // cut within a character
  client.Send(TestClient::kContinuation, "", false);
  client.Send(TestClient::kPing, "amid");
  EXPECT_EQ(client.ReadFrame()->payload, "amid");
  client.Send(TestClient::kContinuation, "\xbc\xc3\x9f", false);
  client.Send(TestClient::kContinuation, "", true);
  EXPECT_EQ(client.ReadMessage(), "grüß");
  client.Send(TestClient::kText, "", false);
  client.Send(TestClient::kContinuation, std::string(1500, 'x'), true);
  EXPECT_EQ(client.ReadMessage(), std::string(1500, 'x'));
}

TEST_F(EdgeServerTest, TakesAFrameByteByByte) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {20, 300}) {
    const std::string text(size, 'b');
    for (const char c : TestClient::FrameBytes(TestClient::kText, text)) client.SendRaw({&c, 1});
    EXPECT_EQ(client.ReadMessage(), text);
  }
}

TEST_F(EdgeServerTest, KeepsTheOrderOfManyFramesInOneSegment) {
  Start();
  TestClient client = Open();
  std::string bytes;
  for (int i = 0; i < 500; ++i)
    bytes += TestClient::FrameBytes(TestClient::kText, "frame " + std::to_string(i));
  client.SendRaw(bytes);
  for (size_t i = 0; i < 500; ++i)
    EXPECT_EQ(links_->WaitForEvent(i + 1).payload, "frame " + std::to_string(i));
}

TEST_F(EdgeServerTest, AnswersPings) {
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

// --- Closing

TEST_F(EdgeServerTest, PassesTheClientsCloseOn) {
  Start();
  TestClient client = Open();
  client.SendClose(4321, "my reasons");
  const TestClient::Frame answer = client.ReadClose();
  EXPECT_EQ(answer.close_code(), 4321);
  EXPECT_TRUE(client.ReadsEnd());
  ExpectCloseEvent(4321, "my reasons");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(EdgeServerTest, ACloseWithoutACodeIs1005) {
  Start();
  TestClient client = Open();
  client.Send(TestClient::kClose, "");
  EXPECT_EQ(client.ReadFrame()->opcode, TestClient::kClose);
  ExpectCloseEvent(1005, "");
  EXPECT_TRUE(links_->WaitForEvent(1).close_by_client()) << "a good-bye all the same";
}

TEST_F(EdgeServerTest, ABrokenConnectionIs1006) {
  Start();
  TestClient aborted = Open();
  aborted.Abort();
  ExpectCloseEvent(1006, "");
  EXPECT_FALSE(links_->WaitForEvent(1).close_by_client());
  { const TestClient left = Open(); }
  ExpectCloseEvent(1006, "", 3);
  EXPECT_FALSE(links_->WaitForEvent(3).close_by_client());
}

TEST_F(EdgeServerTest, TheHubClosesWithCodeAndReasonAfterWhatItSent) {
  Start();
  TestClient client = Open();
  const uint64_t connection = links_->WaitForEvent(0).connection;
  DeliverText({connection}, "last words");
  DeliverClose(connection, 4000, "enough");
  DeliverText({connection}, "after the end");
  EXPECT_EQ(client.ReadMessage(), "last words");
  const TestClient::Frame close = client.ReadClose();
  EXPECT_EQ(close.close_code(), 4000);
  EXPECT_EQ(close.close_reason(), "enough");
  EXPECT_TRUE(client.ReadsEnd());
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 1u);  // the hub knows
}

TEST_F(EdgeServerTest, NothingIsHeardFromAConnectionThatTheHubClosed) {
  Start();
  TestClient client = Open();
  DeliverClose(links_->WaitForEvent(0).connection, 1000, "");
  while (client.ReadFrame()->opcode != TestClient::kClose) {
  }
  client.SendText("too late");
  client.Send(TestClient::kClose, "\x03\xe8");
  EXPECT_TRUE(client.ReadsEnd());
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(links_->event_count(), 1u);
}

TEST_F(EdgeServerTest, AClientThatDoesNotAnswerACloseIsDropped) {
  EdgeServer::Config config;
  config.close_timeout_ms = 100;
  Start("", config);
  TestClient client = Open();
  DeliverClose(links_->WaitForEvent(0).connection, 1000, "");
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(client.ReadFrame()->opcode, TestClient::kClose);
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(EdgeServerTest, AStaleConnectionIsPassedOver) {
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

// --- What clients do wrong

TEST_F(EdgeServerTest, BadFramesCloseWith1002) {
  Start();
  const std::string wrong[] = {
      TestClient::FrameBytes(TestClient::kText, "unmasked", true, false),
      TestClient::FrameBytes(TestClient::kBinary, std::string(200, 'u'), true, false),
      TestClient::FrameBytes(TestClient::kText, std::string(3000, 'u'), true, false),
      TestClient::FrameBytes(TestClient::kText, "reserved", true, true, 4),
      TestClient::FrameBytes(static_cast<TestClient::Opcode>(3), "opcode"),
      TestClient::FrameBytes(static_cast<TestClient::Opcode>(11), "opcode"),
      TestClient::FrameBytes(TestClient::kContinuation, "of nothing"),
      TestClient::FrameBytes(TestClient::kPing, "in pieces", false),
      TestClient::FrameBytes(TestClient::kText, "one", false) +
          TestClient::FrameBytes(TestClient::kText, "two"),
      TestClient::FrameBytes(TestClient::kText, "good") +
          TestClient::FrameBytes(TestClient::kText, "unmasked", true, false),
  };
  for (const std::string& bytes : wrong) {
    const size_t before = links_->event_count();
    TestClient client = Open();
    client.SendRaw(bytes);
    EXPECT_EQ(client.ReadClose().close_code(), 1002) << testing::PrintToString(bytes);
    EXPECT_EQ(links_->WaitForKind(EventKind::kClose, before).close_code(), 1002)
        << testing::PrintToString(bytes);
  }
}

TEST_F(EdgeServerTest, ABreachOfTheProtocolIsTheLastThingThatCounts) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  client.SendRaw(TestClient::FrameBytes(TestClient::kPing, std::string(126, 'p')) +
                 TestClient::FrameBytes(TestClient::kPing, "p") +
                 TestClient::FrameBytes(TestClient::kText, "text"));
  EXPECT_EQ(client.ReadFrame()->close_code(), 1002) << "the first and only frame";
  EXPECT_TRUE(client.ReadsEnd());
  ExpectCloseEvent(1002, "Control frames carry at most 125 bytes");
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(EdgeServerTest, EveryPingIsAnswered) {
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

TEST_F(EdgeServerTest, WhoPingsAndDoesNotReadGetsTheLastAnswer) {
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

TEST_F(EdgeServerTest, WhatATurnHasForASocketLeavesInOneWrite) {
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

TEST_F(EdgeServerTest, TextThatIsNotUtf8ClosesWith1007) {
  Start();
  TestClient client = Open();
  client.SendText("caf\xe9");
  EXPECT_EQ(client.ReadClose().close_code(), 1007);
  ExpectCloseEvent(1007, "Text must be UTF-8");
  TestClient binary = Open();
  binary.Send(TestClient::kBinary, "caf\xe9");
  EXPECT_EQ(links_->WaitForKind(EventKind::kBinary, 2).payload, "caf\xe9");
}

TEST_F(EdgeServerTest, OversizedFramesAreDroppedWithAReply) {
  Start();
  links_->Echo(true);
  TestClient client = Open();
  for (const size_t size : {4001, 9000, 16'000}) {
    client.SendText(std::string(size, 'x'));
    EXPECT_EQ(client.ReadMessage(), "too large " + std::to_string(size) + " 4000.");
  }
  client.Send(TestClient::kBinary, std::string(3000, 'x'), false);  // too large only together
  client.Send(TestClient::kContinuation, std::string(3000, 'x'), true);
  EXPECT_EQ(client.ReadMessage(), "too large 6000 4000.");
  const std::string frame = R"({"id":"7","data":")" + std::string(10'000, 'x') + R"("})";
  client.SendText(frame);
  EXPECT_EQ(client.ReadMessage(), R"(too large 10020 4000"7")");
  client.Send(TestClient::kText, frame.substr(0, 5), false);
  client.Send(TestClient::kContinuation, frame.substr(5, 3'995), false);
  client.Send(TestClient::kContinuation, frame.substr(4'000), true);
  EXPECT_EQ(client.ReadMessage(), R"(too large 10020 4000"7")");
  client.SendText("small again");
  EXPECT_EQ(client.ReadMessage(), "small again");
  EXPECT_EQ(links_->event_count(), 2u);
}

TEST_F(EdgeServerTest, FramesOfOverFourTimesTheLimitCloseWith1009) {
  Start();
  TestClient client = Open();
  client.SendText(std::string(16'001, 'x'));
  EXPECT_EQ(client.ReadClose().close_code(), 1009);
  ExpectCloseEvent(1009, "Message too large");
  TestClient announced = Open();
  announced.SendRaw(TestClient::FrameBytes(TestClient::kText, std::string(100'000, 'x')).substr(0, 20));
  EXPECT_EQ(announced.ReadClose().close_code(), 1009);  // by the announcement alone
  TestClient fragmented = Open();
  for (int i = 0; i < 5; ++i)
    fragmented.Send(i == 0 ? TestClient::kText : TestClient::kContinuation, std::string(4000, 'x'), false);
  EXPECT_EQ(fragmented.ReadClose().close_code(), 1009);
}

TEST_F(EdgeServerTest, WithoutAReplyAnOversizedFrameClosesWith1009) {
  Start();
  TestClient client = Open("/plain/a");
  client.SendText(std::string(4001, 'x'));
  EXPECT_EQ(client.ReadClose().close_code(), 1009);
  ExpectCloseEvent(1009, "Message too large");
}

TEST_F(EdgeServerTest, TooManyFramesAreDroppedWithAReply) {
  Start(R"(rate_limit: 0.5 rate_burst: 3 rate_exempt_types: "connect"
           rate_limited_reply { parts { literal: "slow down " } parts { value: RETRY_AFTER_S } })");
  TestClient client = Open();
  for (int i = 0; i < 5; ++i) client.SendText("message");
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  client.SendText(R"({"type":"connect"})");
  client.SendText(R"({"type":"heartbeat"})");  // answered at the edge, counted all the same
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(links_->WaitForEvent(4).payload, R"({"type":"connect"})");
  client.SendText(R"({"type":"connect"})");  // only the first is not counted
  EXPECT_EQ(client.ReadMessage(), "slow down 2");
  EXPECT_EQ(links_->event_count(), 5u);
  EXPECT_EQ(metrics_->rate_limited->Value(), 4);
}

// --- Edge rules

TEST_F(EdgeServerTest, HeartbeatsDoNotReachTheHub) {
  Start();
  TestClient client = Open();
  const std::string id = ConnectionId{kGateway, links_->WaitForEvent(0).connection}.ToString();
  client.SendText(R"({"type":"heartbeat"})");
  EXPECT_EQ(client.ReadMessage(), R"({"ack":")" + id + R"("})");
  client.SendText(R"({"type":"other"})");
  EXPECT_EQ(links_->WaitForEvent(1).payload, R"({"type":"other"})");
  client.SendText(R"({"type":"heart\u0062eat"})");
  EXPECT_EQ(client.ReadMessage(), R"({"ack":")" + id + R"("})");
  client.Send(TestClient::kBinary, R"({"type":"heartbeat"})");
  EXPECT_EQ(links_->WaitForEvent(2).kind, EventKind::kBinary) << "who knows what that is?";
  EXPECT_EQ(metrics_->auto_responses->Value(), 2);
}

TEST_F(EdgeServerTest, HeartbeatsInBinaryFramesAreHeartbeatsWhereTheClassSaysSo) {
  Start("binary_is_text: true");
  TestClient client = Open();
  client.Send(TestClient::kBinary, R"({"type":"heartbeat"})");
  const std::optional<TestClient::Frame> ack = client.ReadFrame();
  ASSERT_TRUE(ack.has_value());
  EXPECT_EQ(ack->opcode, TestClient::kText);
  EXPECT_EQ(ack->payload.substr(0, 8), R"({"ack":")");
  client.Send(TestClient::kBinary, "\xff{\"type\":\"heartbeat\"}");
  EXPECT_EQ(links_->WaitForEvent(1).kind, EventKind::kBinary);
  EXPECT_EQ(links_->WaitForEvent(1).payload, "\xff{\"type\":\"heartbeat\"}");
}

TEST_F(EdgeServerTest, SilentSocketsAreClosedAndOnlyThose) {
  Start(
      R"(idle_timeout_ms: 400 idle_check_ms: 100 idle_close_code: 4408
           idle_close_reason: "Connection timeout")");
  TestClient silent = Open();
  TestClient pinging = Open();
  TestClient empty_ponging = Open();
  TestClient heartbeating = Open();
  const int64_t began = SteadyMs();
  std::optional<int64_t> closed;
  while (SteadyMs() - began < 1500) {
    pinging.Send(TestClient::kPing, "");
    empty_ponging.Send(TestClient::kPong, "");
    heartbeating.SendText(R"({"type":"heartbeat"})");
    if (!silent.HasNothing(100) && !closed.has_value()) {
      closed = SteadyMs() - began;
      const TestClient::Frame close = silent.ReadClose();
      EXPECT_EQ(close.close_code(), 4408);
      EXPECT_EQ(close.close_reason(), "Connection timeout");
      EXPECT_TRUE(silent.ReadsEnd());
    }
    if (closed.has_value()) std::this_thread::yield();
  }
  ASSERT_TRUE(closed.has_value());
  EXPECT_GE(*closed, 390);
  EXPECT_LE(*closed, 1000);
  ExpectCloseEvent(4408, "Connection timeout", 4);
  EXPECT_EQ(links_->event_count(), 5u);
  WaitForGauge(metrics_->connections, 3);
}

TEST_F(EdgeServerTest, ANewProfileHoldsForOpenConnections) {
  Start();
  TestClient client = Open();
  links_->Run([this] {
    edge_->OnProfiles(
        {Profile(std::string(kRoom) + "idle_timeout_ms: 200 idle_check_ms: 50 idle_close_code: 4408")}, 16);
  });
  EXPECT_EQ(client.ReadClose().close_code(), 4408);
}

// --- Deliveries

TEST_F(EdgeServerTest, OneDeliveryReachesAllItsRecipients) {
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

TEST_F(EdgeServerTest, HeadsGoBeforeTheSharedBytesInOneFrame) {
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

TEST_F(EdgeServerTest, ASlowReaderGetsEverythingInOrderAndItsHubIsTold) {
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

TEST_F(EdgeServerTest, AReaderThatIsTooSlowIsClosedWith1013) {
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

TEST_F(EdgeServerTest, AReaderThatNeverReadsIsDropped) {
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

TEST_F(EdgeServerTest, WhatWaitsForASlowReaderStillComesBeforeTheHubsClose) {
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

TEST_F(EdgeServerTest, ABrokenReaderHarmsNobody) {
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

// --- What comes back

TEST_F(EdgeServerTest, ReturnableTextToAClientThatHasJustGoneComesBack) {
  Start();
  std::optional<TestClient> client(Open());
  const uint64_t connection = links_->WaitForEvent(0).connection;
  links_->Run([&] {  // in one turn of the loop, so that it cannot have seen the end yet
    client.reset();
    DeliverReturnable(connection, "too late");
  });
  EXPECT_EQ(links_->WaitForKind(EventKind::kUndelivered, 1).payload, "too late");
}

TEST_F(EdgeServerTest, ReturnableTextToAConnectionThatIsNotThereComesBackWhole) {
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

TEST_F(EdgeServerTest, WhatWaitedForAReaderThatWasTooSlowComesBackAfterItsClose) {
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

TEST_F(EdgeServerTest, WhatWaitedForABrokenReaderComesBackAfterItsClose) {
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

TEST_F(EdgeServerTest, AHubThatClosesAgainWantsBackWhatStillWaits) {
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

// --- Congestion

TEST_F(EdgeServerTest, ACongestedLaneStopsReadingAndGoesOnWithoutLoss) {
  Start();
  TestClient client = Open();
  TestClient other = Open();
  links_->WaitForEvent(1);
  links_->Congest(true);
  constexpr size_t kFrames = 2000;
  std::string bytes;
  for (size_t i = 0; i < kFrames; ++i)
    bytes += TestClient::FrameBytes(TestClient::kText, "frame " + std::to_string(i));
  std::thread sender([&] { client.SendRaw(bytes); });
  EXPECT_EQ(links_->WaitForEvent(2).payload, "frame 0");
  WaitForGauge(metrics_->congested, 1);
  for (int i = 0; i < 100; ++i) links_->Run([] {});
  EXPECT_EQ(links_->event_count(), 3u);  // not one more was read

  links_->Run([this] { edge_->OnUncongested(); });  // somebody else's lane: this one still is
  EXPECT_EQ(links_->event_count(), 3u);
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  for (size_t i = 0; i < kFrames; ++i)
    ASSERT_EQ(links_->WaitForEvent(i + 2).payload, "frame " + std::to_string(i));
  sender.join();
  WaitForGauge(metrics_->congested, 0);
}

TEST_F(EdgeServerTest, ACongestedConnectionCanGo) {
  Start();
  links_->Congest(true);
  TestClient client = Open();
  WaitForGauge(metrics_->congested, 1);
  DeliverClose(links_->WaitForEvent(0).connection, 4000, "evicted");
  EXPECT_EQ(client.ReadClose().close_code(), 4000);
  WaitForGauge(metrics_->connections, 0);
  links_->Congest(false);
  links_->Run([this] { edge_->OnUncongested(); });
  WaitForGauge(metrics_->congested, 0);
}

// --- Crowds

TEST_F(EdgeServerTest, ThousandsOfHalfOpenHandshakesHurtNobodyAndEnd) {
  EdgeServer::Config config;
  config.handshake_timeout_ms = 2'000;
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

TEST_F(EdgeServerTest, SaysThatItIsFullBeforeDescriptorsRunOut) {
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

// --- The end

TEST_F(EdgeServerTest, DrainClosesEverySocketWithinTheWindow) {
  EdgeServer::Config config;
  config.drain_window_ms = 500;
  Start("", config);
  std::vector<TestClient> clients;
  clients.reserve(40);
  for (int i = 0; i < 40; ++i) clients.push_back(Open());
  std::promise<int64_t> done;
  const int64_t began = SteadyMs();
  links_->SetUnsettled(1);
  links_->Run([&] { edge_->Drain([&] { done.set_value(SteadyMs()); }); });
  EXPECT_FALSE(edge_->readiness().ready);
  EXPECT_THROW(TestClient{port()}, std::runtime_error);  // gives up its port at once
  for (TestClient& client : clients) {
    const TestClient::Frame close = client.ReadClose();
    EXPECT_EQ(close.close_code(), 1001);
    EXPECT_EQ(close.close_reason(), "Going Away");
  }
  EXPECT_GE(SteadyMs() - began, 250);  // spread over the window
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(links_->WaitForEvent(40 + i).close_code(), 1001);
  std::future<int64_t> end = done.get_future();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(end.wait_for(std::chrono::milliseconds(100)),
            std::future_status::timeout);  // closes are not settled yet
  links_->SetUnsettled(0);
  EXPECT_EQ(end.wait_for(std::chrono::seconds(4)), std::future_status::ready);
}

TEST_F(EdgeServerTest, ASecondSignalEndsTheDrainSooner) {
  EdgeServer::Config config;
  config.drain_window_ms = 3'600'000;
  Start("", config);
  TestClient client = Open();
  std::promise<void> done;
  links_->Run([&] { edge_->Drain([] { FAIL() << "the second call's is the one to be called"; }); });
  EXPECT_TRUE(client.HasNothing(50));
  links_->Run([&] { edge_->Drain([&] { done.set_value(); }); });
  EXPECT_EQ(client.ReadClose().close_code(), 1001);
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST_F(EdgeServerTest, AnEmptyGatewayDrainsAtOnceAndWaitsForSettlingOnlySoLong) {
  EdgeServer::Config config;
  config.drain_window_ms = 3'600'000;
  config.settle_timeout_ms = 100;
  Start("", config);
  links_->SetUnsettled(7);
  std::promise<void> done;
  links_->Run([&] { edge_->Drain([&] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace dormouse
