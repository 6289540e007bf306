#include "common/tracing/otlp.h"

#include <gtest/gtest.h>

#include "common/json/json_reader.h"
#include "common/version.h"

namespace dormouse {
namespace {

Span Example() {
  return {.name = "hub \"message\"",
          .kind = Span::Kind::kConsumer,
          .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
          .id = "00f067aa0ba902b7",
          .parent_id = "53995c3f42cd8ad8",
          .start_ns = 1'700'000'000'123'456'789,
          .end_ns = 1'700'000'000'123'999'999,
          .attributes = {{"dormouse.hub.name", std::string("at\"tic")}, {"dormouse.wait_ms", int64_t{3}}},
          .error = {}};
}

TEST(OtlpTest, WritesWhatTheSpecificationSays) {
  const std::string json = OtlpRequest({{"service.name", std::string("dormouse-gateway")}}, {Example()});
  EXPECT_TRUE(IsValidJson(json));
  EXPECT_EQ(json,
            R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":)"
            R"("dormouse-gateway"}}]},"scopeSpans":[{"scope":{"name":"dormouse","version":")" DORMOUSE_VERSION
            R"("},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7",)"
            R"("parentSpanId":"53995c3f42cd8ad8","name":"hub \"message\"","kind":5,)"
            R"("startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000123999999",)"
            R"("attributes":[{"key":"dormouse.hub.name","value":{"stringValue":"at\"tic"}},)"
            R"({"key":"dormouse.wait_ms","value":{"intValue":"3"}}]}]}]}]})");
}

TEST(OtlpTest, ASpanThatHasFailedSaysWhyAndTheFirstOfATraceHasNoParent) {
  Span span = Example();
  span.parent_id.clear();
  span.error = "It was taken back";
  const std::string json = OtlpRequest({}, {span, Example()});
  EXPECT_TRUE(IsValidJson(json));
  EXPECT_NE(json.find(R"("spanId":"00f067aa0ba902b7","name")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("status":{"code":2,"message":"It was taken back"}},{"traceId")"), std::string::npos)
      << json;
}

TEST(OtlpTest, ReadsWhatACollectorHasNotTaken) {
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":"7","errorMessage":"too old"}})"), 7u);
  EXPECT_EQ(RejectedSpans(R"({"partialSuccess":{"rejectedSpans":7}})"), 7u);
  for (const char* const nothing :
       {"", "{}", "[]", "no JSON", R"({"partialSuccess":{}})",
        R"({"partialSuccess":{"rejectedSpans":"many"}})", R"({"partialSuccess":null})"})
    EXPECT_EQ(RejectedSpans(nothing), 0u) << nothing;
}

TEST(OtlpTest, OnlyWhatThePassingOfTimeMayMendIsTriedAgain) {
  for (const long status : {429, 502, 503, 504}) EXPECT_TRUE(IsRetryableOtlpStatus(status)) << status;
  for (const long status : {200, 301, 400, 401, 404, 413, 500, 501})
    EXPECT_FALSE(IsRetryableOtlpStatus(status));
}

TEST(OtlpTest, ReadsHowLongToWait) {
  EXPECT_EQ(RetryAfterSeconds("3", 30), 3);
  EXPECT_EQ(RetryAfterSeconds("3600", 30), 30);
  EXPECT_EQ(RetryAfterSeconds("99999999999999999999999", 30), 30);
  for (const char* const none : {"", "-1", "3s", "Fri, 31 Dec 1999 23:59:59 GMT"})
    EXPECT_EQ(RetryAfterSeconds(none, 30), std::nullopt) << none;
}

}  // namespace
}  // namespace dormouse
