#include "common/tracing/tracer.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "common/auth/key_file.h"
#include "common/http/http_fields.h"
#include "common/ids.h"
#include "common/shard.h"
#include "common/trace_context.h"
#include "common/version.h"

namespace dormouse {
namespace {

constexpr std::string_view kHeadersOption = "otlp-headers-file";

std::string NewId(int digits) {
  std::string id;
  do {
    id = fmt::format("{:016x}", Random64());
    if (digits > 16) id += fmt::format("{:016x}", Random64());
  } while (id.find_first_not_of('0') == std::string::npos);
  return id;
}

// Lines NAME: VALUE. nullopt: `*wrong` is a sentence.
std::optional<std::vector<std::string>> ReadHeaders(const std::string& path, std::string* wrong) {
  const std::string option(kHeadersOption);
  const auto text = ReadSecretFile(option, path, wrong);
  if (!text.has_value()) return std::nullopt;
  std::vector<std::string> headers;
  std::string_view rest = *text;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = TakeUntil("\n", &rest);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (TrimBlanks(line).empty() || line.starts_with('#')) continue;
    std::string_view value = line;
    const std::string_view name = TakeUntil(":", &value);
    if (name.size() == line.size() || !IsHttpToken(name) || !IsFieldContent(value)) {
      *wrong = KeyFileSentence(
          option, path,
          fmt::format(
              "has no header in line {}: write NAME: VALUE, one a line, such as Authorization: Bearer TOKEN",
              number));
      return std::nullopt;
    }
    headers.push_back(fmt::format("{}: {}", name, TrimBlanks(value)));
  }
  return headers;
}

}  // namespace

OpenSpan::~OpenSpan() {
  if (exporter_ == nullptr) return;
  if (span_.error.empty()) Fail("It did not come to its end, and does not count");
  End();
}

std::string OpenSpan::traceparent() const { return fmt::format("00-{}-{}-01", span_.trace_id, span_.id); }

void OpenSpan::Set(std::string_view key, std::string value) {
  span_.attributes.push_back({std::string(key), std::move(value)});
}

void OpenSpan::Set(std::string_view key, int64_t value) {
  span_.attributes.push_back({std::string(key), value});
}

void OpenSpan::SetHub(std::string_view hub) {
  Set(kHubClassAttribute, std::string(HubClassOf(hub)));
  Set(kHubNameAttribute, std::string(HubNameOf(hub)));
}

void OpenSpan::AddPart(std::string_view name, int64_t start_ns, int64_t end_ns) {
  if (exporter_ == nullptr) return;
  span_.start_ns = std::min(span_.start_ns, start_ns);
  exporter_->Export({.name = std::string(name),
                     .trace_id = span_.trace_id,
                     .id = NewId(16),
                     .parent_id = span_.id,
                     .start_ns = start_ns,
                     .end_ns = end_ns,
                     .attributes = {},
                     .error = {}});
}

void OpenSpan::End() {
  SpanExporter* const exporter = std::exchange(exporter_, nullptr);
  if (exporter == nullptr) return;
  span_.end_ns = SpanClockNs();
  exporter->Export(std::move(span_));
}

void OpenSpan::EndAnswered(int status, std::string_view failure) {
  Set(kStatusAttribute, status);
  if (status >= 500) Fail(failure);
  End();
}

Tracer::Tracer(std::unique_ptr<SpanExporter> exporter, double share)
    : exporter_(std::move(exporter)), below_(0) {
  set_share(share);
}

void Tracer::set_share(double share) {
  below_ = share >= 1 ? std::numeric_limits<uint64_t>::max() : static_cast<uint64_t>(std::ldexp(share, 64));
}

std::unique_ptr<OpenSpan> Tracer::Begin(std::string_view name, Span::Kind kind,
                                        std::string_view traceparent) {
  if (TraceContext::Parse(traceparent)) return Continue(name, kind, traceparent);
  const uint64_t below = below_;
  if (below == 0 || (below != std::numeric_limits<uint64_t>::max() && Random64() >= below)) return nullptr;
  return Open(name, kind, NewId(32), "");
}

std::unique_ptr<OpenSpan> Tracer::Continue(std::string_view name, Span::Kind kind,
                                           std::string_view traceparent) {
  const auto context = TraceContext::Parse(traceparent);
  if (!context || !context->sampled) return nullptr;
  return Open(name, kind, context->trace_id, context->parent_id);
}

std::unique_ptr<OpenSpan> Tracer::Open(std::string_view name, Span::Kind kind, std::string_view trace_id,
                                       std::string_view parent_id) {
  return std::make_unique<OpenSpan>(exporter_.get(), Span{.name = std::string(name),
                                                          .kind = kind,
                                                          .trace_id = std::string(trace_id),
                                                          .id = NewId(16),
                                                          .parent_id = std::string(parent_id),
                                                          .start_ns = SpanClockNs(),
                                                          .attributes = {},
                                                          .error = {}});
}

std::unique_ptr<Tracer> NewTracer(const Options& options, std::string_view service, std::string_view instance,
                                  prometheus::Registry* registry, std::string* wrong) {
  SpanMetrics metrics(registry);
  if (options.otlp_endpoint.empty()) return nullptr;
  SpanExporter::Config config;
  if (!options.otlp_headers_file.empty()) {
    auto headers = ReadHeaders(options.otlp_headers_file, wrong);
    if (!headers.has_value()) return nullptr;
    config.headers = std::move(*headers);
  }
  config.url = options.otlp_endpoint + (options.otlp_endpoint.ends_with('/') ? "v1/traces" : "/v1/traces");
  config.resource = {{"service.name", std::string(service)},
                     {"service.instance.id", std::string(instance)},
                     {"service.version", DORMOUSE_VERSION}};
  return std::make_unique<Tracer>(std::make_unique<SpanExporter>(std::move(config), metrics),
                                  options.trace_sample);
}

}  // namespace dormouse
