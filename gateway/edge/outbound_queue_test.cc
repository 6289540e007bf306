#include "gateway/edge/outbound_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace dormouse {
namespace {

using testing::ElementsAre;

using Crossing = OutboundQueue::Crossing;
constexpr OutboundMarks kMarks{.pause = 1000, .resume = 500, .limit = 2000};

SharedFrame Bytes(size_t size) { return NewSharedFrame(std::string(size, 'x')); }

TEST(OutboundQueue, GivesFramesInOrder) {
  OutboundQueue queue;
  queue.Push(NewSharedFrame("one"), false, 0, kMarks);
  queue.Push(NewSharedFrame("two"), true, 0, kMarks);
  OutboundQueue::Chunk chunk = queue.NextChunk();
  EXPECT_EQ(std::string_view(chunk.data, chunk.size), "one");
  EXPECT_TRUE(chunk.first && chunk.last && !chunk.binary);
  queue.ChunkWritten(false);
  chunk = queue.NextChunk();
  EXPECT_EQ(std::string_view(chunk.data, chunk.size), "two");
  EXPECT_TRUE(chunk.binary);
  queue.ChunkWritten(false);
  EXPECT_TRUE(queue.idle());
}

std::vector<std::string> Texts(const std::vector<SharedFrame>& frames) {
  std::vector<std::string> texts;
  texts.reserve(frames.size());
  for (const SharedFrame& frame : frames) texts.push_back(frame->substr(kFrameHeadroom));
  return texts;
}

TEST(OutboundQueue, ClearingGivesBackWhatIsReturnable) {
  OutboundQueue queue;
  queue.Push(NewSharedFrame("one"), false, 0, kMarks, true);
  queue.Push(NewSharedFrame("two"), false, 0, kMarks);
  queue.Push(NewSharedFrame("three"), false, 0, kMarks, true);
  EXPECT_THAT(Texts(queue.Clear()), ElementsAre("one", "three"));
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_FALSE(queue.has_chunk());
}

TEST(OutboundQueue, TakingTheReturnableLeavesTheRest) {
  OutboundQueue queue;
  queue.Push(NewSharedFrame("one"), false, 0, kMarks, true);
  queue.Push(NewSharedFrame("two"), false, 0, kMarks);
  EXPECT_THAT(Texts(queue.TakeReturnable()), ElementsAre("one"));
  EXPECT_EQ(queue.bytes(), 3u);
  const OutboundQueue::Chunk chunk = queue.NextChunk();
  EXPECT_EQ(std::string_view(chunk.data, chunk.size), "two");
}

TEST(OutboundQueue, NothingFollowsAFrameThatWasBegunAndTakenBack) {
  OutboundQueue queue;
  queue.Push(Bytes(OutboundQueue::kChunk + 1), false, 0, {}, true);
  queue.Push(NewSharedFrame("two"), false, 0, {});
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.TakeReturnable().size(), 1u);
  EXPECT_FALSE(queue.has_chunk());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(OutboundQueue, CutsALongMessageIntoFragments) {
  OutboundQueue queue;
  queue.Push(Bytes(2 * OutboundQueue::kChunk + 5), false, 0, {});
  std::string seen;
  for (size_t size : {OutboundQueue::kChunk, OutboundQueue::kChunk, size_t{5}}) {
    const OutboundQueue::Chunk chunk = queue.NextChunk();
    EXPECT_EQ(chunk.size, size);
    EXPECT_EQ(chunk.first, seen.empty());
    seen.append(chunk.data, chunk.size);
    EXPECT_EQ(chunk.last, seen.size() == 2 * OutboundQueue::kChunk + 5);
    queue.ChunkWritten(false);
  }
  EXPECT_FALSE(queue.has_chunk());
}

TEST(OutboundQueue, GoesOnWhereTheFirstWriteStopped) {
  OutboundQueue queue;
  queue.Push(NewSharedFrame("abcdef"), false, 4, kMarks);
  EXPECT_EQ(queue.bytes(), 2u);
  const OutboundQueue::Chunk chunk = queue.NextChunk();
  EXPECT_EQ(std::string_view(chunk.data, chunk.size), "ef");
  EXPECT_FALSE(chunk.first);
}

TEST(OutboundQueue, TellsEachMarkOnce) {
  OutboundQueue queue;
  EXPECT_EQ(queue.Push(Bytes(600), false, 0, kMarks), Crossing::kNone);
  EXPECT_EQ(queue.Push(Bytes(600), false, 0, kMarks), Crossing::kPause);
  EXPECT_EQ(queue.Push(Bytes(600), false, 0, kMarks), Crossing::kNone);
  EXPECT_EQ(queue.Push(Bytes(600), false, 0, kMarks), Crossing::kLimit);
  queue.ChunkWritten(false);
  queue.ChunkWritten(false);
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kMarks), Crossing::kNone);  // 600 left
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kMarks), Crossing::kResume);
  EXPECT_EQ(queue.Settle(kMarks), Crossing::kNone);
}

