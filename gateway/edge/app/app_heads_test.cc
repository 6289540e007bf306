#include "gateway/edge/app/app_heads.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace dormouse::edge {
namespace {

std::string Request(const std::string& head, const AppClient& client = {"192.0.2.1"},
                    bool to_socket = false) {
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << refusal.body;
  return WriteAppRequest(request, HttpBody::Of(request), client, to_socket);
}

// Kept by the caller.
HttpResponse Parsed(const std::string& head) {
  HttpResponse answer;
  EXPECT_TRUE(ParseHttpResponse(head, &answer)) << head;
  return answer;
}

std::string Answer(const std::string& head, bool to_head = false) {
  const HttpResponse answer = Parsed(head);
  return WriteAppAnswer(answer, HttpBody::Of(answer, to_head).value());
}

constexpr char kTail[] =
    "x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\ncf-connecting-ip: 192.0.2.1\r\n";

TEST(AppHeads, ARequestIsPassedOnAsItWasButForWhatIsOfOneConnection) {
  EXPECT_EQ(
      Request(
          "PUT /a%20b?c=d HTTP/1.1\r\nHost: a.example:80\r\nAccept: x\r\nCookie: a\r\nX-A: 1\r\nX-A: 2\r\n"
          "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: A\r\n"
          "Proxy-Connection: keep-alive\r\nProxy-Authorization: b\r\nUpgrade: h2c\r\nExpect: "
          "100-continue\r\nContent-Length: 07\r\n\r\n"),
      "PUT /a%20b?c=d HTTP/1.1\r\nhost: a.example:80\r\nAccept: x\r\nCookie: a\r\nX-A: 1\r\nX-A: 2\r\n"
      "Expect: 100-continue\r\n" +
          std::string(kTail) + "content-length: 7\r\nconnection: close\r\n\r\n");
}

TEST(AppHeads, WhatTheTargetNamesIsTheHost) {
  EXPECT_EQ(Request("GET http://b.example/x HTTP/1.1\r\nHost: a\r\n\r\n"),
            "GET /x HTTP/1.1\r\nhost: b.example\r\n" + std::string(kTail) + "connection: close\r\n\r\n");
  EXPECT_EQ(Request("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"),
            "GET / HTTP/1.0\r\n" + std::string(kTail) + "connection: close\r\n\r\n");
}

TEST(AppHeads, OnlyTheGatewaySaysWhoTheClientIs) {
  const std::string claims =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-FORWARDED-PROTO: https\r\n"
      "X-Forwarded-Host: h\r\n"
      "Forwarded: for=1.1.1.1\r\nCF-Connecting-IP: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n"
      "True-Client-IP: 1.1.1.1\r\n"
      "Dormouse-Upgrade: 1\r\ndormouse-hub: room/a\r\nConnection: x-forwarded-for, cf-connecting-ip\r\n\r\n";
  EXPECT_EQ(Request(claims),
            "GET / HTTP/1.1\r\nhost: a\r\n" + std::string(kTail) + "connection: close\r\n\r\n");
  EXPECT_EQ(Request(claims, {"2001:db8::1", /*by_proxy=*/true}),
            "GET / HTTP/1.1\r\nhost: a\r\nX-Forwarded-Host: h\r\nx-forwarded-for: 2001:db8::1\r\n"
            "x-forwarded-proto: https\r\ncf-connecting-ip: 2001:db8::1\r\nconnection: close\r\n\r\n");
  const std::string_view by_tls = "x-forwarded-proto: https\r\n";
  EXPECT_NE(Request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n", {"::1", false, true})
                .find(by_tls),
            std::string::npos);
  // What the proxy says counts; where it says nothing, how it came itself.
  EXPECT_NE(Request("GET / HTTP/1.1\r\nHost: a\r\n\r\n", {"::1", true, true}).find(by_tls),
            std::string::npos);
  EXPECT_EQ(Request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n", {"::1", true, true})
                .find(by_tls),
            std::string::npos);
  EXPECT_NE(Request("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https, http\r\n\r\n", {"::1", true})
                .find("x-forwarded-proto: http\r\n"),
            std::string::npos)
      << "the last is the proxy's own";
}

TEST(AppHeads, AnUpgradeIsMarkedAndIsNoneOfThisConnection) {
  EXPECT_EQ(
      Request(
          "GET /s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nDormouse-Upgrade: 0\r\n"
          "Sec-WebSocket-Protocol: chat\r\n\r\n",
          {"192.0.2.1"}, /*to_socket=*/true),
      "GET /s HTTP/1.1\r\nhost: a\r\nSec-WebSocket-Protocol: chat\r\n" + std::string(kTail) +
          "upgrade: websocket\r\ndormouse-upgrade: 1\r\nconnection: close\r\n\r\n");
}

TEST(AppHeads, AnAnswerIsPassedOnAsItWasButForWhatIsOfOneConnection) {
  EXPECT_EQ(
      Answer("HTTP/1.1 201 Made it\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: keep-alive, X-Hop\r\n"
             "X-Hop: 1\r\nKeep-Alive: timeout=5\r\nDormouse-Hub: room/a\r\ndormouse-x: 1\r\nContent-Length: "
             "002\r\n\r\n"),
      "HTTP/1.1 201 Made it\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 2\r\nconnection: "
      "close\r\n\r\n");
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(Answer("HTTP/1.0 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
}

TEST(AppHeads, WhatIsNotSentMayHaveALength) {
  EXPECT_EQ(Answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", /*to_head=*/true),
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(Answer("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
}

TEST(AppHeads, AnInterimAnswerLeavesTheConnectionAlone) {
  const std::string head = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(WriteInterimAnswer(Parsed(head)), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST(AppHeads, TheAppSaysWhatASocketIsToBe) {
  const std::string head =
      "HTTP/1.1 200 OK\r\nDormouse-Hub: Chat/0a\r\ndormouse-reservation: r-1\r\nSet-Cookie: a=1\r\n"
      "X-Own: 2\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Extensions: y\r\n"
      "Upgrade: websocket\r\nConnection: X-Hop, close\r\nX-Hop: 3\r\nContent-Type: text/plain\r\n"
      "Content-Length: 0\r\n\r\n";
  const std::optional<AppSocket> socket = ReadAppSocket(Parsed(head));
  ASSERT_TRUE(socket.has_value());
  EXPECT_EQ(socket->hub, "Chat/0a");
  EXPECT_EQ(socket->reservation, "r-1");
  EXPECT_EQ(socket->subprotocol, "chat");
  EXPECT_EQ(socket->headers, "Set-Cookie: a=1\r\nX-Own: 2\r\n");
  EXPECT_FALSE(ReadAppSocket(Parsed("HTTP/1.1 200 OK\r\n\r\n")).has_value());
  EXPECT_FALSE(ReadAppSocket(Parsed("HTTP/1.1 404 No\r\ndormouse-hub: a/b\r\n\r\n")).has_value());
}

}  // namespace
}  // namespace dormouse::edge
