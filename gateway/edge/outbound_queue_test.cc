#include "gateway/edge/outbound_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
