#include "common/tracing/tracer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "common/free_port.h"
#include "common/temp_dir.h"
#include "common/trace_context.h"
#include "common/tracing/request_span.h"

namespace dormouse {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSampled = "00-" + kTrace + "-00f067aa0ba902b7-01";
const std::string kNotSampled = "00-" + kTrace + "-00f067aa0ba902b7-00";

// A tracer whose collector does not exist.
class TracerTest : public testing::Test {
 protected:
  std::unique_ptr<Tracer> New(double share) {
    return std::make_unique<Tracer>(
        std::make_unique<SpanExporter>(
            SpanExporter::Config{.url = "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces",
                                 .headers = {},
                                 .resource = {},
                                 .batch_ms = 1,
                                 .first_wait_ms = 1},
            metrics_),
        share);
  }
  static std::unique_ptr<OpenSpan> Begin(Tracer* tracer, const std::string& traceparent) {
    return tracer->Begin("span", Span::Kind::kServer, traceparent);
  }

  prometheus::Registry registry_;
  SpanMetrics metrics_{&registry_};
  const int port_ = FreePort();
};

TEST_F(TracerTest, WhoComesWithATraceHasDecided) {
  const auto always = New(1);
  EXPECT_EQ(Begin(always.get(), kNotSampled), nullptr);
  EXPECT_EQ(always->Continue("span", Span::Kind::kServer, kNotSampled), nullptr);
  const auto never = New(0);
  const auto span = Begin(never.get(), kSampled);
  ASSERT_NE(span, nullptr);
  const std::string traceparent = span->traceparent();
  const auto context = TraceContext::Parse(traceparent);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, kTrace);
  EXPECT_NE(context->parent_id, "00f067aa0ba902b7");
  EXPECT_TRUE(context->sampled);
}

TEST_F(TracerTest, OfThoseWithoutOneAShareBeginsOne) {
  for (const std::string& without : {std::string(), std::string("what")}) {
    const auto never = New(0);
    EXPECT_EQ(Begin(never.get(), without), nullptr);
    EXPECT_EQ(never->Continue("span", Span::Kind::kServer, without), nullptr);
    const auto always = New(1);
    for (int i = 0; i < 1'000; ++i) ASSERT_NE(Begin(always.get(), without), nullptr);
    EXPECT_EQ(always->Continue("span", Span::Kind::kServer, without), nullptr) << "only the edge begins one";
  }
  const auto some = New(0.25);
  int traced = 0;
  for (int i = 0; i < 4'000; ++i) traced += Begin(some.get(), "") != nullptr ? 1 : 0;
  EXPECT_NEAR(traced, 1'000, 200);
  some->set_share(0);
  EXPECT_EQ(Begin(some.get(), ""), nullptr);
}

TEST_F(TracerTest, WhatFindsTheQueueFullIsDroppedAndCountedAndNobodyWaits) {
  {
    const auto tracer = New(1);
    const auto begin = std::chrono::steady_clock::now();
    // While the exporter tries its first batch in vain.
    for (size_t i = 0; i < 4 * SpanExporter::kMostWaiting; ++i) Begin(tracer.get(), "")->End();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_GT(metrics_.dropped_full.Value(), 0);
  }
  // At its end it knows of each what has become of it.
  EXPECT_EQ(metrics_.exported.Value(), 0);
  EXPECT_EQ(metrics_.dropped_full.Value() + metrics_.dropped_away.Value(), 4.0 * SpanExporter::kMostWaiting);
}

TEST_F(TracerTest, WhatIsDoneForARequestBelongsToItsSpan) {
  const std::string head =
      "GET / HTTP/1.1\r\nHost: a\r\nTraceParent: "
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX: y\r\n\r\n";
  HttpRequest request;
  HttpReply refusal;
  ASSERT_TRUE(ParseHttpRequest(head, &request, &refusal));
  const auto tracer = New(0);
  RequestSpan traced(tracer.get(), "request", request);
  const std::string told(traced.request().Header(kTraceParent).value_or(""));
  const std::unique_ptr<OpenSpan> span = traced.Take();
  ASSERT_NE(span, nullptr);
  EXPECT_EQ(told, span->traceparent());
  EXPECT_EQ(told.substr(0, 36), "00-4bf92f3577b34da6a3ce929d0e0e4736-");
  EXPECT_NE(told.substr(36, 16), "00f067aa0ba902b7");
  EXPECT_EQ(traced.request().Header("x"), "y");
  EXPECT_EQ(traced.request().headers.size(), request.headers.size());
  for (Tracer* const none : {static_cast<Tracer*>(nullptr), tracer.get()}) {
    HttpRequest without = request;
    std::erase_if(without.headers,
                  [](const auto& header) { return EqualsIgnoringCase(header.first, kTraceParent); });
    RequestSpan untraced(none, "request", without);
    untraced.OnHub("test/a");
    untraced.End(500, "failed");
    EXPECT_EQ(&untraced.request(), &without);
    EXPECT_EQ(untraced.Take(), nullptr);
  }
}

class TracerOptionsTest : public testing::Test {
 protected:
  std::string WhatIsWrongWith(const std::string& headers) {
    const std::string path = dir_.path() + "/headers";
    std::ofstream(path) << headers;
    chmod(path.c_str(), S_IRUSR | S_IWUSR);
    Options options;
    options.otlp_endpoint = "http://127.0.0.1:1";
    options.otlp_headers_file = path;
    std::string wrong;
    prometheus::Registry registry;
    const auto tracer = NewTracer(options, "test", "1", &registry, &wrong);
    EXPECT_EQ(tracer == nullptr, !wrong.empty());
    return wrong;
  }
  TempDir dir_;
};

TEST_F(TracerOptionsTest, HeadersForTheCollectorAreRead) {
  EXPECT_EQ(WhatIsWrongWith("Authorization: Bearer x:y\n\n# a remark\r\nX-Scope-OrgID: 7\r\n"), "");
  for (const char* const broken : {"Authorization\n", "a b: c\n", ": x\n", "ok: 1\nx: a\x01\n"}) {
    const std::string wrong = WhatIsWrongWith(broken);
    EXPECT_NE(wrong.find("--otlp-headers-file"), std::string::npos) << broken;
    EXPECT_EQ(wrong.find("Bearer x"), std::string::npos);
  }
}

TEST_F(TracerOptionsTest, WithoutACollectorNothingIsTraced) {
  std::string wrong;
  prometheus::Registry registry;
  EXPECT_EQ(NewTracer(Options(), "test", "1", &registry, &wrong), nullptr);
  EXPECT_EQ(wrong, "");
}

}  // namespace
}  // namespace dormouse
