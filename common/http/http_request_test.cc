#include "common/http/http_request.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

// The request, which must be one; its views into `head`.
HttpRequest Parse(std::string_view head) {
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << head << refusal.body;
  return request;
}

// "400 Sentence.", of a head that must be none; of its `lines` after a good first one and Host, where it is
// those alone.
std::string Refusal(std::string_view head) {
  HttpRequest request;
  HttpReply refusal;
  EXPECT_FALSE(ParseHttpRequest(head, &request, &refusal)) << head;
  EXPECT_TRUE(refusal.body.ends_with(".\n")) << refusal.body;
  return std::to_string(refusal.status) + " " + refusal.body;
}
std::string RefusalOf(const std::string& lines) {
  return Refusal("GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n");
}

TEST(HttpRequest, ReadsAnUpgrade) {
  const HttpRequest request = Parse(
      "GET /ws/room?token=1&x=?y HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, "
      "Upgrade\r\nUPGRADE:websocket\r\n"
      "\r\n");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.authority, "a:1");
  EXPECT_EQ(request.path, "/ws/room");
  EXPECT_EQ(request.query, "token=1&x=?y");
  EXPECT_FALSE(request.has_body);
  EXPECT_EQ(request.Header("HOST"), "a:1");
  EXPECT_EQ(request.Header("origin"), std::nullopt);
  EXPECT_TRUE(request.WantsWebSocket());
}

TEST(HttpRequest, ListsGoOnInFurtherHeaders) {
  const HttpRequest request =
      Parse("GET / HTTP/1.1\r\nHost: a\r\nX-List:  a , ,b,\r\nOther: c\r\nx-list:\r\nX-LIST: d\t\r\n\r\n");
  EXPECT_EQ(request.ListItems("x-list"), (std::vector<std::string_view>{"a", "b", "d"}));
  EXPECT_TRUE(request.ListItems("x-none").empty());
}

TEST(HttpRequest, UpgradeNeedsBothHeaders) {
  EXPECT_FALSE(Parse("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").WantsWebSocket());
  EXPECT_FALSE(
      Parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n").WantsWebSocket());
}

TEST(HttpRequest, RefusesWhatIsNotHttp) {
  for (const char* head :
       {"\x16\x03\x01\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1\r\n\r\n", "GET / http/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / /x HTTP/1.1\r\nHost: a\r\n\r\n", "G T / HTTP/1.1\r\n\r\n", "G\tT / HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n", ""}) {
    EXPECT_TRUE(Refusal(head).starts_with("400 ")) << head;
  }
}

TEST(HttpRequest, OtherVersionsAreToldApart) {
  EXPECT_EQ(Parse("GET / HTTP/1.0\r\n\r\n").minor_version, 0);
  EXPECT_EQ(Parse("GET / HTTP/1.7\r\nHost: a\r\n\r\n").minor_version, 1);
  EXPECT_TRUE(Refusal("PRI * HTTP/2.0\r\n\r\n").starts_with("505 "));
  EXPECT_TRUE(Refusal("GET / HTTP/0.9\r\n\r\n").starts_with("505 "));
}

TEST(HttpRequest, IsNotForProxies) {
  EXPECT_TRUE(Refusal("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").starts_with("501 "));
}

TEST(HttpRequest, NeedsOneGoodHost) {
  for (const char* host :
       {"", "a b", "a/b", "a@b", "a:x", "a:99999", ":80", "[::1", "[::1]x", "[a]", "a\"b"}) {
    EXPECT_EQ(Refusal("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"),
              "400 Host must be HOST or HOST:PORT.\n")
        << host;
  }
  for (const char* host : {"a", "a.example:80", "a_b:", "192.0.2.1", "[2001:db8::1]", "[::1]:8080", "%61"}) {
    EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").authority.size(),
              std::string_view(host).size());
  }
  EXPECT_EQ(Refusal("GET / HTTP/1.1\r\n\r\n"), "400 HTTP/1.1 requests need the header Host; send it.\n");
  EXPECT_EQ(RefusalOf("host: a"), "400 The header host may be sent once only.\n");
  EXPECT_EQ(Parse("GET / HTTP/1.0\r\n\r\n").authority, "");
  EXPECT_TRUE(Refusal("GET / HTTP/1.0\r\nHost: a b\r\n\r\n").starts_with("400 "));
}

