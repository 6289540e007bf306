// What each class's frames are taken for.
#include "clients/load/talk/talk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "clients/load/talk/echo_talk.h"
#include "clients/load/talk/raw_talk.h"
#include "clients/load/talk/script_talk.h"
#include "clients/load/talk/signal_talk.h"

namespace dormouse::load {
namespace {

using What = Heard::What;

constexpr uint32_t kFirst = 100;  // connections of other workers come before
constexpr char kId[] = "3f0c6c0e-6d5b-4a55-9f3e-0f6d1b8f3c52";
constexpr char kOther[] = "3f0c6c0e-6d5b-4a55-9f3e-0f6d1b8f3c53";

class FakeVoice : public Voice {
 public:
  void Say(uint32_t, std::string_view text) override { said.emplace_back(text); }
  void Remind(uint32_t connection, Nanos) override { reminded.push_back(connection); }

  std::vector<std::string> said;
  std::vector<uint32_t> reminded;
};

class EchoTalkTest : public testing::Test {
 protected:
  EchoTalkTest() {
    talk_.Begin(1);
    EXPECT_EQ(talk_.OnFrame(1, Frame("welcome", "hi")).what, What::kReady);
    talk_.Ask(1, 5);
    said_ = voice_.said.back().substr(29, 29);
  }

  static std::string Frame(const std::string& type, const std::string& message, const char* id = kId) {
    return R"({"type":")" + type + R"(","message":")" + message + R"(","timestamp":"now","connectionId":")" +
           id + "\"}";
  }

  FakeVoice voice_;
  EchoTalk talk_{&voice_, kFirst, 2, 60};
  std::string said_;
};

TEST_F(EchoTalkTest, ARequestHasTheSizeThatIsAskedFor) {
  EXPECT_EQ(voice_.said.back().size(), 60U);
  EXPECT_EQ(said_, "00000005 00000065 xxxxxxxxxxx");
}

TEST_F(EchoTalkTest, AReplySaysWhatWasSaidOnThisConnection) {
  const Heard heard = talk_.OnFrame(1, Frame("echo", said_));
  EXPECT_EQ(heard.what, What::kReply);
  EXPECT_EQ(heard.number, 5U);
  EXPECT_EQ(talk_.OnFrame(1, Frame("echo", said_ + "x")).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, Frame("echo", "00000005 00000066 xxxxxxxxxxx")).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, Frame("echo", "0000000g 00000065 xxxxxxxxxxx")).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, Frame("echo", said_, kOther)).what, What::kWrong);
}

TEST_F(EchoTalkTest, AnyJsonWithTheSameMeaningWillDo) {
  const std::string frame =
      R"({ "connectionId": ")" + std::string(kId) + R"(", "message": ")" + said_ + R"(", "type": "echo" })";
  EXPECT_EQ(talk_.OnFrame(1, frame).what, What::kReply);
}

TEST_F(EchoTalkTest, OtherFrames) {
  EXPECT_EQ(talk_.OnFrame(1, Frame("heartbeat_ack", "")).what, What::kBeat);
  EXPECT_EQ(talk_.OnFrame(1, Frame("heartbeat_ack", "", kOther)).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, Frame("welcome", "hi")).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, R"({"type":"error","code":"rate_limited"})").what, What::kRefused);
  EXPECT_EQ(talk_.OnFrame(1, "nonsense").what, What::kWrong);
  EXPECT_THAT(talk_.trouble(), testing::HasSubstr("nonsense"));
}

TEST(RawTalkTest, AReplyIsTheRequest) {
  FakeVoice voice;
  RawTalk talk(&voice, kFirst, 60);
  EXPECT_EQ(talk.Begin(0).what, What::kReady);
  talk.Ask(0, 7);
  EXPECT_EQ(talk.OnFrame(0, voice.said.back()).number, 7U);
  EXPECT_EQ(talk.OnFrame(1, voice.said.back()).what, What::kWrong);
  EXPECT_EQ(talk.OnFrame(0, voice.said.back().substr(1)).what, What::kWrong);
}

class SignalTalkTest : public testing::Test {
 protected:
  // As the hub forwards it.
  static std::string Forwarded(const std::string& sent, const std::string& from, const std::string& to) {
    const size_t at = sent.find(R"("data":)") + 7;
    return R"({"id":"m","from":")" + from + R"(","to":")" + to + R"(","type":"load","payload":)" +
           sent.substr(at, sent.size() - at - 2) + R"(,"correlationId":null,"metadata":{"forwarded":true}})";
  }
  static std::string Answer(const std::string& type, const std::string& id, const std::string& payload) {
    return R"({"type":")" + type + R"(","correlationId":")" + id + R"(","payload":)" + payload + "}";
  }

  const std::vector<std::string> tokens_;
  FakeVoice voice_;
  SignalTalk talk_{&voice_, {.first = kFirst, .count = 2, .tokens = &tokens_, .topic = "t", .resume = true}};
};

