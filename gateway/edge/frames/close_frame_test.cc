#include "gateway/edge/frames/close_frame.h"

#include <gtest/gtest.h>

#include <string>

#include "gateway/edge/frames/utf8.h"

namespace dormouse::edge {
namespace {

TEST(CloseFrame, KnowsTheCodesThatMayBeSent) {
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_TRUE(IsCloseCode(static_cast<uint16_t>(code))) << code;
  }
  for (const int code : {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_FALSE(IsCloseCode(static_cast<uint16_t>(code))) << code;
  }
}

TEST(CloseFrame, ReadsWhatItWrites) {
  const std::string payload = CloseFramePayload(4321, "my reasons");
  const auto close = ReadCloseFrame(payload);
  ASSERT_TRUE(close.has_value());
  EXPECT_EQ(close->code, 4321);
  EXPECT_EQ(close->reason, "my reasons");
  EXPECT_EQ(CloseFramePayload(kNoCloseCode, "unsaid"), "");
  EXPECT_EQ(ReadCloseFrame("")->code, kNoCloseCode);
}

TEST(CloseFrame, RefusesWhatHasNoMeaning) {
  EXPECT_FALSE(ReadCloseFrame("\x03").has_value());
  EXPECT_FALSE(ReadCloseFrame("\x03\xe8 caf\xe9").has_value());
  EXPECT_FALSE(ReadCloseFrame("\xff\xff").has_value());
}

TEST(CloseFrame, CutsAReasonBetweenCharacters) {
  std::string reason;
  for (int i = 0; i < 100; ++i) reason += "\xe2\x82\xac";
  for (size_t more = 0; more < 3; ++more) {
    const std::string payload = CloseFramePayload(1000, std::string(more, 'x') + reason);
    EXPECT_LE(payload.size(), 125u);
    EXPECT_GT(payload.size(), 122u);
    EXPECT_TRUE(IsValidUtf8(payload.substr(2)));
  }
}

}  // namespace
}  // namespace dormouse::edge
