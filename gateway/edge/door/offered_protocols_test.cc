#include "gateway/edge/door/offered_protocols.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dormouse::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OfferedProtocolsTest : public testing::Test {
 protected:
  std::optional<OfferedProtocols> Read(const std::string& headers) {
    head_ = "GET / HTTP/1.1\r\nHost: test\r\n" + headers + "\r\n";
    HttpRequest request;
    HttpReply refusal;
    EXPECT_TRUE(ParseHttpRequest(head_, &request, &refusal)) << head_ << refusal.body;
    return ReadOfferedProtocols(request);
  }
  std::optional<OfferedProtocols> Offer(const std::string& list) {
    return Read("Sec-WebSocket-Protocol: " + list + "\r\n");
  }
  std::string head_;
};

TEST_F(OfferedProtocolsTest, NoneIsFine) {
  const auto offered = Read("");
  ASSERT_TRUE(offered.has_value());
  EXPECT_EQ(offered->answer, "");
  EXPECT_THAT(offered->tokens, IsEmpty());
  EXPECT_TRUE(Offer("").has_value());
}

TEST_F(OfferedProtocolsTest, TheFirstIsTaken) {
  const auto offered = Offer("chat.v2, other");
  ASSERT_TRUE(offered.has_value());
  EXPECT_EQ(offered->answer, "chat.v2");
  EXPECT_EQ(offered->subprotocol, "chat.v2");
}

TEST_F(OfferedProtocolsTest, ATokenIsPassedOver) {
  for (const char* list : {"bearer.a.b.c, dormouse", "dormouse, bearer.a.b.c", "Bearer.a.b.c,dormouse"}) {
    const auto offered = Offer(list);
    ASSERT_TRUE(offered.has_value()) << list;
    EXPECT_EQ(offered->answer, "dormouse");
    EXPECT_EQ(offered->subprotocol, "dormouse");
    EXPECT_THAT(offered->tokens, ElementsAre("a.b.c"));
  }
}

TEST_F(OfferedProtocolsTest, ATokenAloneIsAnsweredButNotPassedOn) {
  const auto offered = Offer("bearer.a.b.c");
  ASSERT_TRUE(offered.has_value());
  EXPECT_EQ(offered->answer, "bearer.a.b.c");
  EXPECT_EQ(offered->subprotocol, "");
  EXPECT_THAT(offered->tokens, ElementsAre("a.b.c"));
}

TEST_F(OfferedProtocolsTest, AListMayComeInSeveralHeaders) {
  const auto offered =
      Read("Sec-WebSocket-Protocol: bearer.x\r\nSec-WebSocket-Protocol: ,dormouse, bearer.y\r\n");
  ASSERT_TRUE(offered.has_value());
  EXPECT_EQ(offered->answer, "dormouse");
  EXPECT_THAT(offered->tokens, ElementsAre("x", "y"));
}

TEST_F(OfferedProtocolsTest, WhatIsNoTokenIsRefused) {
  EXPECT_FALSE(Offer("not a token").has_value());
  EXPECT_FALSE(Offer("good, b@d").has_value());
}

TEST_F(OfferedProtocolsTest, OnlyTheAnswerIsBoundInLength) {
  EXPECT_TRUE(Offer("dormouse, bearer." + std::string(8000, 'x')).has_value());
  EXPECT_TRUE(Offer(std::string(kMaxAnsweredProtocol, 'x')).has_value());
  EXPECT_FALSE(Offer(std::string(kMaxAnsweredProtocol + 1, 'x')).has_value());
  EXPECT_FALSE(Offer("bearer." + std::string(8000, 'x')).has_value());
}

}  // namespace
}  // namespace dormouse::edge
