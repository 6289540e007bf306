#include "clients/load/report/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "clients/load/report/numbers.h"
#include "clients/load/report/plot.h"
#include "common/json/json_reader.h"

namespace dormouse::load {
namespace {

using testing::HasSubstr;
using testing::Not;

Result SomeResult() {
  Result result;
  result.scenario = "echo";
  result.command = "dormouse-load echo --path '/<x>&\"'";
  result.about = "2 connections";
  result.figures = {{"rate", 12345.6, "replies/s"},
                    {"strange", std::numeric_limits<double>::quiet_NaN(), ""}};
  result.distributions.push_back({"latency", "from here to there", {}});
  for (int64_t i = 1; i <= 10'000; ++i) result.distributions[0].histogram.Record(i * 1000);
  result.distributions.push_back({"nothing", "of which there is none", {}});
  result.processes = {"gateway", "driver"};
  for (int i = 1; i <= 1000; ++i) {
    result.samples.push_back({.at = i / 4.0,
                              .ready = 2,
                              .rate = 100.0 + i,
                              .p50_ms = 1,
                              .p99_ms = 2,
                              .longest_ms = 3,
                              .cores = {i < 500 ? 0.5 : std::numeric_limits<double>::quiet_NaN(), 0.1},
                              .mebibytes = {20, 5}});
  }
  result.marks = {{100, "kill <it>"}};
  result.faults = {{"wrong", 0}, {"missing", 0}};
  return result;
}

TEST(ResultTest, TextTellsFiguresAndPercentiles) {
  const std::string text = ToText(SomeResult());
  EXPECT_THAT(text, HasSubstr("rate                        12,346 replies/s\n"));
  EXPECT_THAT(text,
              HasSubstr("p50 5.00 ms  p90 9.00 ms  p99 9.90 ms  p99.9 9.99 ms  p99.99 10 ms  max 10 ms\n"));
  EXPECT_THAT(text, Not(HasSubstr("nothing")));
  EXPECT_TRUE(text.ends_with("all as it should be\n"));
}

TEST(ResultTest, FaultsAreTold) {
  Result result = SomeResult();
  result.faults = {{"wrong", 2}, {"missing", 0}};
  result.words = {"wrong: <script>alert(1)</script>"};
  EXPECT_TRUE(ToText(result).ends_with("wrong: <script>alert(1)</script>\nnot as it should be: wrong 2\n"));
  EXPECT_THAT(ToJson(result), HasSubstr(R"("kept":false)"));
  const std::string page = ToHtml(result);
  EXPECT_THAT(page, HasSubstr("wrong 2"));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST(ResultTest, JsonIsValidAndHasTheBuckets) {
  const std::string json = ToJson(SomeResult());
  ASSERT_TRUE(IsValidJson(json));
  const JsonObject distribution(JsonObject(JsonObject(json).Find("distributions")).Find("latency"));
  EXPECT_EQ(distribution.Find("count"), "10000");
  EXPECT_EQ(distribution.Find("max_ms"), "10");
  double sum = 0;
  const auto buckets = JsonElements(distribution.Find("buckets"));
  for (const JsonSlice bucket : *buckets) sum += *JsonNumber((*JsonElements(bucket))[1]);
  EXPECT_EQ(sum, 10'000);
  EXPECT_EQ(JsonObject(JsonObject(JsonObject(json).Find("figures")).Find("strange")).Find("value"), "null");
}

TEST(ResultTest, ThePageIsOneFileForEveryScreenAndForPaper) {
  const std::string page = ToHtml(SomeResult());
  for (const char* other : {"http:", "https:", "src=", "@import", "<link"})
    EXPECT_THAT(page, Not(HasSubstr(other)));
  for (const char* there :
       {"prefers-color-scheme: dark", "@media print", "width=device-width", "Latency by share of all",
        "Answers and deliveries", "Processor", "Memory", "kill &lt;it&gt;", "/&lt;x&gt;&amp;&quot;"}) {
    EXPECT_THAT(page, HasSubstr(there));
  }
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_LT(page.size(), 200'000U);
}

TEST(PlotTest, ALineHasAGapWhereThereIsNoNumber) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const Plot plot{.title = "t", .unit = "u", .lines = {{"a", {{0, 1}, {1, 2}, {2, none}, {3, 1}, {4, 2}}}}};
  const std::string html = plot.ToHtml();
  const size_t path = html.find("<path");
  const std::string drawn = html.substr(path, html.find("/>", path) - path);
  EXPECT_EQ(std::ranges::count(drawn, 'M'), 2);
  EXPECT_EQ(std::ranges::count(drawn, 'L'), 2);
}

TEST(PlotTest, WithoutNumbersThereIsNone) {
  EXPECT_EQ((Plot{.title = "t", .unit = "u", .logarithmic = true, .lines = {{"a", {{0, 0}}}}}.ToHtml()), "");
}

TEST(NumbersTest, AreReadable) {
  EXPECT_EQ(Readable(0), "0");
  EXPECT_EQ(Readable(0.3124), "0.312");
  EXPECT_EQ(Readable(24.66), "24.7");
  EXPECT_EQ(Readable(999.6), "1,000");
  EXPECT_EQ(Readable(-1234567), "-1,234,567");
  EXPECT_EQ(ReadableTime(31'000), "31 us");
  EXPECT_EQ(ReadableTime(312'400), "0.312 ms");
  EXPECT_EQ(ReadableTime(4.25e9), "4.25 s");
  EXPECT_EQ(Exact(std::numeric_limits<double>::infinity()), "null");
}

}  // namespace
}  // namespace dormouse::load
