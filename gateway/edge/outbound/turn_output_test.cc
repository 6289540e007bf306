#include "gateway/edge/outbound/turn_output.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {
namespace {

class TurnOutputTest : public testing::Test {
 protected:
  TurnOutputTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~TurnOutputTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  // All that there is for a socket, as it goes out: the first message from `sent` on.
  std::string Wire(Connection* connection, size_t sent = 0) {
    WriteBatch batch;
    for (auto message = turn_.Take(connection); message != TurnOutput::kEnd; message = turn_.Next(message)) {
      EXPECT_EQ(turn_.AppendTo(&batch, message, sent), turn_.wire_size(message) - sent);
      sent = 0;
    }
    EXPECT_EQ(batch.SendTo(ends_[0]), static_cast<ssize_t>(batch.size()));
    std::string bytes(batch.size(), '\0');
    EXPECT_EQ(recv(ends_[1], bytes.data(), bytes.size(), MSG_WAITALL), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }

  OutboundBudget budget_;
  TurnOutput turn_{&budget_};
  Connection first_;
  Connection second_;
  int ends_[2];
};

TEST_F(TurnOutputTest, ABodyIsThereOnceForAllWhoGetIt) {
  const TurnOutput::Body body = turn_.AddBody("body");
  turn_.Add(&first_, Opcode::kText, "a ", body, false);
  turn_.Add(&second_, Opcode::kText, "bc ", body, false);
  EXPECT_EQ(turn_.sockets(), 2u);
  EXPECT_EQ(Wire(&first_),
            "\x81\x06"
            "a body");
  EXPECT_EQ(Wire(&second_),
            "\x81\x07"
            "bc body");
  EXPECT_EQ(turn_.Take(&first_), TurnOutput::kEnd) << "it was taken";
}

TEST_F(TurnOutputTest, WhatNobodyElseGetsLooksTheSame) {
  turn_.AddOwn(&first_, Opcode::kText, "head ", "body", false);
  turn_.AddOwn(&second_, Opcode::kBinary, "", std::string(200, 'x'), false);
  turn_.Add(&first_, Opcode::kText, "", turn_.AddBody("shared"), false);
  turn_.AddOwn(&first_, Opcode::kPing, "ping", "", false);
  EXPECT_EQ(turn_.bytes(), 9u + 200 + 6 + 4);
  EXPECT_EQ(Wire(&first_),
            "\x81\x09"
            "head body\x81\x06"
            "shared\x89\x04"
            "ping");
  EXPECT_EQ(Wire(&second_), std::string("\x82\x7e\x00\xc8", 4) + std::string(200, 'x'));
}

TEST_F(TurnOutputTest, GoesOnWhereAWriteStopped) {
  turn_.AddOwn(&first_, Opcode::kText, "head ", "body", false);
  EXPECT_EQ(Wire(&first_, 4), "ad body");
}

TEST_F(TurnOutputTest, WhatHasToWaitIsWhatWasSaid) {
  turn_.AddOwn(&first_, Opcode::kText, "head ", "body", true);
  turn_.AddOwn(&first_, Opcode::kClose, "bye", "", false);
  const TurnOutput::Message message = turn_.Take(&first_);
  const OutboundQueue::Frame text = turn_.ToFrame(message, 3);
  EXPECT_EQ(text.head, "head ");
  EXPECT_EQ(text.body->view(), "body");
  EXPECT_TRUE(text.returnable);
  EXPECT_EQ(text.sent, 3u);
  EXPECT_EQ(text.wire().wire_size(), turn_.wire_size(message));
  const OutboundQueue::Frame close = turn_.ToFrame(turn_.Next(message), 0);
  EXPECT_EQ(close.head, "bye");
  EXPECT_EQ(close.body, nullptr);
}

TEST_F(TurnOutputTest, ATurnThatIsOverLeavesNothing) {
  turn_.AddOwn(&first_, Opcode::kText, "", "old", false);
  turn_.Take(&first_);
  turn_.Clear();
  EXPECT_EQ(turn_.sockets(), 0u);
  EXPECT_EQ(turn_.bytes(), 0u);
  turn_.AddOwn(&first_, Opcode::kText, "", "new", false);
  EXPECT_EQ(Wire(&first_),
            "\x81\x03"
            "new");
}

}  // namespace
}  // namespace dormouse::edge
