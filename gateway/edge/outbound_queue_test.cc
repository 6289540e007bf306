#include "gateway/edge/outbound_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse {
namespace {

using testing::ElementsAre;

using Crossing = OutboundQueue::Crossing;
using Frame = OutboundQueue::Frame;
constexpr OutboundMarks kMarks{.pause = 1000, .resume = 500, .limit = 2000};

class OutboundQueueTest : public testing::Test {
 protected:
  SharedBody Body(std::string_view text) { return std::make_shared<SharedBytes>(text, &budget_); }
  Frame Text(std::string_view text) { return {.body = Body(text)}; }
  Frame Returnable(std::string_view text) { return {.body = Body(text), .returnable = true}; }
  Frame Bytes(size_t size) { return Text(std::string(size, 'x')); }
  // What is to be written next.
  OutboundChunk Next() { return queue_.NextChunk(&scratch_); }
  std::string NextText() { return {Next().data, Next().size}; }
  static std::vector<std::string> Texts(const std::vector<Frame>& frames) {
    std::vector<std::string> texts;
    for (const Frame& frame : frames) texts.push_back(frame.head + std::string(frame.body->view()));
    return texts;
  }
  void Written(int chunks = 1) {
    for (int i = 0; i < chunks; ++i) queue_.ChunkWritten(false, 0);
  }

