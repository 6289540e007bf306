// WebSockets that an app leads to a hub: through an EdgeServer, with a worker that says what it is told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "gateway/edge/testing/app_fixture.h"
#include "gateway/edge/testing/fake_authority.h"

namespace dormouse::edge {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class AppSocketsTest : public AppTest {
 protected:
  // Asks for a WebSocket, has the worker answer that.
  TestClient Upgrade(const std::string& answer, const std::string& more_headers = "") {
    TestClient client = Send(TestClient::UpgradeRequest("/chat", more_headers));
    TestClient at_worker = worker_.Accept();
    request_ = at_worker.ReadHead();
    at_worker.SendRaw(answer);
    return client;
  }
  static std::string ToHub(const std::string& hub, const std::string& more_headers = "") {
    return "HTTP/1.1 200 OK\r\ndormouse-hub: " + hub + "\r\ndormouse-reservation: r-1\r\n" + more_headers +
           "Content-Length: 0\r\n\r\n";
  }
  std::string request_;  // as it came to the worker
};

TEST_F(AppSocketsTest, OpensAtTheHubThatTheAppNames) {
  StartApp();
  links_->Echo(true);
  TestClient client =
      Upgrade(ToHub("plain/0abc",
                    "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nSec-WebSocket-Protocol: v2\r\nContent-Type: x\r\n"
                    "Connection: keep-alive\r\nX-Own: 3\r\n"),
              "Sec-WebSocket-Protocol: v1, v2\r\nDormouse-Upgrade: 2\r\nX-Forwarded-For: 1.1.1.1\r\n");
  EXPECT_THAT(request_, StartsWith("GET /chat HTTP/1.1\r\n"));
  EXPECT_THAT(request_, HasSubstr("\r\nSec-WebSocket-Protocol: v1, v2\r\n"));
  EXPECT_THAT(request_, HasSubstr("\r\nx-forwarded-for: 127.0.0.1\r\n"));
  EXPECT_THAT(request_,
              EndsWith("\r\nupgrade: websocket\r\ndormouse-upgrade: 1\r\nconnection: close\r\n\r\n"));
  EXPECT_THAT(request_, Not(HasSubstr("Dormouse-Upgrade")));

  const std::string head = client.ReadHead();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(
      head,
      HasSubstr("\r\nSec-WebSocket-Protocol: v2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: 3\r\n\r\n"));
  const FakeLinks::Event event = links_->WaitForEvent(0);
  EXPECT_EQ(event.kind, EventKind::kOpen);
  EXPECT_EQ(event.hub, "plain/0abc");
  link::OpenRequest open;
  ASSERT_TRUE(open.ParseFromString(event.payload));
  EXPECT_EQ(open.reservation(), "r-1");
  EXPECT_EQ(open.subprotocol(), "v2");
  EXPECT_EQ(open.path(), "/chat");
  EXPECT_EQ(open.remote_address(), "127.0.0.1");

  client.SendText("hello");
  EXPECT_EQ(client.ReadMessage(), "hello");
  WaitForGauge(metrics_->app_requests, 0);
  EXPECT_EQ(Metric("dormouse_connections"), 1);
}

TEST_F(AppSocketsTest, FramesThatComeBeforeTheAnswerAreKept) {
  StartApp();
  TestClient client = Send(TestClient::UpgradeRequest("/chat") +
                           TestClient::FrameBytes(TestClient::kText, "with the request"));
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  client.SendText("while the app thinks");
  at_worker.SendRaw(ToHub("plain/a"));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 "));
  EXPECT_EQ(links_->WaitForEvent(1).payload, "with the request");
  EXPECT_EQ(links_->WaitForEvent(2).payload, "while the app thinks");
}

TEST_F(AppSocketsTest, AnyOtherAnswerIsTheClients) {
  StartApp();
  EXPECT_THAT(
      Upgrade("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nX-Why: so\r\ndormouse-hub: plain/a\r\n\r\nno\n")
          .ReadRest(),
      "HTTP/1.1 403 Forbidden\r\nX-Why: so\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno\n");
  EXPECT_THAT(Upgrade("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "1\r\na\r\n0\r\n\r\n")
                  .ReadRest(),
              testing::AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\n1\r\na\r\n0\r\n\r\n")));
  EXPECT_THAT(Upgrade("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").ReadRest(),
              StartsWith("HTTP/1.1 502 "));
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(AppSocketsTest, OnlyAnUpgradeLeadsToAHub) {
  StartApp();
  TestClient client = Get("/chat");
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  at_worker.SendRaw(ToHub("plain/a"));
  EXPECT_EQ(client.ReadRest(), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(AppSocketsTest, AHubThatCannotBeIsTheAppsMistake) {
  StartApp();
  for (const char* hub : {"nothing/a", "plain/", "plain", "/a", "", "plain/a b", "plain/a/b"}) {
    EXPECT_THAT(Upgrade(ToHub(hub)).ReadRest(), StartsWith("HTTP/1.1 502 Bad Gateway\r\n")) << hub;
  }
  EXPECT_THAT(Upgrade(ToHub("plain/a", "X: " + std::string(10'000, 'x') + "\r\n")).ReadRest(),
              testing::AllOf(StartsWith("HTTP/1.1 502 "), HasSubstr("bytes of headers")));
  EXPECT_EQ(links_->event_count(), 0u);
}

TEST_F(AppSocketsTest, AProtocolThatWasNotOfferedIsNotAnswered) {
  StartApp();
  for (const auto& [offered, chosen] :
       {std::pair("v1", "v2"), std::pair("v1, v2", "v1, v2"), std::pair("v1", "")}) {
    TestClient client = Upgrade(ToHub("plain/a", "Sec-WebSocket-Protocol: " + std::string(chosen) + "\r\n"),
                                "Sec-WebSocket-Protocol: " + std::string(offered) + "\r\n");
    EXPECT_THAT(client.ReadHead(), testing::AllOf(StartsWith("HTTP/1.1 101 "), Not(HasSubstr("Protocol:"))));
  }
}

TEST_F(AppSocketsTest, TheGatewayCompressesWhateverTheAppSays) {
  EdgeServer::Config config;
  config.http.upgrades.compression = true;
  StartApp(config);
  TestClient client = Upgrade(ToHub("plain/a", "Sec-WebSocket-Extensions: made-up\r\n"),
                              "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("\r\nSec-WebSocket-Extensions: permessage-deflate;"));
}

TEST_F(AppSocketsTest, WhatTheGatewayRefusesTheAppIsNotAsked) {
  EdgeServer::Config config;
  std::string wrong;
  config.http.upgrades.origins = *OriginList::Parse({"https://good.example"}, &wrong);
  const FakeAuthority authority;
  config.http.upgrades.tokens = &authority;
  StartApp(config);
  const auto status = [&](const std::string& more_headers) {
    return TestClient(port()).Upgrade("/chat", more_headers).substr(9, 3);
  };
  EXPECT_EQ(status("Origin: https://bad.example\r\n"), "403");
  EXPECT_EQ(status(""), "401");
  EXPECT_EQ(status("Authorization: Bearer " + std::string(FakeAuthority::kBad) + "\r\n"), "401");
  EXPECT_EQ(status("Content-Length: 5\r\n"), "400");
  EXPECT_FALSE(worker_.IsWanted());
  const std::string bearer = "bearer." + std::string(FakeAuthority::kGood);
  TestClient client = Upgrade(ToHub("plain/a"), "Sec-WebSocket-Protocol: " + bearer + "\r\n");
  EXPECT_THAT(client.ReadHead(), HasSubstr("\r\nSec-WebSocket-Protocol: " + bearer + "\r\n"))
      << "a browser would end the connection else";
  link::OpenRequest open;
  ASSERT_TRUE(open.ParseFromString(links_->WaitForEvent(0).payload));
  EXPECT_EQ(open.identity().actor(), "test/good");
  EXPECT_EQ(open.subprotocol(), "");
}

TEST_F(AppSocketsTest, RoutesOfHubClassesDoNotAskTheApp) {
  StartApp();
  Open("/room/kitchen");
  EXPECT_EQ(links_->WaitForEvent(0).hub, "room/kitchen");
  EXPECT_THAT(TestClient(port()).Upgrade("/room/a%20b"), StartsWith("HTTP/1.1 404 "));
  EXPECT_FALSE(worker_.IsWanted());
}

TEST_F(AppSocketsTest, AClientThatDoesNotWaitForItsSocketIsLetGo) {
  StartApp();
  TestClient client = Send(TestClient::UpgradeRequest("/chat"));
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  client.EndOutput();
  EXPECT_TRUE(at_worker.ReadsEnd()) << "who cannot speak any more wants no WebSocket";
  WaitForGauge(metrics_->app_requests, 0);
  EXPECT_EQ(Failures("client_gone"), 1);
}

TEST_F(AppSocketsTest, ASocketThatTheAppIsAskedForCountsOnce) {
  EdgeServer::Config config;
  config.http.max_connections = 2;
  StartApp(config);
  TestClient client = Send(TestClient::UpgradeRequest("/chat"));
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  TestClient other = Open();
  at_worker.SendRaw(ToHub("plain/a"));
  EXPECT_THAT(client.ReadHead(), StartsWith("HTTP/1.1 101 ")) << "it was counted before";
  TestClient third = Send(TestClient::UpgradeRequest("/chat"));
  EXPECT_THAT(third.ReadRest(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(AppSocketsTest, AStoppingGatewayOpensNoSocketForTheApp) {
  StartApp();
  TestClient client = Send(TestClient::UpgradeRequest("/chat"));
  TestClient at_worker = worker_.Accept();
  at_worker.ReadHead();
  links_->Run([&] { edge_->Drain([] {}); });
  at_worker.SendRaw(ToHub("plain/a"));
  EXPECT_THAT(client.ReadRest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(links_->event_count(), 0u);
}

}  // namespace
}  // namespace dormouse::edge
