#include "common/http/http_request.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

TEST(HttpRequest, ReadsAnUpgrade) {
  const std::string head =
      "GET /ws/room?token=1&x=?y HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, "
      "Upgrade\r\nUPGRADE:websocket\r\n"
      "\r\n";
  HttpRequest request;
  ASSERT_TRUE(ParseHttpRequest(head, &request));
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/ws/room");
  EXPECT_EQ(request.query, "token=1&x=?y");
  EXPECT_EQ(request.Header("HOST"), "a:1");
  EXPECT_EQ(request.Header("origin"), std::nullopt);
  EXPECT_TRUE(request.WantsWebSocket());
}

TEST(HttpRequest, ListsGoOnInFurtherHeaders) {
  HttpRequest request;
  ASSERT_TRUE(ParseHttpRequest(
      "GET / HTTP/1.1\r\nX-List:  a , ,b,\r\nOther: c\r\nx-list:\r\nX-LIST: d\r\n\r\n", &request));
  EXPECT_EQ(request.ListItems("x-list"), (std::vector<std::string_view>{"a", "b", "d"}));
  EXPECT_TRUE(request.ListItems("x-none").empty());
}

TEST(HttpRequest, UpgradeNeedsBothHeaders) {
  HttpRequest request;
  ASSERT_TRUE(ParseHttpRequest("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", &request));
  EXPECT_FALSE(request.WantsWebSocket());
  ASSERT_TRUE(ParseHttpRequest("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", &request));
  EXPECT_FALSE(request.WantsWebSocket());
}

TEST(HttpRequest, RefusesWhatIsNotHttp) {
  HttpRequest request;
  for (const char* head :
       {"\x16\x03\x01\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\n\r\n", "G T / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: x\r\n\r\n", "GET / HTTP/1.1\r\nA: b\r\n", "\r\n\r\n"}) {
    EXPECT_FALSE(ParseHttpRequest(head, &request)) << head;
  }
}

TEST(HttpRequest, FindsTheHeadsEndHoweverItArrives) {
  const std::string bytes = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
  for (size_t seen = 0; seen + 5 <= bytes.size(); ++seen) {
    EXPECT_EQ(FindHeadEnd(bytes, std::min<size_t>(seen, bytes.size() - 5)), bytes.size() - 4) << seen;
  }
  EXPECT_EQ(FindHeadEnd("GET / HTTP/1.1\r\n\r", 0), 0u);
}

TEST(PercentDecode, DecodesOrRefuses) {
  EXPECT_EQ(PercentDecode("a%41%2fb"), "aA/b");
  EXPECT_EQ(PercentDecode("%zz"), std::nullopt);
  EXPECT_EQ(PercentDecode("%4"), std::nullopt);
  EXPECT_EQ(PercentDecode("%"), std::nullopt);
}

}  // namespace
}  // namespace dormouse
