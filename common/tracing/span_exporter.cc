#include "common/tracing/span_exporter.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "common/auth/key_file.h"
#include "common/log_limit.h"
#include "common/logging.h"
#include "common/version.h"
#include "proto/otlp_trace.grpc.pb.h"

namespace dormouse {
namespace {

namespace otlp = opentelemetry::proto::collector::trace::v1;
using std::chrono::milliseconds;

constexpr milliseconds kGather{1'000};  // a batch waits so long to grow
constexpr milliseconds kDeadline{5'000};
constexpr milliseconds kFirstPause{1'000};
constexpr milliseconds kLongestPause{30'000};
constexpr milliseconds kFarewell{1'000};
constexpr char kMachinesAuthorities[] = "/etc/ssl/certs/ca-certificates.crt";

void SetAttribute(std::string_view key, const Span::Value& value, otlp::KeyValue* attribute) {
  attribute->set_key(std::string(key));
  if (const auto* number = std::get_if<int64_t>(&value)) {
    attribute->mutable_value()->set_int_value(*number);
  } else {
    attribute->mutable_value()->set_string_value(std::get<std::string>(value));
  }
}

template <size_t size>
std::string Bytes(const std::array<uint8_t, size>& bytes) {
  return {bytes.begin(), bytes.end()};
}

void SetSpan(const Span& span, otlp::Span* out) {
  out->set_trace_id(Bytes(span.trace));
  out->set_span_id(Bytes(span.id));
  if (span.parent != SpanId{}) out->set_parent_span_id(Bytes(span.parent));
  out->set_name(span.name);
  out->set_kind(static_cast<otlp::Span::SpanKind>(span.kind));
  out->set_start_time_unix_nano(static_cast<uint64_t>(span.start_us) * 1000);
  out->set_end_time_unix_nano(static_cast<uint64_t>(span.start_us + span.duration_us) * 1000);
  for (const auto& [key, value] : span.attributes) SetAttribute(key, value, out->add_attributes());
  if (span.error.empty()) return;
  out->mutable_status()->set_code(otlp::Status::STATUS_CODE_ERROR);
  out->mutable_status()->set_message(span.error);
}

std::shared_ptr<grpc::ChannelCredentials> Credentials(bool tls, const std::string& ca, std::string* wrong) {
  if (!tls) {
    if (ca.empty()) return grpc::InsecureChannelCredentials();
    *wrong = "--otlp-ca is for an --otlp-endpoint that begins with https://";
    return nullptr;
  }
  const auto authorities = ReadKeyFile("otlp-ca", ca.empty() ? kMachinesAuthorities : ca, wrong);
  if (!authorities) return nullptr;
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = *authorities;
  return grpc::SslCredentials(options);
}

}  // namespace

// The other end.
class SpanExporter::Collector {
 public:
  Collector(const Target& target, const std::string& address,
            const std::shared_ptr<grpc::ChannelCredentials>& credentials)
      : endpoint_(target.endpoint),
        stub_(otlp::TraceService::NewStub(grpc::CreateChannel(address, credentials))) {
    for (const auto& [key, value] : target.resource) SetAttribute(key, value, resource_.add_attributes());
  }

  Outcome Take(const std::vector<Span>& batch, milliseconds deadline) {
    otlp::ExportTraceServiceRequest request;
    otlp::ResourceSpans* const of = request.add_resource_spans();
    *of->mutable_resource() = resource_;
    otlp::ScopeSpans* const in = of->add_scope_spans();
    in->mutable_scope()->set_name("dormouse");
    in->mutable_scope()->set_version(DORMOUSE_VERSION);
    for (const Span& span : batch) SetSpan(span, in->add_spans());

    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    otlp::ExportTraceServiceResponse response;
    const grpc::Status status = stub_->Export(&context, request, &response);
    if (status.ok()) return Outcome::kTaken;
    Log(status);
    return CanBeTriedAgain(status.error_code()) ? Outcome::kAway : Outcome::kRefused;
  }

 private:
  static bool CanBeTriedAgain(grpc::StatusCode code) {
    switch (code) {
      case grpc::CANCELLED:
      case grpc::DEADLINE_EXCEEDED:
      case grpc::ABORTED:
      case grpc::OUT_OF_RANGE:
      case grpc::UNAVAILABLE:
      case grpc::DATA_LOSS:
      case grpc::RESOURCE_EXHAUSTED:
        return true;
      default:
        return false;
    }
  }

  void Log(const grpc::Status& status) {
    uint64_t left_out = 0;
    if (!limit_.Take(&left_out)) return;
    SPDLOG_WARN("{} takes no spans: {}", endpoint_, status.error_message());
  }

  const std::string endpoint_;
  const std::unique_ptr<otlp::TraceService::Stub> stub_;
  otlp::Resource resource_;
  LogLimit limit_;
};

std::unique_ptr<SpanExporter> SpanExporter::New(Target target, prometheus::Registry* registry,
                                                std::string* wrong) {
  constexpr std::string_view kPlain = "http://";
  constexpr std::string_view kTls = "https://";
  const bool tls = target.endpoint.starts_with(kTls);
  std::string_view address = target.endpoint;
  if (!tls && !address.starts_with(kPlain)) {
    *wrong =
        "--otlp-endpoint must be http://HOST:PORT or https://HOST:PORT (OTLP over gRPC, port 4317 as a rule)";
    return nullptr;
  }
  address.remove_prefix(tls ? kTls.size() : kPlain.size());
  while (address.ends_with('/')) address.remove_suffix(1);
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || address.find('/') != std::string_view::npos ||
      address.find_first_not_of("0123456789", colon + 1) != std::string_view::npos ||
      colon + 1 == address.size()) {
    *wrong =
        "--otlp-endpoint: \"" + target.endpoint + "\" lacks HOST:PORT after http:// or https://, or has more";
    return nullptr;
  }
  const auto credentials = Credentials(tls, target.ca, wrong);
  if (credentials == nullptr) return nullptr;
  auto collector = std::make_unique<Collector>(target, std::string(address), credentials);
  return std::unique_ptr<SpanExporter>(new SpanExporter(std::move(collector), registry));
}

SpanExporter::SpanExporter(std::unique_ptr<Collector> collector, prometheus::Registry* registry)
    : collector_(std::move(collector)),
      sent_(&prometheus::BuildCounter()
                 .Name("dormouse_spans_sent_total")
                 .Help("spans that the collector has taken")
                 .Register(*registry)
                 .Add({})),
      dropped_(&prometheus::BuildCounter()
                    .Name("dormouse_spans_dropped_total")
                    .Help("spans that were not sent: the collector was away, or too slow, or refused them")
                    .Register(*registry)
                    .Add({})),
      thread_([this] { Run(); }) {}

SpanExporter::~SpanExporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SpanExporter::Export(Span span) {
  size_t waiting = 0;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) {
      dropped_->Increment();
      return;
    }
    waiting_.push_back(std::move(span));
    waiting = waiting_.size();
  }
  if (waiting == 1 || waiting == kMaxBatch) changed_.notify_all();
}

void SpanExporter::Run() {
  for (std::vector<Span> batch = NextBatch(); !batch.empty(); batch = NextBatch()) Send(batch);
}

std::vector<Span> SpanExporter::NextBatch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
  changed_.wait_for(lock, kGather, [this] { return stopping_ || waiting_.size() >= kMaxBatch; });
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxBatch));
  std::vector<Span> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

void SpanExporter::Send(const std::vector<Span>& batch) {
  milliseconds pause = kFirstPause;
  while (true) {
    std::unique_lock lock(mutex_);
    const bool last = stopping_;
    lock.unlock();
    const Outcome outcome = collector_->Take(batch, last ? kFarewell : kDeadline);
    if (outcome == Outcome::kTaken) {
      sent_->Increment(static_cast<double>(batch.size()));
      return;
    }
    lock.lock();
    if (outcome == Outcome::kRefused || last) {
      // At the end who is away for one batch is so for all.
      dropped_->Increment(static_cast<double>(batch.size() + (last ? waiting_.size() : 0)));
      if (last) waiting_.clear();
      return;
    }
    changed_.wait_for(lock, pause, [this] { return stopping_; });
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace dormouse