  OutboundBudget budget_;
  OutboundQueue queue_{&budget_, 0};
  std::string scratch_;
};

TEST_F(OutboundQueueTest, GivesFramesInOrder) {
  queue_.Push(Text("one"), kMarks);
  queue_.Push({.body = Body("two"), .binary = true}, kMarks);
  EXPECT_EQ(NextText(), "one");
  EXPECT_TRUE(Next().first && Next().last && !Next().binary);
  Written();
  EXPECT_EQ(NextText(), "two");
  EXPECT_TRUE(Next().binary);
  Written();
  EXPECT_TRUE(queue_.idle());
}

TEST_F(OutboundQueueTest, PutsHeadAndBodyTogether) {
  const SharedBody body = Body("body");
  queue_.Push({.head = "head ", .body = body}, kMarks);
  queue_.Push({.head = "alone"}, kMarks);
  queue_.Push({.body = body}, kMarks);
  queue_.Push({}, kMarks);
  for (const char* text : {"head body", "alone", "body", ""}) {
    EXPECT_EQ(NextText(), text);
    EXPECT_TRUE(Next().first && Next().last);
    Written();
  }
  EXPECT_TRUE(queue_.idle());
}

TEST_F(OutboundQueueTest, PutsLongHeadsAndBodiesTogetherPieceByPiece) {
  std::string whole;
  for (size_t i = 0; i < 5 * OutboundQueue::kChunk; ++i) whole.push_back(static_cast<char>('a' + i % 23));
  for (const size_t head : {size_t{1}, OutboundQueue::kChunk - 1, OutboundQueue::kChunk,
                            OutboundQueue::kChunk + 1, 3 * OutboundQueue::kChunk, whole.size()}) {
    queue_.Push({.head = whole.substr(0, head), .body = Body(whole.substr(head))}, {});
    std::string seen;
    while (queue_.has_chunk()) {
      EXPECT_EQ(Next().first, seen.empty());
      EXPECT_LE(Next().size, OutboundQueue::kChunk);
      seen += NextText();
      EXPECT_EQ(Next().last, seen.size() == whole.size());
      Written();
    }
    EXPECT_TRUE(seen == whole) << head;
  }
}

TEST_F(OutboundQueueTest, ClearingGivesBackWhatIsReturnable) {
  queue_.Push({.head = "o", .body = Body("ne"), .returnable = true}, kMarks);
  queue_.Push(Text("two"), kMarks);
  queue_.Push(Returnable("three"), kMarks);
  EXPECT_THAT(Texts(queue_.Clear()), ElementsAre("one", "three"));
  EXPECT_EQ(queue_.bytes(), 0u);
  EXPECT_FALSE(queue_.has_chunk());
}

TEST_F(OutboundQueueTest, TakingTheReturnableLeavesTheRest) {
  queue_.Push({.head = "o", .body = Body("ne"), .returnable = true}, kMarks);
  queue_.Push(Text("two"), kMarks);
  EXPECT_THAT(Texts(queue_.TakeReturnable()), ElementsAre("one"));
  EXPECT_EQ(queue_.bytes(), 3u);
  EXPECT_EQ(NextText(), "two");
}

TEST_F(OutboundQueueTest, NothingFollowsAFrameThatWasBegunAndTakenBack) {
  queue_.Push(Returnable(std::string(OutboundQueue::kChunk + 1, 'x')), {});
  queue_.Push(Text("two"), {});
  Written();
  EXPECT_THAT(Texts(queue_.TakeReturnable()), ElementsAre(std::string(OutboundQueue::kChunk + 1, 'x')));
  EXPECT_FALSE(queue_.has_chunk());
  EXPECT_EQ(queue_.bytes(), 0u);
}

TEST_F(OutboundQueueTest, CutsALongMessageIntoFragments) {
  queue_.Push(Bytes(2 * OutboundQueue::kChunk + 5), {});
  size_t seen = 0;
  for (const size_t size : {OutboundQueue::kChunk, OutboundQueue::kChunk, size_t{5}}) {
    EXPECT_EQ(Next().size, size);
    EXPECT_EQ(Next().first, seen == 0);
    seen += size;
    EXPECT_EQ(Next().last, seen == 2 * OutboundQueue::kChunk + 5);
    Written();
  }
  EXPECT_FALSE(queue_.has_chunk());
}

TEST_F(OutboundQueueTest, GoesOnWhereTheFirstWriteStopped) {
  queue_.Push({.head = "abc", .body = Body("def"), .written = 4}, kMarks);
  EXPECT_EQ(queue_.bytes(), 2u);
  EXPECT_EQ(NextText(), "ef");
  EXPECT_FALSE(Next().first);
}

TEST_F(OutboundQueueTest, TellsEachMarkOnce) {
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kPause);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(600), kMarks), Crossing::kLimit);
  Written(3);
  EXPECT_EQ(queue_.Settle(kMarks), Crossing::kNone);  // 600 left
  Written();
  EXPECT_EQ(queue_.Settle(kMarks), Crossing::kResume);
  EXPECT_EQ(queue_.Settle(kMarks), Crossing::kNone);
}

TEST_F(OutboundQueueTest, CountsWhatTheLibraryHoldsUntilItIsFlushed) {
  EXPECT_EQ(queue_.Buffered(700, kMarks), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(400), kMarks), Crossing::kPause);
  queue_.ChunkWritten(true, 0);
  EXPECT_EQ(queue_.bytes(), 1100u);
  EXPECT_FALSE(queue_.idle());
  queue_.Flushed(0);
  EXPECT_EQ(queue_.Settle(kMarks), Crossing::kResume);
  EXPECT_TRUE(queue_.idle());
}

TEST_F(OutboundQueueTest, MarksOfZeroAreOff) { EXPECT_EQ(queue_.Push(Bytes(1 << 20), {}), Crossing::kNone); }

