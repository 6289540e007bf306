#include "common/tracing/span_exporter.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "common/http/http_fields.h"
#include "common/logging.h"
#include "common/tracing/otlp.h"
#include "common/version.h"

namespace dormouse {
namespace {

constexpr size_t kMaxAnswer = 64u << 10;
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

prometheus::Counter& Dropped(prometheus::Registry* registry, const char* cause) {
  return prometheus::BuildCounter()
      .Name("dormouse_trace_spans_dropped_total")
      .Help(
          "Spans that no collector has got: full, too many waited; refused, it did not take them; away, it could "
          "not be reached or was too busy, whatever was tried")
      .Register(*registry)
      .Add({{"cause", cause}});
}

}  // namespace

SpanMetrics::SpanMetrics(prometheus::Registry* registry)
    : exported(prometheus::BuildCounter()
                   .Name("dormouse_trace_spans_exported_total")
                   .Help("Spans that the collector at otlp-endpoint has taken")
                   .Register(*registry)
                   .Add({})),
      dropped_full(Dropped(registry, "full")),
      dropped_refused(Dropped(registry, "refused")),
      dropped_away(Dropped(registry, "away")) {}

// The exporting thread's, but for Wake.
class SpanExporter::Connection {
 public:
  explicit Connection(const Config& config) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi_ = curl_multi_init();
    easy_ = curl_easy_init();
    if (multi_ == nullptr || easy_ == nullptr) throw std::runtime_error("libcurl cannot be used");
    headers_ = curl_slist_append(headers_, "content-type: application/json");
    headers_ = curl_slist_append(headers_, "expect:");
    for (const std::string& header : config.headers) headers_ = curl_slist_append(headers_, header.c_str());
    curl_easy_setopt(easy_, CURLOPT_URL, config.url.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, "dormouse/" DORMOUSE_VERSION);
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, static_cast<long>(config.timeout_ms));
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &Connection::Receive);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &Connection::ReceiveHeader);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
  }
  ~Connection() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // From any thread: what Post waits for may have changed.
  void Wake() { curl_multi_wakeup(multi_); }

  // Until it is answered, has failed, or it is later than `last_ms`.
  CURLcode Post(const std::string& body, const std::atomic<int64_t>& last_ms) {
    answer_.clear();
    retry_after_.clear();
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, body.data());
    curl_multi_add_handle(multi_, easy_);
    CURLcode code = CURLE_OPERATION_TIMEDOUT;
    for (;;) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      int left = 0;
      if (const CURLMsg* const message = curl_multi_info_read(multi_, &left); message != nullptr) {
        code = message->data.result;
        break;
      }
      const int64_t left_ms = last_ms - SteadyMs();
      if (left_ms <= 0) break;
      curl_multi_poll(multi_, nullptr, 0, static_cast<int>(std::min<int64_t>(left_ms, 1'000)), nullptr);
    }
    curl_multi_remove_handle(multi_, easy_);
    return code;
  }
  long status() const {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  const std::string& answer() const { return answer_; }
  const std::string& retry_after() const { return retry_after_; }

 private:
  static size_t Receive(char* bytes, size_t, size_t count, void* data) {
    auto* const self = static_cast<Connection*>(data);
    if (self->answer_.size() + count > kMaxAnswer) return 0;
    self->answer_.append(bytes, count);
    return count;
  }
  static size_t ReceiveHeader(char* bytes, size_t, size_t count, void* data) {
    std::string_view line(bytes, count);
    if (EqualsIgnoringCase(TakeUntil(":", &line), "retry-after")) {
      while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
      static_cast<Connection*>(data)->retry_after_ = TrimBlanks(line);
    }
    return count;
  }

  CURLM* multi_ = nullptr;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::string answer_;
  std::string retry_after_;
};

SpanExporter::SpanExporter(Config config, SpanMetrics metrics)
    : config_(std::move(config)),
      metrics_(metrics),
      connection_(std::make_unique<Connection>(config_)),
      last_ms_(kNever),
      thread_([this] { Run(); }) {}

SpanExporter::~SpanExporter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  last_ms_ = SteadyMs() + kLastMs;
  changed_.notify_all();
  connection_->Wake();
  thread_.join();
}

void SpanExporter::Export(Span span) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() < kMostWaiting) {
      waiting_.push_back(std::move(span));
      // The first begins a batch, the last makes it whole.
      if (waiting_.size() != 1 && waiting_.size() != kBatch) return;
      changed_.notify_all();
      return;
    }
  }
  metrics_.dropped_full.Increment();
}

void SpanExporter::Run() {
  for (std::vector<Span> batch = AwaitBatch(); !batch.empty(); batch = AwaitBatch()) Send(batch);
}

std::vector<Span> SpanExporter::AwaitBatch() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
  changed_.wait_for(lock, std::chrono::milliseconds(config_.batch_ms),
                    [this] { return ending_ || waiting_.size() >= kBatch; });
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(kBatch, waiting_.size()));
  std::vector<Span> batch(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return batch;
}

void SpanExporter::Send(const std::vector<Span>& batch) {
  const std::string body = OtlpRequest(config_.resource, batch);
  const auto count = static_cast<double>(batch.size());
  int64_t wait_ms = config_.first_wait_ms;
  for (int tries = 1;; ++tries) {
    const Answer answer = Post(body);
    if (answer.result == Result::kTaken) {
      const auto rejected = std::min(count, static_cast<double>(RejectedSpans(connection_->answer())));
      metrics_.exported.Increment(count - rejected);
      metrics_.dropped_refused.Increment(rejected);
      return Note(rejected == 0 ? "" : "it has rejected some of them");
    }
    Note(answer.why);
    if (answer.result == Result::kRefused) return metrics_.dropped_refused.Increment(count);
    if (tries == kMostTries || !Wait(answer.wait_ms.value_or(wait_ms)))
      return metrics_.dropped_away.Increment(count);
    wait_ms = std::min(2 * wait_ms, kLongestWaitMs);
  }
}

SpanExporter::Answer SpanExporter::Post(const std::string& body) {
  const CURLcode code = connection_->Post(body, last_ms_);
  if (code != CURLE_OK) return {Result::kAgain, std::nullopt, curl_easy_strerror(code)};
  const long status = connection_->status();
  if (status >= 200 && status <= 299) return {Result::kTaken, std::nullopt, ""};
  std::string why = fmt::format("it answers with status {}", status);
  if (!IsRetryableOtlpStatus(status)) return {Result::kRefused, std::nullopt, std::move(why)};
  const auto seconds = RetryAfterSeconds(connection_->retry_after(), kLongestWaitMs / 1'000);
  return {Result::kAgain, seconds ? std::optional(*seconds * 1'000) : std::nullopt, std::move(why)};
}

bool SpanExporter::Wait(int64_t ms) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return ending_; });
}

void SpanExporter::Note(const std::string& why) {
  const bool fails = !why.empty();
  if (std::exchange(failing_, fails) == fails) return;
  if (fails) {
    SPDLOG_WARN(
        "spans do not reach {}: {}; they are tried again, then dropped and counted, and nothing else is "
        "held up",
        config_.url, why);
  } else {
    SPDLOG_INFO("spans reach {} again", config_.url);
  }
}

}  // namespace dormouse