TEST_F(SignalTalkTest, ConnectsRegistersAndSubscribes) {
  talk_.Begin(0);
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:connected", "c", R"({"resumed":false,"resumeToken":"x"})")).what,
            What::kNothing);
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:registered", "r", "{}")).what, What::kNothing);
  const Heard ready = talk_.OnFrame(0, Answer("hub:subscribed", "s", "{}"));
  EXPECT_EQ(ready.what, What::kReady);
  EXPECT_EQ(ready.number, 0U);
  ASSERT_EQ(voice_.said.size(), 3U);
  EXPECT_THAT(voice_.said[1], testing::HasSubstr(R"("actorAddress":"load/100")"));
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:subscribed", "s", "{}")).what, What::kWrong);

  talk_.Begin(0);
  EXPECT_THAT(voice_.said.back(), testing::HasSubstr(R"("resumeToken":"x")"));
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:connected", "c", R"({"resumed":true,"resumeToken":"y"})")).number,
            1U);
}

TEST_F(SignalTalkTest, WhatItSendsToItselfIsItsReply) {
  talk_.Ask(1, 9);
  const Heard heard = talk_.OnFrame(1, Forwarded(voice_.said.back(), "load/101", "load/101"));
  EXPECT_EQ(heard.what, What::kReply);
  EXPECT_EQ(heard.number, 9U);
}

TEST_F(SignalTalkTest, AMessageHasToBeForThisOneAndAsItWasSent) {
  talk_.Send(0, kFirst + 1, 3, 12345, true);
  const std::string sent = voice_.said.back();
  const Heard heard = talk_.OnFrame(1, Forwarded(sent, "load/100", "load/101"));
  EXPECT_EQ(heard.what, What::kMessage);
  EXPECT_EQ(heard.number, kFirst);
  EXPECT_EQ(talk_.message().number, 3U);
  EXPECT_EQ(talk_.message().sent_at, 12345);
  EXPECT_EQ(talk_.OnFrame(1, Forwarded(sent, "load/100", "load/100")).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(1, Forwarded(sent, "somebody", "load/101")).what, What::kWrong);
  std::string changed = Forwarded(sent, "load/100", "load/101");
  changed.replace(changed.find("xx"), 2, "xy");
  EXPECT_EQ(talk_.OnFrame(1, changed).what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:delivery_ack", "q3", "{}")).what, What::kReceipt);
}

TEST_F(SignalTalkTest, Refusals) {
  talk_.Begin(0);
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:error", "c", R"({"code":"timeout"})")).what, What::kNotYet);
  EXPECT_EQ(talk_.OnFrame(0, Answer("hub:error", "c", R"({"code":"unauthorized","message":"no"})")).what,
            What::kRefused);
  EXPECT_EQ(talk_.trouble(), "unauthorized no");
}

class ScriptTalkTest : public testing::Test {
 protected:
  FakeVoice voice_;
  ScriptTalk talk_{
      &voice_,
      std::make_shared<Script>(Script::Parse("expect hi\nwait 5\nignore beat\nloop\nsend say {i} {n}\n"
                                             "expect one {n}\nexpect two {n}\n")),
      kFirst, 1};
};

TEST_F(ScriptTalkTest, PlaysItsGreetingAndThenRequestAfterRequest) {
  EXPECT_EQ(talk_.Begin(0).what, What::kNothing);
  EXPECT_EQ(talk_.OnFrame(0, "hi").what, What::kNothing);
  ASSERT_EQ(voice_.reminded.size(), 1U);
  EXPECT_EQ(talk_.OnTime(0).what, What::kReady);
  talk_.Ask(0, 0);
  talk_.Ask(0, 1);  // has to wait
  EXPECT_THAT(voice_.said, testing::ElementsAre("say 100 0"));
  EXPECT_EQ(talk_.OnFrame(0, "one 0").what, What::kNothing);
  EXPECT_EQ(talk_.OnFrame(0, "beat").what, What::kNothing);
  const Heard heard = talk_.OnFrame(0, "two 0");
  EXPECT_EQ(heard.what, What::kReply);
  EXPECT_EQ(heard.number, 0U);
  EXPECT_THAT(voice_.said, testing::ElementsAre("say 100 0", "say 100 1"));
  // The same once more is the last one's.
  EXPECT_EQ(talk_.OnFrame(0, "two 0").number, 0U);
  EXPECT_EQ(talk_.OnFrame(0, "two 1").what, What::kWrong);
  EXPECT_EQ(talk_.OnFrame(0, "one 1").what, What::kNothing);
  EXPECT_EQ(talk_.OnFrame(0, "two 1").number, 1U);
}

TEST_F(ScriptTalkTest, ANewSocketBeginsAnew) {
  talk_.Begin(0);
  talk_.OnFrame(0, "hi");
  talk_.OnTime(0);
  talk_.Ask(0, 0);
  talk_.Begin(0);
  EXPECT_EQ(talk_.OnFrame(0, "one 0").what, What::kWrong);
  talk_.OnFrame(0, "hi");
  EXPECT_EQ(talk_.OnTime(0).what, What::kReady);
  talk_.Ask(0, 1);
  EXPECT_EQ(voice_.said.back(), "say 100 1");
}

}  // namespace
}  // namespace dormouse::load
