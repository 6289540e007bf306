// Who may come in: tokens, origins, how many. Through an EdgeServer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/edge/door/offered_protocols.h"
#include "gateway/edge/testing/edge_server_fixture.h"
#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kGood(FakeAuthority::kGood);
const std::string kBad(FakeAuthority::kBad);

class EntryTest : public EdgeServerTest {
 protected:
  void StartWithTokens() {
    EdgeServer::Config config;
    config.http.upgrades.tokens = &authority_;
    Start("", config);
  }
  // "101", or another status.
  std::string StatusOf(const std::string& headers, const char* from = "127.0.0.1") {
    clients_.emplace_back(port(), 0, from);
    return clients_.back().Upgrade("/room", headers).substr(9, 3);
  }
  // What the hub was told of the next socket that opened.
  link::OpenRequest NextOpened() {
    link::OpenRequest open;
    EXPECT_TRUE(
        open.ParseFromString(links_->WaitForKind(EventKind::kOpen, events_seen_, &events_seen_).payload));
    ++events_seen_;
    return open;
  }

  const FakeAuthority authority_{};
  std::vector<TestClient> clients_;  // they stay open
  size_t events_seen_ = 0;
};

// --- Tokens

TEST_F(EntryTest, WithoutAGoodTokenNoSocketOpens) {
  StartWithTokens();
  for (const char* path : {"/room", "/plain/a"}) {
    EXPECT_THAT(TestClient(port()).Upgrade(path), testing::AllOf(StartsWith("HTTP/1.1 401 Unauthorized"),
                                                                 HasSubstr("WWW-Authenticate: Bearer")));
    const std::string refusal = TestClient(port()).Upgrade(path, "Authorization: Bearer " + kBad + "\r\n");
    EXPECT_THAT(refusal, StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(refusal, HasSubstr("error=\"invalid_token\""));
    EXPECT_THAT(refusal, Not(HasSubstr(kBad)));
  }
  EXPECT_EQ(StatusOf("Sec-WebSocket-Protocol: dormouse, bearer." + kBad + "\r\n"), "401");
  EXPECT_EQ(Metric("dormouse_refusals_total", "token"), 5);
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(EntryTest, TheHubIsToldWhoseTokenItWasAndNotTheToken) {
  StartWithTokens();
  for (const std::string& headers :
       {"Authorization: Bearer " + kGood + "\r\n", "Sec-WebSocket-Protocol: bearer." + kGood + "\r\n"}) {
    ASSERT_EQ(StatusOf(headers), "101");
    const link::OpenRequest open = NextOpened();
    EXPECT_EQ(open.identity().actor(), "test/good");
    EXPECT_THAT(open.identity().actors(), testing::ElementsAre("test/good-*"));
    EXPECT_THAT(open.identity().capabilities(), testing::ElementsAre("send"));
    EXPECT_EQ(open.identity().expires_ms(), 1234);
    EXPECT_EQ(open.identity().role(), "board");
    EXPECT_THAT(open.SerializeAsString(), Not(HasSubstr(kGood)));
  }
}

TEST_F(EntryTest, ABrowsersTokenIsNotTheSubprotocolUnlessItIsAllThereIs) {
  StartWithTokens();
  TestClient both(port());
  EXPECT_THAT(both.Upgrade("/room", "Sec-WebSocket-Protocol: bearer." + kGood + ", dormouse\r\n"),
              HasSubstr("\r\nSec-WebSocket-Protocol: dormouse\r\n"));
  EXPECT_EQ(NextOpened().subprotocol(), "dormouse");
  TestClient alone(port());
  EXPECT_THAT(alone.Upgrade("/room", "Sec-WebSocket-Protocol: bearer." + kGood + "\r\n"),
              HasSubstr("\r\nSec-WebSocket-Protocol: bearer." + kGood + "\r\n"));
  EXPECT_EQ(NextOpened().subprotocol(), "");
}

TEST_F(EntryTest, WhereNoneIsAskedForTokensAreNeitherCheckedNorPassedOn) {
  Start();
  EXPECT_EQ(StatusOf("Authorization: Bearer " + kBad + "\r\nSec-WebSocket-Protocol: bearer." + kBad + "\r\n"),
            "101");
  const link::OpenRequest open = NextOpened();
  EXPECT_FALSE(open.has_identity());
  EXPECT_THAT(open.SerializeAsString(), Not(HasSubstr(kBad)));
}

TEST_F(EntryTest, ThePageAndHealthNeedNoToken) {
  StartWithTokens();
  EXPECT_THAT(TestClient(port()).Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(TestClient(port()).Get("/health"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(EntryTest, TheLongestSubprotocolIsAnswered) {
  Start();
  const std::string longest(kMaxAnsweredProtocol, 'x');
  TestClient client(port());
  EXPECT_THAT(client.Upgrade("/room", "Sec-WebSocket-Protocol: " + longest + "\r\n"),
              HasSubstr("\r\nSec-WebSocket-Protocol: " + longest + "\r\n"));
  client.SendText("works");
  EXPECT_EQ(links_->WaitForKind(EventKind::kText, 0).payload, "works");
  EXPECT_EQ(StatusOf("Sec-WebSocket-Protocol: x" + longest + "\r\n"), "400");
}

// --- Origins

TEST_F(EntryTest, PagesOfOtherOriginsAreRefused) {
  EdgeServer::Config config;
  std::string wrong;
  config.http.upgrades.origins =
      OriginList::Parse({"https://app.example", "https://*.team.example"}, &wrong).value();
  Start("", config);
  EXPECT_EQ(StatusOf("Origin: https://app.example\r\n"), "101");
  EXPECT_EQ(StatusOf("Origin: https://a.team.example\r\n"), "101");
  EXPECT_EQ(StatusOf(""), "101");
  EXPECT_EQ(StatusOf("Origin: https://evil.example\r\n"), "403");
  EXPECT_EQ(StatusOf("Origin: null\r\n"), "403");
  EXPECT_EQ(Metric("dormouse_refusals_total", "origin"), 2);
  for (int i = 0; i < 3; ++i) NextOpened();
  EXPECT_EQ(links_->event_count(), 3u);
}

// --- How many

TEST_F(EntryTest, AFullGatewaySaysSo) {
  EdgeServer::Config config;
  config.http.max_connections = 2;
  Start("", config);
  const TestClient half_open(port());  // does not count: it could keep everybody out for nothing
  EXPECT_EQ(StatusOf(""), "101");
  EXPECT_EQ(StatusOf(""), "101");
  EXPECT_THAT(TestClient(port()).Upgrade("/room"),
              testing::AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1")));
  EXPECT_EQ(Metric("dormouse_refusals_total", "full"), 1);
  WaitForGauge(metrics_->connections, 2);
  clients_.pop_back();
  WaitForGauge(metrics_->connections, 1);
  EXPECT_EQ(StatusOf(""), "101");
}

TEST_F(EntryTest, AnAddressHasSoManySocketsWhateverTheyDo) {
  EdgeServer::Config config;
  config.http.max_connections_per_address = 3;
  config.http.handshake_timeout_ms = 60'000;
  Start("", config);
  EXPECT_EQ(StatusOf(""), "101");
  TestClient silent(port());
  {
    TestClient half(port());
    half.SendRaw("GET /room HTT");
    WaitForGauge(metrics_->half_open, 2);
    TestClient refused(port());
    EXPECT_THAT(refused.Upgrade("/room"), StartsWith("HTTP/1.1 429 Too Many Requests"));
    EXPECT_EQ(Metric("dormouse_refusals_total", "address_limit"), 1);
    EXPECT_EQ(StatusOf("", "127.0.0.2"), "101") << "others are none the worse";
  }
  WaitForGauge(metrics_->half_open, 1);
  EXPECT_EQ(StatusOf(""), "101");
  EXPECT_EQ(StatusOf(""), "429");
  EXPECT_TRUE(silent.HasNothing(0));
  clients_.clear();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(StatusOf(""), "101") << "a closed socket does not count";
}

TEST_F(EntryTest, ManyThatAreTurnedAwayCostNobodyAnything) {
  EdgeServer::Config config;
  config.http.max_connections_per_address = 1;
  config.http.handshake_timeout_ms = 60'000;
  Start("", config);
  links_->Echo(true);
  EXPECT_EQ(StatusOf(""), "101");
  std::vector<TestClient> refused;
  refused.reserve(600);
  for (int i = 0; i < 600; ++i) refused.emplace_back(port());
  TestClient other(port(), 0, "127.0.0.2");
  EXPECT_THAT(other.Upgrade("/room"), StartsWith("HTTP/1.1 101 "));
  other.SendText("served");
  EXPECT_EQ(other.ReadMessage(), "served");
  EXPECT_EQ(Metric("dormouse_refusals_total", "address_limit"), 600);
  EXPECT_LE(metrics_->half_open->Value(), 256);
  EXPECT_THAT(refused.front().ReadHead(), StartsWith("HTTP/1.1 429 "));
  refused.clear();
  WaitForGauge(metrics_->half_open, 0);
  EXPECT_EQ(StatusOf(""), "429") << "and is told so again";
}

// --- Behind proxies

TEST_F(EntryTest, BehindATrustedProxyTheForwardedAddressCounts) {
  EdgeServer::Config config;
  config.http.max_connections_per_address = 1;
  std::string wrong;
  config.http.proxies = TrustedProxies::Parse({"127.0.0.1"}, &wrong).value();
  Start("", config);
  const TestClient unread(
      port());  // the proxy's own sockets are not counted before they say for whom they are
  const TestClient another(port());
  EXPECT_EQ(StatusOf("X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n"), "101");
  EXPECT_EQ(NextOpened().remote_address(), "192.0.2.1");
  EXPECT_EQ(StatusOf("X-Forwarded-For: 192.0.2.1\r\n"), "429");
  EXPECT_EQ(StatusOf("X-Forwarded-For: 192.0.2.2\r\n"), "101");
  EXPECT_EQ(NextOpened().remote_address(), "192.0.2.2");
  EXPECT_EQ(StatusOf("X-Forwarded-For: 192.0.2.3\r\n", "127.0.0.2"), "101");
  EXPECT_EQ(NextOpened().remote_address(), "127.0.0.2") << "no proxy of ours: its word does not count";
  EXPECT_EQ(StatusOf("X-Forwarded-For: 192.0.2.4\r\n", "127.0.0.2"), "429");
}

TEST_F(EntryTest, WhatClientsPretendOfTheirWayReachesNoHub) {
  EdgeServer::Config config;
  std::string wrong;
  config.http.proxies = TrustedProxies::Parse({"127.0.0.1"}, &wrong).value();
  Start("", config);
  const std::string lies =
      "X-Forwarded-For: 203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n"
      "User-Agent: test\r\nOrigin: http://a\r\n";
  for (const char* from : {"127.0.0.1", "127.0.0.2"}) {
    ASSERT_EQ(StatusOf(lies, from), "101");
    const link::OpenRequest open = NextOpened();
    EXPECT_EQ(open.remote_address(), from == std::string("127.0.0.1") ? "203.0.113.9" : "127.0.0.2");
    ASSERT_EQ(open.headers_size(), 2);
    EXPECT_EQ(open.headers(0).name() + open.headers(1).name(), "originuser-agent");
  }
}

class ProxyProtocolTest : public EntryTest {
 protected:
  void StartBehindProxy() {
    EdgeServer::Config config;
    config.http.max_connections_per_address = 1;
    std::string wrong;
    config.http.proxies = TrustedProxies::Parse({"127.0.0.1", "10.0.0.0/8"}, &wrong).value();
    config.http.proxy_protocol = true;
    Start("", config);
  }
  // "101", or another status, or "" where the socket was closed. `header`: as the proxy writes it.
  std::string Through(const std::string& header, const std::string& headers = "",
                      const char* from = "127.0.0.1") {
    clients_.emplace_back(port(), 0, from);
    clients_.back().SendRaw(header + TestClient::UpgradeRequest("/room", headers));
    return clients_.back().ReadHead().substr(0, 12);
  }
  static std::string Text(const std::string& client) {
    return "PROXY TCP4 " + client + " 192.0.2.99 1 2\r\n";
  }
  static std::string Binary(char command, const std::string& address) {
    std::string header("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
    header[12] = command;
    return header + address + std::string(8, '\x01');
  }
};

TEST_F(ProxyProtocolTest, TheClientIsWhoTheProxySaysAndIsCounted) {
  StartBehindProxy();
  EXPECT_EQ(Through(Text("192.0.2.1"), "X-Forwarded-For: 192.0.2.7\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "192.0.2.1") << "what the client writes itself does not count";
  EXPECT_EQ(Through(Text("192.0.2.1")), "HTTP/1.1 429");
  EXPECT_EQ(Metric("dormouse_refusals_total", "address_limit"), 1);
  EXPECT_EQ(Through(Binary('\x21', "\xc0\xa8\x02\x02")), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "192.168.2.2");
  EXPECT_EQ(Through("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "2001:db8::1");
  WaitForGauge(metrics_->connections, 3);
  clients_.clear();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(Through(Text("192.0.2.1")), "HTTP/1.1 101") << "a closed socket does not count";
}

TEST_F(ProxyProtocolTest, ItIsCountedBeforeItsRequest) {
  StartBehindProxy();
  TestClient first(port());
  TestClient second(port());
  first.SendRaw(Text("192.0.2.1"));
  second.SendRaw(Text("192.0.2.1"));
  const int64_t until = SteadyMs() + 4'000;  // before their time for a request is over
  while (Metric("dormouse_refusals_total", "address_limit") == 0 && SteadyMs() < until) links_->Run([] {});
  EXPECT_EQ(Metric("dormouse_refusals_total", "address_limit"), 1) << "whichever of the two was heard first";
  EXPECT_EQ(Metric("dormouse_handshake_timeouts_total"), 0);
}

TEST_F(ProxyProtocolTest, ItComesInPieces) {
  StartBehindProxy();
  for (const std::string& header : {Text("192.0.2.1"), Binary('\x21', "\xc0\xa8\x02\x02")}) {
    TestClient client(port());
    for (const char c : header + TestClient::UpgradeRequest("/room")) client.SendRaw({&c, 1});
    EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 "));
  }
  EXPECT_EQ(NextOpened().remote_address(), "192.0.2.1");
  EXPECT_EQ(NextOpened().remote_address(), "192.168.2.2");
}

TEST_F(ProxyProtocolTest, AProxyMaySpeakForItselfOrForAnother) {
  StartBehindProxy();
  EXPECT_EQ(Through(Binary('\x20', "\xc0\xa8\x02\x02")), "HTTP/1.1 101") << "LOCAL";
  EXPECT_EQ(NextOpened().remote_address(), "127.0.0.1");
  WaitForGauge(metrics_->connections, 1);
  clients_.clear();
  WaitForGauge(metrics_->connections, 0);
  EXPECT_EQ(Through("PROXY UNKNOWN\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "127.0.0.1");
  EXPECT_EQ(Through(Text("10.0.0.1"), "X-Forwarded-For: 192.0.2.1\r\n"), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "192.0.2.1");
  EXPECT_EQ(Through(Text("10.0.0.1"), "X-Forwarded-For: 192.0.2.1\r\n"), "HTTP/1.1 429");
}

TEST_F(ProxyProtocolTest, AProxyThatDoesNotBeginWithItIsClosedAtOnce) {
  StartBehindProxy();
  EXPECT_EQ(Through(""), "");
  EXPECT_EQ(Through("PROXY TCP4 x\r\n"), "");
  std::string large = Binary('\x21', "\xc0\xa8\x02\x02");
  large[14] = '\x7f';
  TestClient larger(port());
  larger.SendRaw(large.substr(0, 16));
  EXPECT_TRUE(larger.ReadsEnd());
  TestClient endless(port());
  endless.SendRaw("PROXY UNKNOWN " + std::string(107 - 14, 'x'));
  EXPECT_TRUE(endless.ReadsEnd());
  EXPECT_EQ(Metric("dormouse_refusals_total", "proxy_header"), 4);
  EXPECT_EQ(Metric("dormouse_handshake_timeouts_total"), 0);
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(ProxyProtocolTest, NobodyElseIsBelieved) {
  StartBehindProxy();
  EXPECT_EQ(Through(Text("192.0.2.1"), "", "127.0.0.2"), "HTTP/1.1 400");
  EXPECT_EQ(Through(Binary('\x21', "\xc0\xa8\x02\x02"), "", "127.0.0.3"), "HTTP/1.1 400");
  EXPECT_EQ(Through("", "", "127.0.0.4"), "HTTP/1.1 101");
  EXPECT_EQ(NextOpened().remote_address(), "127.0.0.4");
}

}  // namespace
}  // namespace dormouse::edge
