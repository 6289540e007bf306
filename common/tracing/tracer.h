// Decides what is traced, and opens spans (span.h) that go to a collector (span_exporter.h). A process has one, or none:
// option otlp-endpoint.
//
// Sampling is the parent's (W3C Trace Context's flag `sampled`): who comes with a trace is traced if that is recorded,
// and not else. Of those who come with none a share begins one (option trace-sample). What follows within the cluster
// goes by the decision that was made at its edge.
//
// Any thread; it outlives the spans that it has opened.
#pragma once

#include <prometheus/registry.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/config/options.h"
#include "common/tracing/span_exporter.h"

namespace dormouse {

// A span that goes on. One thread at a time.
class OpenSpan {
 public:
  OpenSpan(SpanExporter* exporter, Span span) : exporter_(exporter), span_(std::move(span)) {}
  // One that nobody has ended has come to nothing.
  ~OpenSpan();
  OpenSpan(const OpenSpan&) = delete;
  OpenSpan& operator=(const OpenSpan&) = delete;

  // The header for what is done within it.
  std::string traceparent() const;
  void Set(std::string_view key, std::string value);
  void Set(std::string_view key, int64_t value);
  // Which hub it is about: CLASS/NAME.
  void SetHub(std::string_view hub);
  void Fail(std::string_view why) { span_.error = why; }
  // Something that was done within it, perhaps before it was opened: then it has begun with that.
  void AddPart(std::string_view name, int64_t start_ns, int64_t end_ns);
  int64_t start_ns() const { return span_.start_ns; }
  void End();
  // The request that it is about is answered so. Of a server only its own failures are errors: `failure` says which.
  void EndAnswered(int status, std::string_view failure);

 private:
  SpanExporter* exporter_;  // nullptr: it has ended
  Span span_;
};

class Tracer {
 public:
  // `share`: see above; from 0 to 1.
  Tracer(std::unique_ptr<SpanExporter> exporter, double share);

  // At the edge of the cluster. `traceparent`: what the request says, if it does. nullptr: it is not traced.
  std::unique_ptr<OpenSpan> Begin(std::string_view name, Span::Kind kind, std::string_view traceparent);
  // Within it. nullptr: what comes with that is not traced.
  std::unique_ptr<OpenSpan> Continue(std::string_view name, Span::Kind kind, std::string_view traceparent);

  void set_share(double share);

 private:
  std::unique_ptr<OpenSpan> Open(std::string_view name, Span::Kind kind, std::string_view trace_id,
                                 std::string_view parent_id);

  const std::unique_ptr<SpanExporter> exporter_;
  std::atomic<uint64_t> below_;  // of random numbers, those that begin a trace
};

// As the options say. nullptr: nothing is traced, or `*wrong` is a sentence. `instance`: which process of the
// `service` it is.
std::unique_ptr<Tracer> NewTracer(const Options& options, std::string_view service, std::string_view instance,
                                  prometheus::Registry* registry, std::string* wrong);

}  // namespace dormouse
