#include "common/http/http_body.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dormouse {
namespace {

HttpBody OfRequest(const std::string& fields) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
  HttpRequest request;
  HttpReply refusal;
  EXPECT_TRUE(ParseHttpRequest(head, &request, &refusal)) << refusal.body;
  return HttpBody::Of(request);
}

std::optional<HttpBody> OfResponse(const std::string& lines, bool to_head = false) {
  const std::string head = "HTTP/1.1 " + lines + "\r\n";
  HttpResponse response;
  EXPECT_TRUE(ParseHttpResponse(head, &response)) << lines;
  return HttpBody::Of(response, to_head);
}

struct Taken {
  bool sound = true;
  bool done = false;
  std::string out;
  std::string rest;
  friend bool operator==(const Taken&, const Taken&) = default;
};
std::ostream& operator<<(std::ostream& stream, const Taken& taken) {
  return stream << taken.sound << taken.done << " [" << taken.out << "] [" << taken.rest << "]";
}

// However it arrives, the same is taken.
Taken Take(const HttpBody& body, const std::string& bytes) {
  std::vector<Taken> all;
  for (size_t piece = 1; piece <= bytes.size() + 1; ++piece) {
    HttpBody reader = body;
    Taken taken;
    for (size_t at = 0; at < bytes.size() && taken.sound && !reader.done(); at += piece) {
      const std::string part = bytes.substr(at, piece);  // its own allocation, for the sanitizer
      std::string_view in = part;
      taken.sound = reader.Take(&in, &taken.out);
      taken.rest = std::string(in) + bytes.substr(std::min(bytes.size(), at + piece));
    }
    if (!taken.sound) taken.rest.clear();
    taken.done = reader.done();
    EXPECT_LE(taken.out.size(), bytes.size());
    all.push_back(taken);
    EXPECT_EQ(taken, all.front()) << piece;
  }
  return all.front();
}

TEST(HttpBody, ALengthIsTakenToItsEndAndNoFurther) {
  EXPECT_TRUE(OfRequest("").done());
  EXPECT_EQ(OfRequest("").Header(), "");
  const HttpBody nothing = OfRequest("Content-Length: 0\r\n");
  EXPECT_TRUE(nothing.done());
  EXPECT_EQ(nothing.Header(), "content-length: 0\r\n") << "the app is to know that there is nothing to come";
  const HttpBody five = OfRequest("Content-Length: 00005\r\n");
  EXPECT_EQ(five.Header(), "content-length: 5\r\n") << "as it was understood";
  EXPECT_EQ(Take(five, "helloGET / HTTP/1.1"), (Taken{true, true, "hello", "GET / HTTP/1.1"}));
  EXPECT_EQ(Take(five, "hell"), (Taken{true, false, "hell", ""}));
}

TEST(HttpBody, ChunksArePassedOnInFramingOfOurOwn) {
  const HttpBody body = OfRequest("Transfer-Encoding: Chunked\r\n");
  EXPECT_EQ(body.Header(), "transfer-encoding: chunked\r\n");
  EXPECT_EQ(Take(body, "5\r\nhello\r\n00A;name=\"v\"\r\n0123456789\r\n0\r\n\r\nnext"),
            (Taken{true, true, "5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n", "next"}));
  EXPECT_EQ(Take(body, "000;x\r\nContent-Length: 7\r\nHost: b\r\n\r\n"), (Taken{true, true, "0\r\n\r\n", ""}))
      << "without trailers";
  EXPECT_EQ(Take(body, "3\r\nab"), (Taken{true, false, "3\r\nab", ""}));
}

TEST(HttpBody, ChunksThatCanBeReadInTwoWaysAreBroken) {
  const HttpBody body = OfRequest("Transfer-Encoding: chunked\r\n");
  for (const char* bytes : {"x",
                            "\r\n",
                            ";\r\n",
                            "+1\r\na",
                            "-1\r\na",
                            "0x1\r\na",
                            " 1\r\na",
                            "1 \r\na",
                            "1\na",
                            "1\r\r\na",
                            "1\r\nab",
                            "1\r\na\n0\r\n\r\n",
                            "1\r\na\r0",
                            "1;a\nb\r\nc",
                            "1;\x01\r\na",
                            "1;a\rb\r\nc",
                            "1000000000000000\r\n",
                            "0\r\n\n",
                            "0\n\r\n",
                            "0\r\nA: b\n\r\n",
                            "0\r\nA: b\rX",
                            "0\r\n\rX",
                            "0\r\nA\x01: b\r\n\r\n"}) {
    EXPECT_FALSE(Take(body, bytes).sound) << bytes;
  }
}

TEST(HttpBody, WhatIsNotPassedOnIsBounded) {
  const HttpBody body = OfRequest("Transfer-Encoding: chunked\r\n");
  const auto sound = [&](const std::string& bytes) {
    HttpBody reader = body;
    std::string_view in = bytes;
    std::string out;
    return reader.Take(&in, &out);
  };
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "1;ext\r\na\r\n";
  EXPECT_TRUE(sound(many)) << "of each chunk alone";
  EXPECT_TRUE(sound("1;" + std::string(1'000, 'x')));
  EXPECT_FALSE(sound("1;" + std::string(2'000, 'x')));
  EXPECT_TRUE(sound("0\r\nA: " + std::string(8'000, 'x') + "\r\n"));
  EXPECT_FALSE(sound("0\r\nA: " + std::string(5'000, 'x') + "\r\nB: " + std::string(5'000, 'x') + "\r\n"));
}

TEST(HttpBody, AnAnswersEndFollowsFromWhatWasAsked) {
  EXPECT_EQ(Take(*OfResponse("200 OK\r\nContent-Length: 2\r\n"), "okmore"),
            (Taken{true, true, "ok", "more"}));
  EXPECT_EQ(Take(*OfResponse("200 OK\r\nTransfer-Encoding: chunked\r\n"), "2\r\nok\r\n0\r\n\r\n").done, true);
  for (const char* lines :
       {"204 No Content\r\nTransfer-Encoding: chunked\r\n", "304 Not Modified\r\nContent-Length: 9\r\n"})
    EXPECT_TRUE(OfResponse(lines)->done()) << lines;
  EXPECT_TRUE(OfResponse("200 OK\r\nContent-Length: 9\r\n", /*to_head=*/true)->done());
  const HttpBody open = *OfResponse("200 OK\r\n");
  EXPECT_TRUE(open.ends_with_connection());
  EXPECT_EQ(Take(open, "what\r\never"), (Taken{true, false, "what\r\never", ""}));
}

TEST(HttpBody, AnAnswerWithTwoEndsHasNone) {
  for (const char* fields :
       {"Content-Length: 1\r\nContent-Length: 2\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Content-Length: x\r\n",
        "Content-Length: 1, 1\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding:\r\n"}) {
    EXPECT_FALSE(OfResponse("200 OK\r\n" + std::string(fields)).has_value()) << fields;
  }
}

}  // namespace
}  // namespace dormouse
