// Sends spans to an OpenTelemetry collector by OTLP over gRPC, in batches, from a thread of its own.
//
//   any thread --Export--> queue (kMaxWaiting) --exporter thread--> collector
//
// Tracing never holds up what is traced: while the queue is full, spans are dropped, and counted. A batch
// that the collector could not take for now is tried again with growing pauses, as the specification asks for
// (opentelemetry.io/docs/specs/otlp, "Failures"); one that it refuses is dropped.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/tracing/span.h"

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace dormouse {

class SpanExporter {
 public:
  static constexpr size_t kMaxWaiting = 4'096;  // spans
  static constexpr size_t kMaxBatch = 512;

  struct Target {
    std::string endpoint;  // http://HOST:PORT, or https://HOST:PORT
    std::string ca;  // PEM file of the authorities that the collector's certificate is checked by; empty:
                     // those of this machine
    // Of the process that the spans are from: service.name and its like.
    std::vector<std::pair<std::string, std::string>> resource;
  };

  // Connects in the background. nullptr: `*wrong` is a sentence that names the option. `registry` outlives
  // the exporter.
  static std::unique_ptr<SpanExporter> New(Target target, prometheus::Registry* registry, std::string* wrong);
  // Sends what waits, for at most a second.
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  // Any thread; does not block.
  void Export(Span span);

 private:
  class Collector;
  enum class Outcome { kTaken, kRefused, kAway };

  SpanExporter(std::unique_ptr<Collector> collector, prometheus::Registry* registry);
  void Run();
  // Waits until there are spans to send; empty: it is over.
  std::vector<Span> NextBatch();
  // Sends until it is taken or refused, or it is over.
  void Send(const std::vector<Span>& batch);

  const std::unique_ptr<Collector> collector_;
  prometheus::Counter* const sent_;
  prometheus::Counter* const dropped_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Span> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace dormouse
