#include "gateway/edge/fallback/open_heads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

HttpRequest Parse(std::string_view head) {
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << refusal.body;
  return request;
}

TEST(OpenHeadsTest, AnAddressIsAWebSocketsWithASegmentThatNoHubIsCalled) {
  EXPECT_EQ(ReadFallbackTarget("/ws/kitchen/@fallback")->path, "/ws/kitchen");
  EXPECT_EQ(ReadFallbackTarget("/ws/@fallback")->path, "/ws");
  EXPECT_EQ(ReadFallbackTarget("/@fallback")->path, "/");
  EXPECT_EQ(ReadFallbackTarget("/ws/a/@fallback/events")->call, FallbackCall::kEvents);
  EXPECT_EQ(ReadFallbackTarget("/ws/a/@fallback/poll")->call, FallbackCall::kPoll);
  EXPECT_EQ(ReadFallbackTarget("/ws/a/@fallback/send")->call, FallbackCall::kSend);
  EXPECT_EQ(ReadFallbackTarget("/ws/a/@fallback/close")->call, FallbackCall::kClose);
  for (const char* other :
       {"/ws/a", "/ws/a/@fallback/", "/ws/a/@fallback/other", "/ws/a/@fallbacks", "/ws/fallback", "*"})
    EXPECT_FALSE(ReadFallbackTarget(other).has_value()) << other;
}

TEST(OpenHeadsTest, TheUpgradeIsWhatAWebSocketClientWouldHaveSent) {
  const std::string upgrade = WriteUpgradeRequest(
      Parse(
          "POST /chat/a%20b/@fallback?x=1 HTTP/1.1\r\nHost: h:1\r\nOrigin: https://app\r\nAuthorization: Bearer t\r\n"
          "Content-Type: text/plain\r\nContent-Length: 0\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
          "X-Forwarded-For: 192.0.2.1\r\nDormouse-Protocol: v2, bearer.t\r\nSec-WebSocket-Key: mine\r\n"
          "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: h2c\r\n\r\n"),
      "/chat/a%20b");
  EXPECT_THAT(upgrade, StartsWith("GET /chat/a%20b?x=1 HTTP/1.1\r\nHost: h:1\r\n"));
  for (const char* kept : {"\r\nOrigin: https://app\r\n", "\r\nAuthorization: Bearer t\r\n",
                           "\r\nX-Forwarded-For: 192.0.2.1\r\n", "\r\nSec-WebSocket-Protocol: v2\r\n",
                           "\r\nSec-WebSocket-Protocol: bearer.t\r\n", "\r\nUpgrade: websocket\r\n"})
    EXPECT_THAT(upgrade, HasSubstr(kept));
  for (const char* dropped : {"Content-", "X-Hop", "mine", "permessage", "h2c", "Dormouse-", "keep-alive"})
    EXPECT_THAT(upgrade, Not(HasSubstr(dropped)));
  HttpRequest read;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(upgrade, &read, &refusal)) << refusal.body;
  EXPECT_TRUE(read.WantsWebSocket());
}

TEST(OpenHeadsTest, ARequestWithoutHostGetsOne) {
  EXPECT_THAT(WriteUpgradeRequest(Parse("POST /ws/@fallback HTTP/1.0\r\n\r\n"), "/ws"),
              HasSubstr("\r\nHost: localhost\r\n"));
}

TEST(OpenHeadsTest, OfTheAnswerStaysWhatIsForTheClient) {
  const auto heads = ReadUpgradeAnswer(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n"
      "Sec-WebSocket-Protocol: v2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nAccess-Control-Allow-Origin: *\r\n\r\n");
  ASSERT_TRUE(heads.has_value());
  EXPECT_EQ(heads->headers, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n");
  EXPECT_EQ(heads->protocol, "v2");
}

TEST(OpenHeadsTest, FieldsOfAQuery) {
  EXPECT_EQ(QueryField("id=abc&after=7", "id"), "abc");
  EXPECT_EQ(QueryField("id=abc&after=7", "after"), "7");
  EXPECT_EQ(QueryField("myid=1&id=2&id=3", "id"), "2");
  EXPECT_EQ(QueryField("id", "id"), "");
  EXPECT_EQ(QueryField("", "id"), "");
}

}  // namespace
}  // namespace dormouse::edge
