#include "clients/load/talk/script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace dormouse::load {
namespace {

std::string WhatIsWrongWith(const std::string& text) {
  try {
    Script::Parse(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing";
}

TEST(ScriptTest, HasAGreetingAndALoop) {
  const Script script = Script::Parse(
      "# a comment\n"
      "expect {\"type\": \"welcome\"}\n"
      "\n"
      "  send hello {i}\r\n"
      "loop\n"
      "send say {n}\n"
      "wait 20\n"
      "expect said {n}\n");
  ASSERT_EQ(script.greeting().size(), 2U);
  EXPECT_EQ(script.greeting()[0].verb, Script::Verb::kExpect);
  EXPECT_EQ(script.greeting()[0].text, "{\"type\": \"welcome\"}");
  EXPECT_EQ(script.greeting()[1].text, "hello {i}");
  ASSERT_EQ(script.loop().size(), 3U);
  EXPECT_EQ(script.loop()[1].verb, Script::Verb::kWait);
  EXPECT_EQ(script.loop()[1].wait_ms, 20);
}

TEST(ScriptTest, HasEndsOfLinesInTextsThatAreNoJson) {
  const Script script = Script::Parse(
      "skip\n"
      "send PING\\r\\n\n"
      "loop\n"
      "send {\"text\":\"a\\n\"}\n"
      "expect a\n");
  ASSERT_EQ(script.greeting().size(), 2U);
  EXPECT_EQ(script.greeting()[0].verb, Script::Verb::kSkip);
  EXPECT_EQ(script.greeting()[1].text, "PING\r\n");
  EXPECT_EQ(script.loop()[0].text, "{\"text\":\"a\\n\"}");
  EXPECT_THAT(WhatIsWrongWith("skip two\n"), testing::HasSubstr("'skip two' is none of"));
}

TEST(ScriptTest, SaysWhatIsWrong) {
  EXPECT_THAT(WhatIsWrongWith("say hello\n"),
              testing::StartsWith("line 1 of the script: 'say hello' is none of"));
  EXPECT_THAT(WhatIsWrongWith("# one\nwait soon\n"),
              testing::StartsWith("line 2 of the script: 'wait' wants"));
  EXPECT_THAT(WhatIsWrongWith("wait -1\n"), testing::HasSubstr("'wait' wants milliseconds"));
  EXPECT_THAT(WhatIsWrongWith("send\n"), testing::HasSubstr("'send' wants a text"));
  EXPECT_THAT(WhatIsWrongWith("send a\nexpect a\n"), testing::HasSubstr("needs a line 'loop'"));
  EXPECT_THAT(WhatIsWrongWith("loop\nsend a\n"), testing::HasSubstr("needs a line 'loop'"));
  EXPECT_THAT(WhatIsWrongWith("loop\nloop\n"), testing::HasSubstr("line 2"));
  EXPECT_EQ(WhatIsWrongWith("loop\nsend a\nexpect a\n"), "nothing");
}

TEST(ScriptTest, FillsPlaceholders) {
  EXPECT_EQ(Filled("{i} of {n}, {other} {i", 7, 42), "7 of 42, {other} {i");
  const std::string random = Filled("{random}", 7, 42);
  EXPECT_EQ(random.size(), 16U);
  EXPECT_EQ(Filled("{random}", 7, 42), random);
  EXPECT_NE(Filled("{random}", 7, 43), random);
  EXPECT_NE(Filled("{random}", 8, 42), random);
}

TEST(ScriptTest, ATextMatchesItselfOnly) {
  EXPECT_TRUE(Matches("pong", "pong"));
  EXPECT_FALSE(Matches("pong", "pong "));
  EXPECT_FALSE(Matches("pong", "{}"));
}

TEST(ScriptTest, AnObjectMatchesOnesWithItsMembers) {
  const char* const frame =
      R"({"type":"said","n":1.0,"to":{"name":"a\u0062","id":3},"list":[1,{"x":null,"y":2}]})";
  EXPECT_TRUE(Matches("{}", frame));
  EXPECT_TRUE(Matches(R"({"n": 1, "type": "said"})", frame));
  EXPECT_TRUE(Matches(R"({"to": {"name": "ab"}})", frame));
  EXPECT_TRUE(Matches(R"({"list": [1, {"x": null}]})", frame));
  EXPECT_FALSE(Matches(R"({"type": "say"})", frame));
  EXPECT_FALSE(Matches(R"({"n": "1"})", frame));
  EXPECT_FALSE(Matches(R"({"to": {"name": "ab", "none": 1}})", frame));
  EXPECT_FALSE(Matches(R"({"list": [1]})", frame));
  EXPECT_FALSE(Matches(R"({"list": {"0": 1}})", frame));
  EXPECT_FALSE(Matches("{}", "[]"));
  EXPECT_FALSE(Matches("{}", "no JSON"));
}

TEST(ScriptTest, TakesOffWhatIsIgnored) {
  const Script script = Script::Parse("ignore PING\\r\\n\nloop\nsend a\nexpect a\n");
  EXPECT_EQ(script.WithoutIgnored("MSG a\r\nPING\r\n"), "MSG a\r\n");
  EXPECT_EQ(script.WithoutIgnored("PING\r\nPING\r\nMSG a\r\n"), "MSG a\r\n");
  EXPECT_EQ(script.WithoutIgnored("PING\r\n"), "PING\r\n");
  EXPECT_EQ(script.WithoutIgnored("PING"), "PING");
}

TEST(ScriptTest, IgnoresWhatItIsToldTo) {
  const Script script =
      Script::Parse("ignore {\"type\":\"joined\"}\nignore beat {i}\nloop\nsend a\nexpect a\n");
  EXPECT_TRUE(script.IsIgnored(R"({"type":"joined","who":"b"})", 1, 0));
  EXPECT_TRUE(script.IsIgnored("beat 1", 1, 0));
  EXPECT_FALSE(script.IsIgnored("beat 2", 1, 0));
}

}  // namespace
}  // namespace dormouse::load
