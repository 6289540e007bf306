#include "gateway/edge/rules/socket_answers.h"

#include <gtest/gtest.h>

#include <vector>

namespace dormouse::edge {
namespace {

TEST(SocketAnswers, OnlyTheWholeRequestIsAnswered) {
  SocketAnswers table;
  const SocketAnswers::Answer answer = table.Take("ping", "pong");
  ASSERT_NE(answer.ReplyTo("ping"), nullptr);
  EXPECT_EQ(*answer.ReplyTo("ping"), "pong");
  for (const char* other : {"", "pin", "ping ", "PING"}) EXPECT_EQ(answer.ReplyTo(other), nullptr) << other;
  EXPECT_EQ(SocketAnswers::Answer().ReplyTo(""), nullptr);
  EXPECT_EQ(table.Take("", "pong").ReplyTo(""), nullptr) << "an empty request is none";
}

TEST(SocketAnswers, EqualPairsAreKeptOnceAndGoWithTheirLastConnection) {
  static_assert(sizeof(SocketAnswers::Answer) == 8);
  SocketAnswers table;
  std::vector<SocketAnswers::Answer> connections;
  for (int i = 0; i < 1000; ++i) connections.push_back(table.Take("ping", "pong"));
  connections.push_back(table.Take("ping", "another"));
  EXPECT_EQ(table.size(), 2u);
  connections.back() = table.Take("ping", "pong");
  EXPECT_EQ(table.size(), 1u);
  connections.resize(1);
  EXPECT_EQ(*connections[0].ReplyTo("ping"), "pong");
  connections.clear();
  EXPECT_EQ(table.size(), 0u);
}

}  // namespace
}  // namespace dormouse::edge
