#include "common/json/json_reader.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(JsonReaderTest, ValidityCoversTheWholeText) {
  EXPECT_TRUE(IsValidJson(R"( {"a": [1, 2.5e+3, true, null, "x"]} )"));
  EXPECT_TRUE(IsValidJson("\"alone\""));
  EXPECT_TRUE(IsValidJson("1.0e2"));
  for (const char* wrong :
       {"", " ", "{", "{]", "{\"a\":1,}", "[1,]", "{a:1}", "nul", "01", "{} {}", "'a'", "\"\n\""}) {
    EXPECT_FALSE(IsValidJson(wrong)) << wrong;
  }
  EXPECT_FALSE(IsValidJson(std::string_view("{}\0{}", 5))) << "a zero byte is not the end";
}

TEST(JsonReaderTest, InvalidUtf8IsNotJson) {
  EXPECT_TRUE(IsValidJson("\"\xc3\xa9 \xf0\x9f\x90\xad\""));
  EXPECT_TRUE(IsValidJson(R"("\ud83d\udc2d")"));
  EXPECT_FALSE(IsValidJson("\"\xc3\""));
  EXPECT_FALSE(IsValidJson("\"\xff\""));
  EXPECT_FALSE(IsValidJson("\"\xed\xa0\x80\""));
}

TEST(JsonReaderTest, WhatNoDoubleAndNoUtf16CanSayIsWellFormedAllTheSame) {
  const std::string long_number(1000, '9');
  std::string long_decimal = long_number;
  long_decimal.append(".").append(long_number).append("e").append(long_number);
  for (const std::string& right : {std::string("1e400"), std::string("-1.5E+999999999999999999999"),
                                   "[" + long_number + ",1e400]", long_decimal, std::string(R"("\ud83d")"),
                                   std::string(R"({"a\\":"\ude00\ud83d \\ud83d","b":1e999})")}) {
    EXPECT_TRUE(IsValidJson(right)) << right;
  }
  for (const std::string& wrong :
       {std::string("1e400e1"), std::string("01e400"), std::string("[1e400,]"), std::string("1e400."),
        std::string("[1e+,1e400]"), std::string(R"("\ud83")"), std::string(R"("\ud83d\x")"),
        std::string("\"\\ud83d\xff\"")}) {
    EXPECT_FALSE(IsValidJson(wrong)) << wrong;
  }
}

TEST(JsonReaderTest, AMegabyteOfNestedArraysNeedsNoStack) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_TRUE(IsValidJson(deep));
  EXPECT_FALSE(IsValidJson(std::string_view(deep).substr(0, deep.size() - 1)));
  const std::string text = R"({"a":)" + deep + R"(,"b":1})";
  const JsonObject object(text);
  EXPECT_EQ(object.Find("a"), deep);
  EXPECT_EQ(object.Find("b"), "1");
}

TEST(JsonReaderTest, MembersAreSlicesAsWritten) {
  const JsonObject object(R"( { "n" : 1.0e2 , "s":"a\"}]b", "o" : {"x":[1, 2]} , "e":{},"z":null } )");
  EXPECT_EQ(object.members().size(), 5u);
  EXPECT_EQ(object.Find("n"), "1.0e2");
  EXPECT_EQ(object.Find("s"), R"("a\"}]b")");
  EXPECT_EQ(object.Find("o"), R"({"x":[1, 2]})");
  EXPECT_EQ(object.Find("e"), "{}");
  EXPECT_EQ(object.Find("z"), "null");
  EXPECT_EQ(object.Find("x"), "") << "members of members are not ours";
}

TEST(JsonReaderTest, TheLastOfEqualKeysCountsAndKeysMayBeEscaped) {
  const JsonObject object(R"({"type":"a","ty\u0070e":"b"})");
  EXPECT_EQ(object.Find("type"), "\"b\"");
}

TEST(JsonReaderTest, WhatIsNoObjectHasNoMembers) {
  for (const char* text : {"[]", "1", "\"{}\"", "null", "{}"}) {
    EXPECT_TRUE(JsonObject(text).members().empty()) << text;
  }
}

TEST(JsonReaderTest, Elements) {
  EXPECT_EQ(JsonElements(R"([ 1 , "a,]" , {"b":[2]} ])"),
            (std::vector<JsonSlice>{"1", "\"a,]\"", R"({"b":[2]})"}));
  EXPECT_TRUE(JsonElements("[]")->empty());
  EXPECT_FALSE(JsonElements("{}").has_value());
}

TEST(JsonReaderTest, StringsAndNumbers) {
  EXPECT_EQ(JsonString(R"("a\n\u00e9\ud83d\udc2d\/")"), "a\n\xc3\xa9\xf0\x9f\x90\xad/");
  EXPECT_EQ(JsonString("\"plain\""), "plain");
  EXPECT_FALSE(JsonString("1").has_value());
  EXPECT_FALSE(JsonString("").has_value());
  EXPECT_EQ(JsonNumber("-1.5e1"), -15);
  EXPECT_FALSE(JsonNumber("\"1\"").has_value());
  EXPECT_FALSE(JsonNumber("null").has_value());
}

}  // namespace
}  // namespace dormouse
