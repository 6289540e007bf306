#include "common/http/http_response.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

TEST(HttpResponse, AHeadIsReadWithItsFields) {
  HttpResponse response;
  ASSERT_TRUE(
      ParseHttpResponse("HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nset-cookie:  b=2 \r\n\r\n", &response));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.reason, "Not Found");
  EXPECT_EQ(response.minor_version, 1);
  ASSERT_EQ(response.headers.size(), 2u);
  EXPECT_EQ(response.headers[1].second, "b=2");
  EXPECT_EQ(response.Header("SET-COOKIE"), "a=1");
  ASSERT_TRUE(ParseHttpResponse("HTTP/1.0 200\r\n\r\n", &response)) << "without a reason";
  EXPECT_EQ(response.reason, "");
  EXPECT_EQ(response.minor_version, 0);
}

TEST(HttpResponse, OnlySomeOfTheOneHundredsAreInterim) {
  for (const auto& [status, interim] : {std::pair(100, true), {103, true}, {101, false}, {200, false}}) {
    HttpResponse response;
    ASSERT_TRUE(ParseHttpResponse("HTTP/1.1 " + std::to_string(status) + " X\r\n\r\n", &response));
    EXPECT_EQ(response.IsInterim(), interim) << status;
  }
}

TEST(HttpResponse, WhatCanBeReadInTwoWaysIsNone) {
  for (const char* head :
       {"", "\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 O\nK\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 200 OK\r\n\r\nmore"}) {
    HttpResponse response;
    EXPECT_FALSE(ParseHttpResponse(head, &response)) << head;
  }
}

}  // namespace
}  // namespace dormouse