TEST(HttpRequest, ATargetsHostCountsAndHostMustStillBeThere) {
  const HttpRequest request = Parse("GET http://b:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(request.authority, "b:1");
  EXPECT_EQ(request.path, "/x");
  EXPECT_EQ(request.query, "y");
  EXPECT_TRUE(Refusal("GET http://b:1/x HTTP/1.1\r\n\r\n").starts_with("400 "));
  EXPECT_TRUE(Refusal("GET http://b:1/x HTTP/1.1\r\nHost: a b\r\n\r\n").starts_with("400 "));
}

TEST(HttpRequest, WhatDecidesComesOnce) {
  for (const char* line : {"Content-Length: 1\r\ncontent-length: 1", "Origin: http://a\r\nOrigin: http://a",
                           "Sec-WebSocket-Key: x\r\nsec-websocket-key: y",
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"}) {
    EXPECT_NE(RefusalOf(line).find("may be sent once only"), std::string::npos) << line;
  }
}

TEST(HttpRequest, WhereABodyEndsIsBeyondDoubt) {
  const auto has_body = [](const std::string& lines) {
    return Parse("POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n\r\n").has_body;
  };
  EXPECT_FALSE(has_body("Content-Length: 0"));
  EXPECT_FALSE(has_body("Content-Length: 00"));
  EXPECT_TRUE(has_body("Content-Length: 10"));
  EXPECT_TRUE(has_body("Transfer-Encoding: Chunked"));
  for (const char* lines :
       {"Content-Length: +1", "Content-Length: -1", "Content-Length: 1, 1", "Content-Length:",
        "Content-Length: 0x1", "Content-Length: 1 2", "Content-Length: 99999999999999999999",
        "Content-Length: 1\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: \vchunked",
        "Transfer-Encoding : chunked", "Transfer-Encoding: chunked;x"}) {
    EXPECT_TRUE(RefusalOf(lines).starts_with("400 ")) << lines;
  }
  EXPECT_TRUE(RefusalOf("Transfer-Encoding: gzip, chunked").starts_with("501 "));
  EXPECT_TRUE(Refusal("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").starts_with("400 "));
}

TEST(HttpRequest, LinesEndWithBothCharacters) {
  for (const char* head :
       {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rB: c\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    const std::string bytes(head);
    EXPECT_EQ(Refusal(bytes.substr(0, FindHeadEnd(bytes, 0))),
              "400 Lines end with CR LF, and neither of the two may stand alone.\n")
        << head;
  }
}

TEST(HttpRequest, HeadersAreNamesAndValuesWithoutTricks) {
  EXPECT_EQ(RefusalOf("no colon"), "400 A header is NAME: VALUE; one line has no colon.\n");
  EXPECT_EQ(RefusalOf("A: b\r\n folded"),
            "400 A header must not go on in a further line; write it in one.\n");
  EXPECT_EQ(RefusalOf("A: b\r\n\tfolded: x"),
            "400 A header must not go on in a further line; write it in one.\n");
  EXPECT_EQ(RefusalOf("A : b"),
            "400 Nothing may stand between a header's name and its colon, no blank either.\n");
  for (const char* line : {": x", "(A): x", "A\x01: x", "\xc3\xa9: x", "A b: x"}) {
    EXPECT_EQ(RefusalOf(line), "400 A header's name has a character that names must not have.\n") << line;
  }
  for (const std::string& value : {std::string(1, '\0'), std::string("a\x01"), std::string("\x7f")}) {
    EXPECT_EQ(RefusalOf("A: x" + value + "y"),
              "400 A header's value has a control character; leave it out.\n");
  }
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\nA: \tx\ty\xc3\xa9 \r\n\r\n").Header("a"), "x\ty\xc3\xa9");
}

TEST(HttpRequest, HasSoManyHeaders) {
  std::string lines;
  for (int i = 0; i < 99; ++i) lines += "A: b\r\n";
  EXPECT_EQ(Parse("GET / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n").headers.size(), 100u);
  EXPECT_EQ(RefusalOf(lines + "A: b"), "431 Send at most 100 headers.\n");
}

TEST(HttpRequest, AFewEmptyLinesMayComeBefore) {
  const std::string request = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t lines = 0; lines <= 4; ++lines) {
    std::string bytes;
    for (size_t i = 0; i < lines; ++i) bytes += "\r\n";
    EXPECT_EQ(FindHeadEnd(bytes, 0), 0u);
    bytes += request;
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_EQ(FindHeadEnd(bytes.substr(0, size), 0), 0u);
    EXPECT_EQ(FindHeadEnd(bytes, 0), bytes.size());
    EXPECT_EQ(Parse(bytes).path, "/x");
  }
  const std::string many = "\r\n\r\n\r\n\r\n\r\n";
  ASSERT_EQ(FindHeadEnd(many, 0), many.size());
  EXPECT_TRUE(Refusal(many).starts_with("400 "));
}

TEST(HttpRequest, FindsTheHeadsEndHoweverItArrives) {
  const std::string bytes = "GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
  const size_t end = bytes.size() - 4;
  for (size_t seen = 0; seen < end; ++seen) EXPECT_EQ(FindHeadEnd(bytes, seen), end) << seen;
  EXPECT_EQ(FindHeadEnd("GET / HTTP/1.1\r\n\r", 0), 0u);
}

}  // namespace
}  // namespace dormouse
