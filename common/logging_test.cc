#include "common/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int64_t kTime = 1'769'862'896'789;  // 2026-01-31T12:34:56.789Z
const ConnectionId kConnection{UuidHigh(1), UuidLow(2)};

LogLine Line(std::string_view message, const LogSubject* subject = nullptr) {
  return {.wall_ms = kTime,
          .level = spdlog::level::warn,
          .process = "statekeeper",
          .source = "a/b.cc:7",
          .message = message,
          .subject = subject};
}

std::string CapturedLine(const std::function<void()>& act) {
  testing::internal::CaptureStderr();
  act();
  return testing::internal::GetCapturedStderr();
}

size_t Count(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(LoggingTest, TextIsForPeople) {
  EXPECT_EQ(LogLineAsText(Line("something is wrong")),
            "2026-01-31T12:34:56.789Z statekeeper warning something is wrong\n");
  const LogSubject subject{
      .lane = 1, .shard = 7, .hub = "echo/attic", .connection = kConnection, .trace = "ab"};
  EXPECT_EQ(LogLineAsText(Line("it fell", &subject)),
            "2026-01-31T12:34:56.789Z statekeeper warning lane 1, shard 7, hub echo/attic, connection " +
                kConnection.ToString() + ", trace ab: it fell\n");
}

TEST(LoggingTest, JsonHasFieldsOfItsOwn) {
  EXPECT_EQ(LogLineAsJson(Line("something is wrong")),
            R"({"time":"2026-01-31T12:34:56.789Z","level":"warning","process":"statekeeper",)"
            R"("message":"something is wrong","source":"a/b.cc:7"})"
            "\n");
  const LogSubject subject{
      .lane = 1, .shard = 7, .hub = "echo/attic", .connection = kConnection, .trace = "ab"};
  EXPECT_EQ(
      LogLineAsJson(Line("it fell", &subject)),
      R"({"time":"2026-01-31T12:34:56.789Z","level":"warning","process":"statekeeper","lane":1,"shard":7,)"
      R"("hub":"echo/attic","connection":")" +
          kConnection.ToString() + R"(","trace":"ab","message":"it fell","source":"a/b.cc:7"})" + "\n");
}

TEST(LoggingTest, ALineIsALineWhateverIsInIt) {
  const std::string hostile = "a\nb\r\x1b[31m\"c\\ \xff";
  EXPECT_THAT(LogLineAsText(Line(hostile)), EndsWith("a\\nb\\x0d\\x1b[31m\"c\\ \xff\n"));
  EXPECT_EQ(Count(LogLineAsText(Line(hostile)), "\n"), 1u);
  EXPECT_THAT(LogLineAsJson(Line(hostile)), HasSubstr(R"("message":"a\nb\r\u001b[31m\"c\\ )"
                                                      "\xef\xbf\xbd\""));
  EXPECT_EQ(Count(LogLineAsJson(Line(hostile)), "\n"), 1u);
}

TEST(LoggingTest, FormatAndLevelChangeWhileTheProcessRuns) {
  InitLogging("test", "warn", "text");
  EXPECT_EQ(CapturedLine([] { SPDLOG_INFO("not said"); }), "");
  EXPECT_THAT(CapturedLine([] { SPDLOG_WARN("said"); }), EndsWith(" test warning said\n"));
  SetLogging("info", "json");
  EXPECT_TRUE(LogIsJson());
  const std::string line = CapturedLine([] {
    const LogAbout about({.hub = "echo/x"});
    SPDLOG_INFO("said {}", 1);
  });
  EXPECT_THAT(line, StartsWith("{\"time\":\"20"));
  EXPECT_THAT(line, HasSubstr("\"process\":\"test\",\"hub\":\"echo/x\",\"message\":\"said 1\",\"source\":"
                              "\"common/logging_test.cc:"));
  SetLogging("info", "text");
}

TEST(LoggingTest, SubjectsNest) {
  InitLogging("test", "info");
  const std::string lines = CapturedLine([] {
    const LogAbout outer({.hub = "echo/outer"});
    {
      const LogAbout inner({.hub = "echo/inner"});
      SPDLOG_INFO("one");
    }
    SPDLOG_INFO("two");
  });
  EXPECT_THAT(lines, HasSubstr("hub echo/inner: one"));
  EXPECT_THAT(lines, HasSubstr("hub echo/outer: two"));
  EXPECT_THAT(CapturedLine([] { SPDLOG_INFO("three"); }), EndsWith("info three\n"));
}

TEST(LoggingTest, OnePlaceDoesNotFillTheLog) {
  InitLogging("test", "debug");
  const uint64_t left_out = CountLogLines().left_out;
  const uint64_t written = CountLogLines().written[spdlog::level::info];
  const std::string lines = CapturedLine([] {
    for (int i = 0; i < 1'000; ++i) SPDLOG_INFO("again and again");
    SPDLOG_INFO("another");
    for (int i = 0; i < 1'000; ++i) SPDLOG_DEBUG("asked for");
  });
  // A second may have ended meanwhile.
  const size_t again = Count(lines, "again and again");
  EXPECT_GE(again, kLogLinesPerSecond);
  EXPECT_LE(again, 2 * kLogLinesPerSecond);
  EXPECT_EQ(Count(lines, "another"), 1u);
  EXPECT_EQ(Count(lines, "asked for"), 1'000u);
  EXPECT_EQ(CountLogLines().left_out - left_out, 1'000 - again);
  EXPECT_EQ(CountLogLines().written[spdlog::level::info] - written, again + 1);
}

TEST(LoggingTest, ALongMessageIsCut) {
  InitLogging("test", "info");
  const std::string line = CapturedLine([] { SPDLOG_INFO("{}", std::string(1 << 20, 'x')); });
  EXPECT_EQ(Count(line, "x"), kMaxLogMessage);
  EXPECT_THAT(line, Not(HasSubstr("more lines")));
}

}  // namespace
}  // namespace dormouse
