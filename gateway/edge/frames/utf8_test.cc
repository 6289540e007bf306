#include "gateway/edge/frames/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace dormouse::edge {
namespace {

TEST(Utf8, AcceptsEveryLengthOfSequenceAnywhere) {
  for (const std::string text :
       {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xad", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    for (size_t before = 0; before < 20; ++before) {
      EXPECT_TRUE(IsValidUtf8(std::string(before, 'x') + text + std::string(20 - before, 'y')))
          << text << before;
    }
  }
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesWhatIsNot) {
  const char* wrong[] = {
      "\x80",              // continuation without a lead
      "\xc0\xaf",          // overlong
      "\xc1\xbf",          // overlong
      "\xe0\x9f\xbf",      // overlong
      "\xf0\x8f\xbf\xbf",  // overlong
      "\xed\xa0\x80",      // surrogate
      "\xf4\x90\x80\x80",  // above U+10FFFF
      "\xf5\x80\x80\x80",  // above U+10FFFF
      "\xff",              //
      "\xc3",              // cut off
      "\xe2\x82",          // cut off
      "\xf0\x9f\x90",      // cut off
      "\xe2\x28\xa1",      // bad continuation
  };
  for (const std::string text : wrong) {
    for (size_t before = 0; before < 12; ++before) {
      EXPECT_FALSE(IsValidUtf8(std::string(before, 'x') + text)) << before;
      EXPECT_FALSE(IsValidUtf8(text + std::string(before, 'x'))) << before;
    }
  }
}

TEST(Utf8, TextMayComeInPieces) {
  const std::string text = "caf\xc3\xa9 \xe2\x82\xac, \xf0\x9f\x90\xad and more than eight";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Utf8Reader reader;
    EXPECT_TRUE(reader.Take(text.substr(0, cut)));
    EXPECT_EQ(reader.complete(), IsValidUtf8(text.substr(0, cut))) << cut;
    EXPECT_TRUE(reader.Take(text.substr(cut)));
    EXPECT_TRUE(reader.complete());
  }
}

TEST(Utf8, TheFirstByteThatCannotBeIsFound) {
  for (const std::string text : {"\xe0\x9f", "\xf0\x8f", "\xed\xa0", "\xf4\x90", "\xc3(", "\xf5", "\xc0"}) {
    Utf8Reader reader;
    for (size_t i = 0; i < text.size(); ++i)
      EXPECT_EQ(reader.Take(text.substr(i, 1)), i + 1 < text.size()) << i;
  }
}

}  // namespace
}  // namespace dormouse::edge
