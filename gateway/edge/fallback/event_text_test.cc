#include "gateway/edge/fallback/event_text.h"

#include <gtest/gtest.h>

namespace dormouse::edge {
namespace {

TEST(EventTextTest, EachLineOfATextIsALineOfData) {
  EXPECT_EQ(MessageEvent(1, false, "one"), "id: 1\ndata: one\n\n");
  EXPECT_EQ(MessageEvent(2, false, ""), "id: 2\ndata: \n\n");
  EXPECT_EQ(MessageEvent(3, false, "a\n\nb\n"), "id: 3\ndata: a\ndata: \ndata: b\ndata: \n\n");
}

TEST(EventTextTest, WhatLinesCannotHoldIsBase64) {
  EXPECT_EQ(MessageEvent(4, false, "a\rb"), "id: 4\nevent: base64\ndata: YQ1i\n\n");
  EXPECT_EQ(MessageEvent(5, true, std::string_view("\0\1\2", 3)), "id: 5\nevent: binary\ndata: AAEC\n\n");
}

TEST(EventTextTest, TheEndSaysWhy) {
  EXPECT_EQ(CloseEvent(6, 1001, "Going \"Away\"\n"),
            "id: 6\nevent: close\ndata: {\"code\":1001,\"reason\":\"Going \\\"Away\\\"\\n\"}\n\n");
  EXPECT_EQ(ConfirmEvent(7), "event: confirm\ndata: 7\n\n");
  EXPECT_EQ(OpenEvent(8), "event: open\ndata: 8\n\n");
}

}  // namespace
}  // namespace dormouse::edge