TEST(OutboundQueue, CountsWhatTheLibraryHoldsUntilItIsFlushed) {
  OutboundQueue queue;
  EXPECT_EQ(queue.Buffered(700, kMarks), Crossing::kNone);
  EXPECT_EQ(queue.Push(Bytes(400), false, 0, kMarks), Crossing::kPause);
  queue.ChunkWritten(true);
  EXPECT_EQ(queue.bytes(), 1100u);
  EXPECT_FALSE(queue.idle());
  queue.Flushed();
  EXPECT_EQ(queue.Settle(kMarks), Crossing::kResume);
  EXPECT_TRUE(queue.idle());
}

TEST(OutboundQueue, MarksOfZeroAreOff) {
  OutboundQueue queue;
  EXPECT_EQ(queue.Push(Bytes(1 << 20), false, 0, {}), Crossing::kNone);
}

TEST(OutboundQueue, EitherMarkPausesAndBothMustFall) {
  constexpr OutboundMarks kBoth{
      .pause = 1000, .resume = 500, .limit = 100'000, .pause_messages = 4, .resume_messages = 2};
  OutboundQueue queue;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.Push(Bytes(10), false, 0, kBoth), Crossing::kNone);
  EXPECT_EQ(queue.Push(Bytes(10), false, 0, kBoth), Crossing::kPause);
  EXPECT_EQ(queue.waiting(), (Backlog{.messages = 4, .bytes = 40}));
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kBoth), Crossing::kNone);
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kBoth), Crossing::kResume);

  EXPECT_EQ(queue.Push(Bytes(1000), false, 0, kBoth), Crossing::kPause);  // by bytes
  queue.ChunkWritten(false);
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kBoth), Crossing::kNone) << "one message, but 1000 bytes";
  queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kBoth), Crossing::kResume);
}

TEST(OutboundQueue, SaysPauseAgainAtEachDoubling) {
  constexpr OutboundMarks kByMessages{.limit = 1 << 30, .pause_messages = 4, .resume_messages = 2};
  OutboundQueue queue;
  std::vector<uint32_t> said;
  for (int i = 0; i < 40; ++i) {
    if (queue.Push(Bytes(10), false, 0, kByMessages) == Crossing::kPause)
      said.push_back(queue.waiting().messages);
  }
  EXPECT_EQ(said, (std::vector<uint32_t>{4, 8, 16, 32}));
  EXPECT_EQ(queue.Push(Bytes(500), false, 0, kByMessages), Crossing::kPause) << "the bytes have doubled, too";
  for (int i = 0; i < 39; ++i) queue.ChunkWritten(false);
  EXPECT_EQ(queue.Settle(kByMessages), Crossing::kResume);
  EXPECT_EQ(queue.Push(Bytes(0), false, 0, kByMessages), Crossing::kNone);
  EXPECT_EQ(queue.Push(Bytes(0), false, 0, kByMessages), Crossing::kPause) << "anew from the mark";
}

TEST(OutboundQueue, AMessageCountsUntilTheKernelHasAllOfIt) {
  OutboundQueue queue;
  queue.Buffered(600, kMarks);  // a message that the library has whole, but not written
  EXPECT_EQ(queue.waiting(), (Backlog{.messages = 1, .bytes = 600}));
  queue.Push(Bytes(10), false, 0, kMarks);
  EXPECT_EQ(queue.waiting().messages, 2u);
  queue.Flushed();
  queue.ChunkWritten(true);
  EXPECT_EQ(queue.waiting(), (Backlog{.messages = 1, .bytes = 10}));
  queue.Flushed();
  EXPECT_EQ(queue.waiting(), Backlog{});

  queue.Buffered(OutboundQueue::kChunk, {});  // the first chunk of one, and what is left of it
  queue.Push(Bytes(OutboundQueue::kChunk + 5), false, OutboundQueue::kChunk, {});
  EXPECT_EQ(queue.waiting(), (Backlog{.messages = 1, .bytes = OutboundQueue::kChunk + 5}));
}

TEST(OutboundQueue, SharesOneBufferAmongRecipients) {
  const SharedFrame frame = Bytes(10);
  OutboundQueue a;
  OutboundQueue b;
  a.Push(frame, false, 0, kMarks);
  b.Push(frame, false, 0, kMarks);
  EXPECT_EQ(a.NextChunk().data, b.NextChunk().data);
  EXPECT_EQ(frame.use_count(), 3);
  a.ChunkWritten(false);
  b.Clear();
  EXPECT_EQ(frame.use_count(), 1);
}

}  // namespace
}  // namespace dormouse
