#include "statekeeper/classes/callback/callback_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace dormouse {
namespace {

using testing::HasSubstr;

const std::string kId = ConnectionId{UuidHigh(1), UuidLow(2)}.ToString();

TEST(CallbackAnswerTest, AnEmptyBodyHasNoCommands) {
  for (const char* body : {"", " \n", "{}", R"({"commands": []})", R"({"commands": null})"}) {
    CallbackAnswer answer;
    EXPECT_EQ(ReadCallbackAnswer(body, &answer), "") << body;
    EXPECT_TRUE(answer.steps.empty());
  }
}

TEST(CallbackAnswerTest, CommandsComeInTheirOrder) {
  CallbackAnswer answer;
  ASSERT_EQ(ReadCallbackAnswer(R"({"commands": [
              {"verb": "send", "connection": ")" +
                                   kId + R"(", "data": "hello"},
              {"verb": "send", "tag": "t", "base64": "AAEC"},
              {"verb": "broadcast", "data": {"a": 1}, "except": ")" +
                                   kId + R"("},
              {"verb": "disconnect", "connection": ")" +
                                   kId + R"(", "code": 4003, "reason": "no"},
              {"verb": "put", "key": "k", "value": {"b":  2}},
              {"verb": "delete", "key": "old"},
              {"verb": "tag", "connection": ")" +
                                   kId + R"(", "tags": ["x", "y"]},
              {"verb": "alarm", "in": 5000},
              {"verb": "alarm"}]})",
                               &answer),
            "");
  ASSERT_EQ(answer.steps.size(), 9u);
  EXPECT_EQ(std::get<api::Command>(answer.steps[0]).send().data().text(), "hello");
  EXPECT_EQ(std::get<api::Command>(answer.steps[1]).send().data().binary(), std::string("\0\1\2", 3));
  EXPECT_EQ(std::get<api::Command>(answer.steps[2]).broadcast().data().json(), R"({"a": 1})");
  EXPECT_EQ(std::get<api::Command>(answer.steps[3]).disconnect().code(), 4003u);
  EXPECT_EQ(std::get<CallbackAnswer::Put>(answer.steps[4]).json, R"({"b":  2})");
  EXPECT_EQ(std::get<CallbackAnswer::Delete>(answer.steps[5]).key, "old");
  EXPECT_EQ(std::get<CallbackAnswer::Tag>(answer.steps[6]).tags.size(), 2u);
  EXPECT_EQ(std::get<CallbackAnswer::Alarm>(answer.steps[7]).in_ms, 5000);
  EXPECT_FALSE(std::get<CallbackAnswer::Alarm>(answer.steps[8]).at_ms.has_value());
}

TEST(CallbackAnswerTest, WhatIsWrongIsASentence) {
  const std::pair<std::string, std::string> wrongs[] = {
      {"ok", "not one JSON value"},
      {"[]", "not a JSON object"},
      {R"({"command": []})", "is it to be commands?"},
      {R"({"commands": {}})", "is an array"},
      {R"({"commands": [1]})", "Command 0: It is no object"},
      {R"({"commands": [{"verb": "sned"}]})", "is it to be send?"},
      {R"({"commands": [{"verb": "send", "data": 1}]})", "Say to whom"},
      {R"({"commands": [{"verb": "send", "connection": "7", "data": 1}]})", "none that an event has named"},
      {R"({"commands": [{"verb": "send", "actor": "a/b", "type": "t", "data": 1}]})", "only class signal"},
      {R"({"commands": [{"verb": "publish", "topic": "a", "type": "t", "data": 1}]})", "no verb publish"},
      {R"({"commands": [{"verb": "disconnect", "all": true, "code": 1006}]})", "\"code\" is"},
      {R"({"commands": [{"verb": "put", "key": "", "value": 1}]})", "1 to 128 bytes"},
      {R"({"commands": [{"verb": "put", "key": "k"}]})", "any JSON but null"},
      {R"({"commands": [{"verb": "tag", "connection": ")" + kId + R"(", "tags": [""]}]})", "A tag is"},
      {R"({"commands": [{"verb": "alarm", "at": -1}]})", "milliseconds"},
      {R"({"commands": [{"verb": "alarm", "at": 5, "in": 5}]})", "Say when"},
  };
  for (const auto& [body, sentence] : wrongs) {
    CallbackAnswer answer;
    EXPECT_THAT(ReadCallbackAnswer(body, &answer), HasSubstr(sentence)) << body;
  }
}

}  // namespace
}  // namespace dormouse
