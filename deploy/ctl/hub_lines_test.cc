#include "deploy/ctl/hub_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "deploy/ctl/failure.h"

namespace dormouse {
namespace {

using testing::HasSubstr;

HubLines Parse(const std::string& text) {
  std::istringstream in(text);
  return ParseHubLines(&in, "hub.jsonl");
}

std::string Refusal(const std::string& text) {
  try {
    Parse(text);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(HubLinesTest, WritesTextAsTextAndTheRestAsBase64) {
  HubLines hub{"echo/kitchen", 1'769'862'896'789, {}, {}};
  hub.rows["greeting"] = "good \"morning\"\n\xc3\xa4";
  hub.rows[std::string("\0\xff", 2)] = "";
  hub.rows["picture"] = "\x89PNG";
  const std::string text = PrintHubLines(hub);
  EXPECT_EQ(text,
            "{\"dormouse\":\"hub\",\"version\":1,\"hub\":\"echo/kitchen\","
            "\"alarm\":\"2026-01-31T12:34:56.789Z\",\"alarm_ms\":1769862896789,\"rows\":3}\n"
            "{\"key_base64\":\"AP8=\",\"value\":\"\"}\n"
            "{\"key\":\"greeting\",\"value\":\"good \\\"morning\\\"\\n\xc3\xa4\"}\n"
            "{\"key\":\"picture\",\"value_base64\":\"iVBORw==\"}\n");
  const HubLines back = Parse(text);
  EXPECT_EQ(back.hub, hub.hub);
  EXPECT_EQ(back.alarm_ms, hub.alarm_ms);
  EXPECT_EQ(back.rows, hub.rows);
}

TEST(HubLinesTest, GivesBackAnyBytes) {
  std::mt19937 random(1);
  HubLines hub{"echo/random", std::nullopt, {}, {}};
  for (size_t size = 0; size < 300; ++size) {
    std::string key = std::to_string(size) + '/';
    std::string value;
    for (size_t i = 0; i < size; ++i) {
      value.push_back(static_cast<char>(random()));
      if (i < 50) key.push_back(static_cast<char>(random()));
    }
    hub.rows[key] = value;
  }
  const HubLines back = Parse(PrintHubLines(hub));
  EXPECT_EQ(back.alarm_ms, std::nullopt);
  EXPECT_EQ(back.rows, hub.rows);
}

TEST(HubLinesTest, OneWithTimersIsOfAVersionThatEarlierOnesRefuse) {
  HubLines hub{"echo/kitchen", std::nullopt, {{"round", 1'769'862'896'789}, {"\xff", 7}}, {{"a", "b"}}};
  const std::string text = PrintHubLines(hub);
  EXPECT_EQ(text,
            "{\"dormouse\":\"hub\",\"version\":2,\"hub\":\"echo/kitchen\",\"timers\":["
            "{\"name\":\"round\",\"due\":\"2026-01-31T12:34:56.789Z\",\"due_ms\":1769862896789},"
            "{\"name_base64\":\"/w==\",\"due\":\"1970-01-01T00:00:00.007Z\",\"due_ms\":7}],\"rows\":1}\n"
            "{\"key\":\"a\",\"value\":\"b\"}\n");
  const HubLines back = Parse(text);
  EXPECT_EQ(back.timers, hub.timers);
  EXPECT_EQ(back.rows, hub.rows);
}

TEST(HubLinesTest, SaysWhichTimerIsWrong) {
  const auto refusal = [](const std::string& timers) {
    return Refusal("{\"dormouse\":\"hub\",\"version\":2,\"rows\":0,\"timers\":" + timers + "}");
  };
  std::string many = "[0";
  for (int i = 0; i < 100; ++i) many += ",0";
  EXPECT_THAT(refusal("{}"), HasSubstr("timers is no list"));
  EXPECT_THAT(refusal("[7]"), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal(many + "]"), HasSubstr("101 timers, more than the 100"));
  EXPECT_THAT(refusal("[{\"name\":\"\",\"due_ms\":1}]"), HasSubstr("at least one byte"));
  EXPECT_THAT(refusal("[{\"name\":\"" + std::string(65, 'n') + "\",\"due_ms\":1}]"),
              HasSubstr("more than the 64"));
  EXPECT_THAT(refusal("[{\"name\":\"a\"}]"), HasSubstr("due_ms"));
  EXPECT_THAT(refusal("[{\"name\":\"a\",\"due_ms\":0}]"), HasSubstr("due_ms"));
  EXPECT_THAT(refusal("[{\"name\":\"a\",\"due_ms\":1},{\"name_base64\":\"YQ==\",\"due_ms\":1}]"),
              HasSubstr("two timers have the same name"));
}

TEST(HubLinesTest, ReadsWhatPeopleWrite) {
  const HubLines hub = Parse(
      "\n{ \"rows\": 2, \"version\": 1, \"dormouse\": \"hub\", \"note\": [] }\r\n"
      "{\"value\": \"1\", \"key\": \"b\"}\n\n{\"value\": \"2\", \"key\": \"a\"}");
  EXPECT_EQ(hub.hub, "");
  EXPECT_EQ(hub.rows, (std::map<std::string, std::string>{{"a", "2"}, {"b", "1"}}));
}

TEST(HubLinesTest, SaysWhichLineIsWrong) {
  const std::string head = "{\"dormouse\":\"hub\",\"version\":1,\"rows\":1}\n";
  EXPECT_THAT(Refusal(""), HasSubstr("there is nothing in it"));
  EXPECT_THAT(Refusal("key,value\n"), HasSubstr("hub.jsonl, line 1: it is no JSON object"));
  EXPECT_THAT(Refusal("{\"key\":\"a\",\"value\":\"b\"}"), HasSubstr("it does not say that this is a hub"));
  EXPECT_THAT(Refusal("{\"dormouse\":\"hub\",\"version\":3,\"rows\":0}"), HasSubstr("in version 3"));
  EXPECT_THAT(Refusal("{\"dormouse\":\"hub\",\"version\":0,\"rows\":0}"), HasSubstr("in version 0"));
  EXPECT_THAT(Refusal("{\"dormouse\":\"hub\",\"version\":1,\"rows\":0,\"alarm_ms\":\"soon\"}"),
              HasSubstr("alarm_ms"));
  EXPECT_THAT(Refusal(head), HasSubstr("this is not all of it"));
  EXPECT_THAT(Refusal(head + "{\"key\":\"a\",\"value\":\"b\"}\n{\"key\":\"c\",\"value\":\"d\"}"),
              HasSubstr("line 3: more rows follow"));
  EXPECT_THAT(Refusal("{\"dormouse\":\"hub\",\"version\":1,\"rows\":2}\n{\"key\":\"a\",\"value\":\"b\"}\n"
                      "{\"key_base64\":\"YQ==\",\"value\":\"d\"}"),
              HasSubstr("line 3: its key is that of an earlier line"));
  for (const auto& [row, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"{\"key\":\"a\"}", "one of value and value_base64"},
           {"{\"key\":\"a\",\"key_base64\":\"YQ==\",\"value\":\"b\"}", "one of key and key_base64"},
           {"{\"key\":\"a\",\"value\":7}", "its value is no string"},
           {"{\"key\":\"\",\"value\":\"b\"}", "at least one byte"},
           {"{\"key\":\"a\",\"value_base64\":\"YQ\"}", "no base64"},
           {"{\"key\":\"a\",\"value_base64\":\"YR==\"}", "no base64"},
           {"{\"key\":\"a\",\"value_base64\":\"!!!!\"}", "no base64"},
           {"{\"key\":\"a\",\"value\":\"\xff\"}", "no JSON object"}}) {
    EXPECT_THAT(Refusal(head + row), HasSubstr(why)) << row;
  }
  EXPECT_THAT(Refusal(head + "{\"key\":\"" + std::string(4609, 'k') + "\",\"value\":\"b\"}"),
              HasSubstr("more than the 4608"));
}

}  // namespace
}  // namespace dormouse
