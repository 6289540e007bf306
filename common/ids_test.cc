#include "common/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace dormouse {
namespace {

TEST(ConnectionIdTest, TextAndBytesRoundTrip) {
  const ConnectionId id{NewGatewayId(), UuidLow(0x1234'5678'9abc)};
  const std::string text = id.ToString();
  ASSERT_EQ(text.size(), 36u);
  EXPECT_EQ(text[14], '4') << text;                                          // version
  EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;  // variant
  EXPECT_EQ(ConnectionId::Parse(text), id);
  EXPECT_EQ(ConnectionId::FromBytes(id.ToBytes()), id);
}

TEST(ConnectionIdTest, BytesSortAsIdsDo) {
  const ConnectionId low{UuidHigh(1), UuidLow(0xff)};
  const ConnectionId high{UuidHigh(1), UuidLow(0x100)};
  EXPECT_LT(low, high);
  EXPECT_LT(low.ToBytes(), high.ToBytes());
}

TEST(ConnectionIdTest, ParseRefusesWhatIsNoUuid) {
  EXPECT_FALSE(ConnectionId::Parse(""));
  EXPECT_FALSE(ConnectionId::Parse("00000000-0000-4000-8000-00000000000"));
  EXPECT_FALSE(ConnectionId::Parse("00000000x0000-4000-8000-000000000000"));
  EXPECT_FALSE(ConnectionId::Parse("0000000g-0000-4000-8000-000000000000"));
  EXPECT_FALSE(ConnectionId::FromBytes("short"));
}

TEST(UuidTest, FreeBitsSurvive) {
  EXPECT_EQ(UuidLowBits(UuidLow(0x2aaa'bbbb'cccc'dddd)), 0x2aaa'bbbb'cccc'ddddu);
  EXPECT_NE(UuidHigh(0x0fff), UuidHigh(0x1000));
}

TEST(UuidTest, NewOnesDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(NewUuid()).second);
  EXPECT_EQ(NewSecretHex(16).size(), 32u);
  EXPECT_NE(NewSecretHex(16), NewSecretHex(16));
}

TEST(TimeOrderedIdsTest, SortByTimeAndWithinTheMillisecondByOrder) {
  TimeOrderedIds ids;
  std::string last;
  for (const int64_t now : {1'700'000'000'000, 1'700'000'000'000, 1'700'000'000'001, 1'699'999'999'999}) {
    for (int i = 0; i < 5000; ++i) {  // more than the counter holds
      const std::string id = ids.Next(now, ~static_cast<uint64_t>(i));
      EXPECT_LT(last, id);
      last = id;
    }
  }
  EXPECT_LT(last, TimeOrderedIds().Next(1'700'000'000'100, 0));
}

TEST(TimeOrderedIdsTest, LateOnesSortIntoTheirMillisecondBeforeTheOthers) {
  TimeOrderedIds ids;
  const std::string before = ids.Next(1'700'000'000'000, 5);
  const std::string at_the_time = ids.Next(1'700'000'000'001, 5);
  const std::string late = TimeOrderedIds::Late(1'700'000'000'001, 0, 9);
  const std::string later = TimeOrderedIds::Late(1'700'000'000'001, 1, 1);
  EXPECT_LT(before, late);
  EXPECT_LT(late, later);
  EXPECT_LT(later, at_the_time);
  EXPECT_LT(TimeOrderedIds::Late(1'700'000'000'001, 1'000'000, 1), at_the_time);
}

TEST(TimeOrderedIdsTest, LayoutOfVersion7) {
  const std::string id = TimeOrderedIds().Next(0x0123'4567'89ab, 0x2222'3333'4444'5555);
  EXPECT_EQ(id, "01234567-89ab-7800-a222-333344445555");
  EXPECT_TRUE(TimeOrderedIds::IsOne(id));
  EXPECT_EQ(TimeOrderedIds::TailOf(id),
            TimeOrderedIds::TailOf(TimeOrderedIds().Next(7, 0x2222'3333'4444'5555)));
  EXPECT_FALSE(TimeOrderedIds::IsOne(NewUuid()));
  EXPECT_FALSE(TimeOrderedIds::IsOne("01234567-89AB-7000-a222-333344445555"));
  EXPECT_FALSE(TimeOrderedIds::IsOne(""));
}

}  // namespace
}  // namespace dormouse
