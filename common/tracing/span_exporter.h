// Carries spans to a collector of traces, by OTLP over HTTP (otlp.h): a thread of its own with libcurl.
//
//   Export --> queue, kMostWaiting spans --> batches, one request at a time --> collector
//
// Nobody waits for it. What finds the queue full is dropped and counted; so is a batch that the collector refuses, or
// that it has not taken after kMostTries. Between tries it waits twice as long each time, or as long as the collector
// asks for.
//
// Threading: Export on any thread; construct and destroy on the main thread. At its end it sends what is left, for as
// long as kLastMs.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/tracing/span.h"

namespace dormouse {

// There from the start, also where nothing is exported.
struct SpanMetrics {
  explicit SpanMetrics(prometheus::Registry* registry);

  prometheus::Counter& exported;
  prometheus::Counter& dropped_full;
  prometheus::Counter& dropped_refused;
  prometheus::Counter& dropped_away;
};

class SpanExporter {
 public:
  static constexpr size_t kMostWaiting = 4'096;
  static constexpr size_t kBatch = 512;
  static constexpr int kMostTries = 5;
  static constexpr int64_t kLongestWaitMs = 30'000;
  static constexpr int64_t kLastMs = 1'000;

  struct Config {
    std::string url;                   // to which it posts
    std::vector<std::string> headers;  // "name: value", besides its own
    std::vector<Span::Attribute> resource;
    int64_t batch_ms = 1'000;    // that a span waits for others
    int64_t timeout_ms = 5'000;  // of a request
    int64_t first_wait_ms = 1'000;
  };

  SpanExporter(Config config, SpanMetrics metrics);
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void Export(Span span);

 private:
  class Connection;
  using Clock = std::chrono::steady_clock;
  enum class Result { kTaken, kRefused, kAgain };
  struct Answer {
    Result result = Result::kAgain;
    std::optional<int64_t> wait_ms;  // the collector's word
    std::string why;                 // it was not taken: the end of a sentence
  };

  void Run();
  // Nothing: it ends, and nothing is left.
  std::vector<Span> AwaitBatch();
  void Send(const std::vector<Span>& batch);
  Answer Post(const std::string& body);
  // False: it ends.
  bool Wait(int64_t ms);
  void Note(const std::string& why);

  const Config config_;
  SpanMetrics metrics_;
  const std::unique_ptr<Connection> connection_;
  bool failing_ = false;  // as the log says
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Span> waiting_;     // mutex_
  bool ending_ = false;           // mutex_
  std::atomic<int64_t> last_ms_;  // SteadyMs: when a request is given up because all ends
  std::thread thread_;
};

}  // namespace dormouse
