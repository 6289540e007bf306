#include "gateway/edge/frames/write_batch.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace dormouse::edge {
namespace {

using Lifetime = WriteBatch::Lifetime;

class WriteBatchTest : public testing::Test {
 protected:
  WriteBatchTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~WriteBatchTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  std::string Sent() {
    EXPECT_EQ(batch_.SendTo(ends_[0]), static_cast<ssize_t>(batch_.size()));
    std::string bytes(batch_.size(), '\0');
    EXPECT_EQ(recv(ends_[1], bytes.data(), bytes.size(), MSG_WAITALL), static_cast<ssize_t>(bytes.size()));
    return bytes;
  }

  WriteBatch batch_;
  int ends_[2];
};

TEST_F(WriteBatchTest, APieceThatIsAloneIsNotCopied) {
  std::string piece = "hello";
  EXPECT_TRUE(batch_.Append(piece, Lifetime::kWrite));
  piece[0] = 'j';
  EXPECT_EQ(Sent(), "jello");
}

TEST_F(WriteBatchTest, NorIsOneThatLiesBehindTheOneBefore) {
  std::string both = "hello world";
  EXPECT_TRUE(batch_.Append(std::string_view(both).substr(0, 5), Lifetime::kWrite));
  EXPECT_TRUE(batch_.Append(std::string_view(both).substr(5), Lifetime::kWrite));
  both[0] = 'j';
  both[6] = 'W';
  EXPECT_EQ(Sent(), "jello World");
}

TEST_F(WriteBatchTest, ShortPiecesArePutTogether) {
  std::string first = "one ";
  std::string third = " three";
  EXPECT_TRUE(batch_.Append(first, Lifetime::kWrite));
  EXPECT_TRUE(batch_.Append("two", Lifetime::kCall));
  EXPECT_TRUE(batch_.Append(third, Lifetime::kWrite));
  first = third = "gone";
  EXPECT_EQ(Sent(), "one two three");
}

TEST_F(WriteBatchTest, LongPiecesStayWhereTheyAre) {
  std::string first(WriteBatch::kLongPiece, '1');
  std::string third(WriteBatch::kLongPiece, '3');
  EXPECT_TRUE(batch_.Append(first, Lifetime::kWrite));
  EXPECT_TRUE(batch_.Append("-", Lifetime::kCall));
  EXPECT_TRUE(batch_.Append(third, Lifetime::kWrite));
  first[0] = third[0] = '!';
  EXPECT_EQ(Sent(), first + "-" + third);
}

TEST_F(WriteBatchTest, TakesNoMoreThanThereIsRoomFor) {
  const std::string half(WriteBatch::kMaxBytes / 2 + 1, 'x');
  EXPECT_TRUE(batch_.Append(half, Lifetime::kWrite));
  EXPECT_FALSE(batch_.Append(half, Lifetime::kWrite));
  EXPECT_EQ(batch_.size(), half.size());
  batch_.Clear();
  int pieces = 0;
  while (batch_.Append("0123456789", Lifetime::kCall)) ++pieces;
  EXPECT_GT(pieces, 1000);
  EXPECT_EQ(Sent().size(), static_cast<size_t>(pieces) * 10);
}

TEST_F(WriteBatchTest, IsGatheredInPartsOfAnySize) {
  const std::string first(WriteBatch::kLongPiece, '1');
  const std::string second(3 * WriteBatch::kLongPiece, '2');
  batch_.Append(first, Lifetime::kWrite);
  batch_.Append("and", Lifetime::kCall);
  batch_.Append(second, Lifetime::kWrite);
  for (const size_t room : {1u, 1'000u, 5'000u, 100'000u}) {
    std::string all;
    std::string buffer(room, '\0');
    while (all.size() < batch_.size()) {
      const std::string_view part = batch_.Gather(all.size(), buffer.data(), room);
      EXPECT_EQ(part.size(), std::min(room, batch_.size() - all.size()));
      all += part;
    }
    EXPECT_EQ(all, first + "and" + second);
  }
  // What a piece has alone is not copied.
  char nowhere = 0;
  EXPECT_EQ(batch_.Gather(first.size() + 3, &nowhere, WriteBatch::kLongPiece).data(), second.data());
}

}  // namespace
}  // namespace dormouse::edge
