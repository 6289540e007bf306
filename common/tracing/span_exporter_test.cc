#include "common/tracing/span_exporter.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <fstream>
#include <sstream>

#include "common/auth/testing/certificates.h"
#include "proto/otlp_trace.grpc.pb.h"

namespace dormouse {
namespace {

namespace otlp = opentelemetry::proto::collector::trace::v1;
using testing::HasSubstr;
using testing::SizeIs;

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A collector that answers as it is told to.
class FakeCollector final : public otlp::TraceService::Service {
 public:
  explicit FakeCollector(
      const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeCollector() override { server_->Shutdown(std::chrono::system_clock::now()); }

  int port() const { return port_; }

  // The next request is answered so instead of being taken.
  void RefuseOnce(grpc::StatusCode code) {
    const std::lock_guard lock(mutex_);
    refusals_.emplace_back(code, "not now");
  }
  // Waits until so many requests have been answered.
  std::vector<otlp::ExportTraceServiceRequest> Await(size_t requests) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests_.size() >= requests; });
    return requests_;
  }

  grpc::Status Export(grpc::ServerContext* /*context*/, const otlp::ExportTraceServiceRequest* request,
                      otlp::ExportTraceServiceResponse* /*response*/) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(*request);
    changed_.notify_all();
    if (refusals_.empty()) return grpc::Status::OK;
    const grpc::Status refusal = refusals_.front();
    refusals_.pop_front();
    return refusal;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<otlp::ExportTraceServiceRequest> requests_;
  std::deque<grpc::Status> refusals_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class SpanExporterTest : public testing::Test {
 protected:
  std::unique_ptr<SpanExporter> New(const std::string& endpoint, const std::string& ca = "") {
    return SpanExporter::New(
        {.endpoint = endpoint, .ca = ca, .resource = {{"service.name", "dormouse-test"}}}, &registry_,
        &wrong_);
  }

  double Count(const std::string& name) {
    for (const auto& family : registry_.Collect()) {
      if (family.name == name) return family.metric.at(0).counter.value;
    }
    return -1;
  }

  static Span NewSpan(const std::string& name) {
    return {
        .trace = NewTraceId(), .id = NewSpanId(), .name = name, .start_us = 1'000'000, .duration_us = 250};
  }

  prometheus::Registry registry_;
  std::string wrong_;
};

TEST_F(SpanExporterTest, SendsWhatASpanSays) {
  FakeCollector collector;
  auto exporter = New("http://127.0.0.1:" + std::to_string(collector.port()));
  ASSERT_NE(exporter, nullptr) << wrong_;
  Span span = NewSpan("open");
  span.parent = NewSpanId();
  span.kind = Span::Kind::kServer;
  span.attributes = {{"dormouse.hub", "echo/attic"}, {"http.response.status_code", int64_t{101}}};
  span.error = "it broke";
  exporter->Export(span);

  const auto requests = collector.Await(1);
  const otlp::ResourceSpans& of = requests.at(0).resource_spans(0);
  EXPECT_EQ(of.resource().attributes(0).key(), "service.name");
  EXPECT_EQ(of.resource().attributes(0).value().string_value(), "dormouse-test");
  const otlp::Span& sent = of.scope_spans(0).spans(0);
  EXPECT_EQ(sent.trace_id(), std::string(span.trace.begin(), span.trace.end()));
  EXPECT_EQ(sent.span_id(), std::string(span.id.begin(), span.id.end()));
  EXPECT_EQ(sent.parent_span_id(), std::string(span.parent.begin(), span.parent.end()));
  EXPECT_EQ(sent.name(), "open");
  EXPECT_EQ(sent.kind(), otlp::Span::SPAN_KIND_SERVER);
  EXPECT_EQ(sent.start_time_unix_nano(), 1'000'000'000u);
  EXPECT_EQ(sent.end_time_unix_nano(), 1'000'250'000u);
  EXPECT_EQ(sent.attributes(1).value().int_value(), 101);
  EXPECT_EQ(sent.status().code(), otlp::Status::STATUS_CODE_ERROR);
  EXPECT_EQ(sent.status().message(), "it broke");
  exporter.reset();
  EXPECT_EQ(Count("dormouse_spans_sent_total"), 1);
  EXPECT_EQ(Count("dormouse_spans_dropped_total"), 0);
}

TEST_F(SpanExporterTest, GathersSpansIntoBatchesOfABound) {
  FakeCollector collector;
  auto exporter = New("http://127.0.0.1:" + std::to_string(collector.port()));
  for (size_t i = 0; i < SpanExporter::kMaxBatch + 1; ++i) exporter->Export(NewSpan("event"));
  exporter.reset();
  size_t spans = 0;
  for (const auto& request : collector.Await(1)) {
    const int size = request.resource_spans(0).scope_spans(0).spans_size();
    EXPECT_LE(size, static_cast<int>(SpanExporter::kMaxBatch));
    spans += static_cast<size_t>(size);
  }
  EXPECT_EQ(spans, SpanExporter::kMaxBatch + 1);
}

TEST_F(SpanExporterTest, TriesAgainWhatWasNotTakenForNow) {
  FakeCollector collector;
  collector.RefuseOnce(grpc::UNAVAILABLE);
  auto exporter = New("http://127.0.0.1:" + std::to_string(collector.port()));
  exporter->Export(NewSpan("open"));
  const auto requests = collector.Await(2);
  EXPECT_EQ(requests.at(0).SerializeAsString(), requests.at(1).SerializeAsString());
  exporter.reset();
  EXPECT_EQ(Count("dormouse_spans_sent_total"), 1);
  EXPECT_EQ(Count("dormouse_spans_dropped_total"), 0);
}

TEST_F(SpanExporterTest, DropsWhatIsRefused) {
  FakeCollector collector;
  collector.RefuseOnce(grpc::INVALID_ARGUMENT);
  auto exporter = New("http://127.0.0.1:" + std::to_string(collector.port()));
  exporter->Export(NewSpan("refused"));
  collector.Await(1);
  exporter->Export(NewSpan("taken"));
  const auto requests = collector.Await(2);
  EXPECT_EQ(requests.at(1).resource_spans(0).scope_spans(0).spans(0).name(), "taken");
  exporter.reset();
  EXPECT_EQ(Count("dormouse_spans_sent_total"), 1);
  EXPECT_EQ(Count("dormouse_spans_dropped_total"), 1);
}

TEST_F(SpanExporterTest, DropsWhatDoesNotFitWhileNobodyTakesThem) {
  auto exporter = New("http://127.0.0.1:1");
  const size_t spans = SpanExporter::kMaxWaiting + SpanExporter::kMaxBatch + 10;
  for (size_t i = 0; i < spans; ++i) exporter->Export(NewSpan("event"));
  EXPECT_GE(Count("dormouse_spans_dropped_total"), 10);
  exporter.reset();
  EXPECT_EQ(Count("dormouse_spans_dropped_total"), static_cast<double>(spans));
  EXPECT_EQ(Count("dormouse_spans_sent_total"), 0);
}

TEST_F(SpanExporterTest, SpeaksTlsToWhomTheAuthorityNames) {
  TestAuthority authority;
  const CertificateFiles files = authority.Certify("collector", "IP:127.0.0.1");
  grpc::SslServerCredentialsOptions options;
  options.pem_key_cert_pairs.push_back({Contents(files.key), Contents(files.certificate)});
  FakeCollector collector(grpc::SslServerCredentials(options));
  const std::string endpoint = "https://127.0.0.1:" + std::to_string(collector.port());

  TestAuthority stranger("Another authority");
  auto deceived = New(endpoint, stranger.file());
  ASSERT_NE(deceived, nullptr) << wrong_;
  deceived->Export(NewSpan("open"));
  deceived.reset();
  EXPECT_EQ(Count("dormouse_spans_sent_total"), 0);

  auto exporter = New(endpoint, authority.file());
  ASSERT_NE(exporter, nullptr) << wrong_;
  exporter->Export(NewSpan("open"));
  EXPECT_THAT(collector.Await(1), SizeIs(1));
}

TEST_F(SpanExporterTest, SaysWhatIsWrongWithAnAddress) {
  for (const char* endpoint : {"", "collector:4317", "http://collector", "http://:4317",
                               "http://collector:", "http://collector:4317/v1/traces", "ftp://collector:4317",
                               "https://collector:x"}) {
    wrong_.clear();
    EXPECT_EQ(New(endpoint), nullptr) << endpoint;
    EXPECT_THAT(wrong_, HasSubstr("--otlp-endpoint")) << endpoint;
  }
  EXPECT_EQ(New("https://collector:4317", "/nowhere/ca.pem"), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("--otlp-ca"));
  EXPECT_EQ(New("http://collector:4317", "/nowhere/ca.pem"), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("--otlp-ca"));
}

}  // namespace
}  // namespace dormouse