TEST_F(OutboundQueueTest, EitherMarkPausesAndBothMustFall) {
  constexpr OutboundMarks kBoth{
      .pause = 1000, .resume = 500, .limit = 100'000, .pause_messages = 4, .resume_messages = 2};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue_.Push(Bytes(10), kBoth), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(10), kBoth), Crossing::kPause);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 4, .bytes = 40}));
  Written();
  EXPECT_EQ(queue_.Settle(kBoth), Crossing::kNone);
  Written();
  EXPECT_EQ(queue_.Settle(kBoth), Crossing::kResume);

  EXPECT_EQ(queue_.Push(Bytes(1000), kBoth), Crossing::kPause);  // by bytes
  Written(2);
  EXPECT_EQ(queue_.Settle(kBoth), Crossing::kNone) << "one message, but 1000 bytes";
  Written();
  EXPECT_EQ(queue_.Settle(kBoth), Crossing::kResume);
}

TEST_F(OutboundQueueTest, SaysPauseAgainAtEachDoubling) {
  constexpr OutboundMarks kByMessages{.limit = 1 << 30, .pause_messages = 4, .resume_messages = 2};
  std::vector<uint32_t> said;
  for (int i = 0; i < 40; ++i) {
    if (queue_.Push(Bytes(10), kByMessages) == Crossing::kPause) said.push_back(queue_.waiting().messages);
  }
  EXPECT_EQ(said, (std::vector<uint32_t>{4, 8, 16, 32}));
  EXPECT_EQ(queue_.Push(Bytes(500), kByMessages), Crossing::kPause) << "the bytes have doubled, too";
  Written(39);
  EXPECT_EQ(queue_.Settle(kByMessages), Crossing::kResume);
  EXPECT_EQ(queue_.Push(Bytes(0), kByMessages), Crossing::kNone);
  EXPECT_EQ(queue_.Push(Bytes(0), kByMessages), Crossing::kPause) << "anew from the mark";
}

TEST_F(OutboundQueueTest, AMessageCountsUntilTheKernelHasAllOfIt) {
  queue_.Buffered(600, kMarks);  // a message that the library has whole, but not written
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = 600}));
  queue_.Push(Bytes(10), kMarks);
  EXPECT_EQ(queue_.waiting().messages, 2u);
  queue_.Flushed(0);
  queue_.ChunkWritten(true, 0);
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = 10}));
  queue_.Flushed(0);
  EXPECT_EQ(queue_.waiting(), Backlog{});

  queue_.Buffered(OutboundQueue::kChunk, {});  // the first chunk of one, and what is left of it
  Frame rest = Bytes(OutboundQueue::kChunk + 5);
  rest.written = OutboundQueue::kChunk;
  queue_.Push(std::move(rest), {});
  EXPECT_EQ(queue_.waiting(), (Backlog{.messages = 1, .bytes = OutboundQueue::kChunk + 5}));
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
    other.ChunkWritten(true, 0);
    EXPECT_GT(budget_.memory, empty + 200'000 + OutboundQueue::kChunk) << "the library has a copy of its own";
    other.Flushed(0);
    EXPECT_EQ(other.TakeReturnable().size(), 1u);
    other.Push(Text("a"), {});
    other.Clear();
    other.Buffered(1000, {});
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
  const auto held = [&](const OutboundQueue& queue) { return static_cast<double>(queue.Held()); };
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
  queue_.Push(Bytes(2 * OutboundQueue::kChunk), {});
  EXPECT_EQ(queue_.still_since_ms(), 0);
  queue_.Flushed(5);
  EXPECT_EQ(queue_.still_since_ms(), 0) << "nothing was buffered";
  queue_.ChunkWritten(true, 7);
  EXPECT_EQ(queue_.still_since_ms(), 7);
  queue_.Flushed(9);
  EXPECT_EQ(queue_.still_since_ms(), 9);
}

TEST_F(OutboundQueueTest, SharesOneBufferAmongRecipients) {
  const SharedBody body = Body("0123456789");
  OutboundQueue other(&budget_, 0);
  queue_.Push({.body = body}, kMarks);
  other.Push({.body = body}, kMarks);
  EXPECT_EQ(Next().data, other.NextChunk(&scratch_).data);
  EXPECT_EQ(body.use_count(), 3);
  Written();
  other.Clear();
  EXPECT_EQ(body.use_count(), 1);
}

}  // namespace
}  // namespace dormouse
