#include "gateway/edge/buffers/outbound_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse::edge {
namespace {

using testing::ElementsAre;

using Crossing = OutboundQueue::Crossing;
using Frame = OutboundQueue::Frame;
constexpr OutboundWatermarks kMarks{.pause = 1000, .resume = 500, .limit = 2000};

// What a message looks like on the wire.
std::string Framed(std::string_view text, Opcode opcode = Opcode::kText) {
  std::string bytes(1, static_cast<char>(0x80 | static_cast<int>(opcode)));
  if (text.size() < 126) {
    bytes.push_back(static_cast<char>(text.size()));
  } else {
    bytes.append({126, static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)});
  }
  return bytes.append(text);
}

class OutboundQueueTest : public testing::Test {
 protected:
  OutboundQueueTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~OutboundQueueTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  SharedBody Body(std::string_view text) { return std::make_shared<SharedBytes>(text, &budget_); }
  Frame Text(std::string_view text) { return {.body = Body(text)}; }
  Frame Returnable(std::string_view text) { return {.body = Body(text), .returnable = true}; }
  Frame Bytes(size_t size) { return Text(std::string(size, 'x')); }
  static std::vector<std::string> Texts(const std::vector<Frame>& frames) {
    std::vector<std::string> texts;
    for (const Frame& frame : frames) texts.push_back(frame.head + std::string(frame.body->view()));
    return texts;
  }
  // Writes the next bytes, at most so many, and says which.
  std::string Write(size_t most = 65'536, int64_t now_ms = 0) {
    WriteBatch batch;
    queue_.Gather(&batch, most);
    EXPECT_LE(batch.size(), most);
    EXPECT_EQ(batch.empty() ? 0 : batch.SendTo(ends_[0]), static_cast<ssize_t>(batch.size()));
    std::string written(batch.size(), '\0');
    for (size_t at = 0; at < written.size();)
      at += static_cast<size_t>(read(ends_[1], &written[at], written.size() - at));
    queue_.Sent(written.size(), now_ms, &whole_);
    return written;
  }
  // Of messages that are short enough for one header of two bytes, or long enough for one of four.
  void Written(int messages = 1) {
    for (int i = 0; i < messages; ++i) {
      const uint32_t before = queue_.waiting().messages;
      while (queue_.waiting().messages == before) ASSERT_FALSE(Write(1).empty());
    }
  }

  OutboundBudget budget_;
  OutboundQueue queue_{&budget_, 0};
  std::vector<Frame> whole_;
  int ends_[2];
};

