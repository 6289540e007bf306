#include "common/json/json_writer.h"

#include <gtest/gtest.h>

#include "common/json/json_reader.h"

namespace dormouse {
namespace {

TEST(JsonWriterTest, MembersInOrder) {
  EXPECT_EQ(
      JsonWriter().String("s", "x").Int("i", -5).Bool("b", true).Raw("r", "[1.0]").Raw("n", "").Finish(),
      R"({"s":"x","i":-5,"b":true,"r":[1.0],"n":null})");
  EXPECT_EQ(JsonWriter().Finish(), "{}");
}

TEST(JsonWriterTest, StringsReadBackAsTheyWere) {
  std::string all;
  for (char c = 0; c >= 0; ++c) {
    all.push_back(c);
    if (c == 127) break;
  }
  all += "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xad";
  const std::string quoted = JsonQuoted(all);
  EXPECT_TRUE(IsValidJson(quoted)) << quoted;
  EXPECT_EQ(JsonString(quoted), all);
}

TEST(JsonWriterTest, BytesThatAreNoUtf8AreReplaced) {
  for (const char* wrong :
       {"\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
    const std::string quoted = JsonQuoted(std::string("a") + wrong + "b");
    EXPECT_TRUE(IsValidJson(quoted)) << quoted;
    EXPECT_TRUE(quoted.starts_with("\"a\xef\xbf\xbd") && quoted.ends_with("b\"")) << quoted;
  }
}

}  // namespace
}  // namespace dormouse