TEST_F(OutboundQueueTest, GivesMessagesInOrder) {
  queue_.Push(Text("one"), kMarks);
  queue_.Push({.opcode = Opcode::kBinary, .body = Body("two")}, kMarks);
  queue_.Push({.head = "head ", .body = Body("body")}, kMarks);
  queue_.Push({.head = "alone"}, kMarks);
  queue_.Push({}, kMarks);
  EXPECT_EQ(Write(), Framed("one") + Framed("two", Opcode::kBinary) + Framed("head body") + Framed("alone") +
                         Framed(""));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutboundQueueTest, GoesOnWhereAWriteStopped) {
  const std::string large(WireMessage::kMaxUnfragmented + 1, 'l');
  const auto push = [&] {
    queue_.Push(Text("one"), kMarks);
    queue_.Push({.head = "head ", .body = Body("body")}, kMarks);
    queue_.Push({.head = "h", .body = Body(large)}, {});
    queue_.Push({.opcode = Opcode::kPing, .head = "?"}, {});
  };
  push();
  std::string whole;
  while (!queue_.empty()) whole += Write();
  for (const size_t step : {999, 1000, 20'000}) {
    push();
    std::string all;
    while (!queue_.empty()) all += Write(step);
    EXPECT_TRUE(all == whole) << step;
    EXPECT_EQ(queue_.bytes(), 0u);
  }
}

TEST_F(OutboundQueueTest, SaysWhatWentWholeAndMayBeWantedBack) {
  queue_.Push(Returnable("one"), {});
  queue_.Push(Text("two"), {});
  queue_.Push(Returnable("three"), {});
  queue_.Push({.opcode = Opcode::kClose, .head = "\x03\xe8"}, {});
  Write(5 + 5 + 3);
  EXPECT_THAT(Texts(whole_), ElementsAre("one"));
  Write();
  ASSERT_EQ(whole_.size(), 3u);
  EXPECT_EQ(whole_[1].body->view(), "three");
  EXPECT_EQ(whole_[2].opcode, Opcode::kClose);
}

TEST_F(OutboundQueueTest, APongGoesBeforeWhatWasNotBegunAndTakesTheLastOnesPlace) {
  queue_.Push(Text("one"), {});
  queue_.Push(Text("two"), {});
  Write(1);
  queue_.PushPong("a");
  queue_.PushPong("b");
  EXPECT_EQ(Write(), Framed("one").substr(1) + Framed("b", Opcode::kPong) + Framed("two"));
  queue_.Push(Text("three"), {});
  queue_.PushPong("c");
  queue_.PushPong("d");
  EXPECT_EQ(queue_.waiting().messages, 1u);
  EXPECT_EQ(Write(1), "\x8a");
  queue_.PushPong("e");
  EXPECT_EQ(Write(), Framed("d", Opcode::kPong).substr(1) + Framed("e", Opcode::kPong) + Framed("three"));
}

TEST_F(OutboundQueueTest, ClearingGivesBackWhatIsReturnable) {
  queue_.Push({.head = "o", .body = Body("ne"), .returnable = true}, kMarks);
  queue_.Push(Text("two"), kMarks);
  queue_.Push(Returnable("three"), kMarks);
  EXPECT_THAT(Texts(queue_.Clear()), ElementsAre("one", "three"));
  EXPECT_EQ(queue_.bytes(), 0u);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutboundQueueTest, ClearingLeavesTheRestOfAFrameAndTheClose) {
  const std::string large(WireMessage::kMaxUnfragmented + 1, 'l');
  queue_.Push({.head = "h", .body = Body(large)}, {});
  const std::string begun = Write(100);
  queue_.Push(Returnable("two"), {});
  queue_.Push({.opcode = Opcode::kClose, .head = "\x03\xe8"}, {});
  EXPECT_THAT(Texts(queue_.Clear()), ElementsAre("two"));
  const std::string rest = Write();
  const std::string close = Framed("\x03\xe8", Opcode::kClose);
  EXPECT_EQ(begun.size() + rest.size(), 4 + WireMessage::kFragmentSize + close.size())
      << "one fragment, and no more";
  EXPECT_TRUE(rest.ends_with(close));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(OutboundQueueTest, KnowsOfWhatIsClearedWhetherItsClientStillGetsIt) {
  queue_.Push(Returnable("one"), {});
  queue_.Push(Returnable("two"), {});
  Write(3);
  std::vector<Frame> returned = queue_.Clear();
  EXPECT_THAT(Texts(returned), ElementsAre("one", "two"));
  EXPECT_TRUE(returned[0].IsEnding());
  EXPECT_FALSE(returned[1].IsEnding());
  EXPECT_EQ(Write(), Framed("one").substr(3));
  queue_.Push(Returnable(std::string(WireMessage::kMaxUnfragmented + 1, 'x')), {});
  Write(3);
  EXPECT_FALSE(queue_.Clear().front().IsEnding()) << "of a fragment";
}

TEST_F(OutboundQueueTest, TakingTheReturnableLeavesTheRest) {
  queue_.Push({.head = "o", .body = Body("ne"), .returnable = true}, kMarks);
  queue_.Push(Text("two"), kMarks);
  EXPECT_THAT(Texts(queue_.TakeReturnable()), ElementsAre("one"));
  EXPECT_EQ(queue_.bytes(), 3u);
  EXPECT_EQ(Write(), Framed("two"));
}

TEST_F(OutboundQueueTest, NoMessageFollowsOneThatWasBegunAndTakenBack) {
  const std::string large(WireMessage::kMaxUnfragmented + 1, 'x');
  queue_.Push(Returnable(large), {});
  queue_.Push(Text("two"), {});
  Write(WireMessage::kFragmentSize);
  EXPECT_THAT(Texts(queue_.TakeReturnable()), ElementsAre(large));
  EXPECT_EQ(Write().size(), 4u) << "the end of its fragment";
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(OutboundQueueTest, TellsEachMarkOnce) {
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kPause);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kLimit);
  Written(3);
  EXPECT_EQ(queue_.CheckResume(kMarks), Crossing::kNone);  // 600 left
  Written();
  EXPECT_EQ(queue_.CheckResume(kMarks), Crossing::kResume);
  EXPECT_EQ(queue_.CheckResume(kMarks), Crossing::kNone);
}

TEST_F(OutboundQueueTest, MarksOfZeroAreOff) { EXPECT_EQ(queue_.Push(Bytes(1 << 20), {}), Crossing::kNone); }

TEST_F(OutboundQueueTest, EitherMarkPausesAndBothMustFall) {
  constexpr OutboundWatermarks kBoth{
      .pause = 1000, .resume = 500, .limit = 100'000, .pause_messages = 4, .resume_messages = 2};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue_.Push(Bytes(10), kBoth), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(10), kBoth), Crossing::kPause);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 4, .bytes = 40}));
  Written();
  EXPECT_EQ(queue_.CheckResume(kBoth), Crossing::kNone);
  Written();
  EXPECT_EQ(queue_.CheckResume(kBoth), Crossing::kResume);

  EXPECT_EQ(queue_.Push(Bytes(1000), kBoth), Crossing::kPause);  // by bytes
  Written(2);
  EXPECT_EQ(queue_.CheckResume(kBoth), Crossing::kNone) << "one message, but 1000 bytes";
  Written();
  EXPECT_EQ(queue_.CheckResume(kBoth), Crossing::kResume);
}

TEST_F(OutboundQueueTest, SaysPauseAgainAtEachDoubling) {
  constexpr OutboundWatermarks kByMessages{.limit = 1 << 30, .pause_messages = 4, .resume_messages = 2};
  std::vector<uint32_t> said;
  for (int i = 0; i < 40; ++i) {
    if (queue_.Push(Bytes(10), kByMessages) == Crossing::kPause) said.push_back(queue_.waiting().messages);
  }
  EXPECT_EQ(said, (std::vector<uint32_t>{4, 8, 16, 32}));
  EXPECT_EQ(queue_.Push(Bytes(500), kByMessages), Crossing::kPause) << "the bytes have doubled, too";
  Written(39);
  EXPECT_EQ(queue_.CheckResume(kByMessages), Crossing::kResume);
  EXPECT_EQ(queue_.Push(Bytes(0), kByMessages), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(0), kByMessages), Crossing::kPause) << "anew from the mark";
}

TEST_F(OutboundQueueTest, AMessageCountsUntilTheKernelHasAllOfIt) {
  queue_.Push(Bytes(600), kMarks);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = 600}));
  Write(603);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = 1}));
  Write(1);
  EXPECT_EQ(queue_.waiting(), Backlog{});
  queue_.Push({.body = Body("abcdef"), .sent = 4}, kMarks);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = 4})) << "of four bytes two were the header";
}

// --- Memory

TEST_F(OutboundQueueTest, WhatManyWaitForCountsOnce) {
  constexpr size_t kBody = 900'000;
  std::deque<OutboundQueue> queues;
  {
    const SharedBody body = Body(std::string(kBody, 'x'));
    for (int i = 0; i < 100; ++i) {
      queues.emplace_back(&budget_, 0).Push({.head = std::string(200, 'h'), .body = body}, {});
    }
  }
  EXPECT_EQ(budget_.queued, 100 * (kBody + 200));
  EXPECT_GT(budget_.memory, kBody + 100 * 200);
  EXPECT_LT(budget_.memory, kBody + 100 * 2000);
  for (int i = 0; i < 99; ++i) queues.pop_front();
  EXPECT_GT(budget_.memory, kBody);
  queues.front().Clear();
  EXPECT_LT(budget_.memory, 5000u);
}

TEST_F(OutboundQueueTest, MemoryIsCountedUntilItIsFree) {
  const uint64_t empty = budget_.memory;
  {
    OutboundQueue other(&budget_, 0);
    other.Push({.head = "head", .body = Body(std::string(100'000, 'x')), .returnable = true}, {});
    other.Push({.head = std::string(100'000, 'h')}, {});
    EXPECT_GT(budget_.memory, empty + 200'000);
    EXPECT_EQ(other.TakeReturnable().size(), 1u);
    other.Push(Text("a"), {});
    other.Clear();
    other.PushPong("pong");
  }
  EXPECT_EQ(budget_.memory, empty);
  EXPECT_EQ(budget_.queued, 0u);
}

TEST_F(OutboundQueueTest, WhatReturnsAsAnEventIsNotCountedHereAnyMore) {
  const uint64_t empty = budget_.memory;
  queue_.Push(Returnable(std::string(100'000, 'x')), {});
  std::vector<Frame> returned = queue_.Clear();
  const SharedTail first = returned.front().body->AsTail();
  const SharedTail second = returned.front().body->AsTail();
  returned.clear();
  EXPECT_EQ(budget_.memory, empty);
  EXPECT_EQ(first.view(), std::string(100'000, 'x'));
  EXPECT_EQ(first.view().data(), second.view().data());
  EXPECT_TRUE(first.counts);
  EXPECT_FALSE(second.counts) << "once is enough";
}

TEST_F(OutboundQueueTest, HoldsItsPartOfWhatItShares) {
  OutboundQueue other(&budget_, 0);
  const auto held = [&](const OutboundQueue& queue) { return static_cast<double>(queue.MemoryShare()); };
  SharedBody body = Body(std::string(100'000, 'x'));
  queue_.Push({.body = body}, {});
  other.Push({.body = std::move(body)}, {});
  EXPECT_NEAR(held(queue_), 50'000, 2'000);
  queue_.Push(Bytes(100'000), {});
  EXPECT_NEAR(held(queue_), 150'000, 2'000);
  queue_.Clear();
  EXPECT_NEAR(held(other), 100'000, 2'000);
}

TEST_F(OutboundQueueTest, KnowsSinceWhenItsSocketTakesNothing) {
  queue_.Push(Bytes(1000), {});
  EXPECT_EQ(queue_.stalled_since_ms(), 0);
  queue_.Sent(0, 5, &whole_);
  EXPECT_EQ(queue_.stalled_since_ms(), 0) << "it took nothing";
  Write(10, 7);
  EXPECT_EQ(queue_.stalled_since_ms(), 7);
}

TEST_F(OutboundQueueTest, SharesOneBodyAmongRecipients) {
  const SharedBody body = Body("0123456789");
  OutboundQueue other(&budget_, 0);
  queue_.Push({.body = body}, kMarks);
  other.Push({.body = body}, kMarks);
  EXPECT_EQ(body.use_count(), 3);
  Write();
  other.Clear();
  EXPECT_EQ(body.use_count(), 1);
}

}  // namespace
}  // namespace dormouse::edge
