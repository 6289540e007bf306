#include "statekeeper/classes/callback/callback_sender.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/version.h"

namespace dormouse {
namespace {

constexpr long kConnectTimeoutMs = 5'000;
constexpr int kLongestPollMs = 60'000;  // nothing is to be done at a time of its own

// Whether the endpoint itself is at fault, and not what was asked of it.
bool SaysThatItIsDown(const CallbackSender::Result& result) {
  switch (result.failure) {
    case CallbackFailure::kUnreachable:
    case CallbackFailure::kTls:
    case CallbackFailure::kTimeout:
      return true;
    case CallbackFailure::kStatus:
      return result.status >= 502 && result.status <= 504;
    default:
      return false;
  }
}

CallbackFailure FailureOf(CURLcode code, bool too_large) {
  switch (code) {
    case CURLE_OK:
      return CallbackFailure::kNone;
    case CURLE_OPERATION_TIMEDOUT:
      return CallbackFailure::kTimeout;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return CallbackFailure::kTls;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return CallbackFailure::kAnswer;
    default:
      return too_large ? CallbackFailure::kTooLarge : CallbackFailure::kUnreachable;
  }
}

prometheus::Counter& CallbackCounter(prometheus::Registry* registry, const char* name, const char* help,
                                     const prometheus::Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry).Add(labels);
}

}  // namespace

std::string_view NameOf(CallbackFailure failure) {
  constexpr std::array<std::string_view, kCallbackFailures> kNames = {
      "none", "unreachable", "tls", "timeout", "status", "too_large", "answer", "down", "busy"};
  return kNames.at(static_cast<size_t>(failure));
}

CallbackMetrics::CallbackMetrics(prometheus::Registry* registry, const std::string& name)
    : seconds(
          prometheus::BuildHistogram()
              .Name("dormouse_callback_seconds")
              .Help(
                  "Time from a callback's request to its answer, or to its failure; its count is that of requests")
              .Register(*registry)
              .Add({{"class", name}}, prometheus::Histogram::BucketBoundaries{0.005, 0.01, 0.025, 0.05, 0.1,
                                                                              0.25, 0.5, 1, 2.5, 5, 10, 30})),
      retries(CallbackCounter(registry, "dormouse_callback_retries_total",
                              "Requests that were made again, with the same id", {{"class", name}})),
      given_up(CallbackCounter(
          registry, "dormouse_callback_events_given_up_total",
          "Connects and messages that no request has delivered within give-up-after: their sockets "
          "were closed with 1013",
          {{"class", name}})),
      refused(CallbackCounter(
          registry, "dormouse_callback_refused_total",
          "Sockets that were closed with 1013 because the endpoint was down or did not keep up",
          {{"class", name}})),
      down(prometheus::BuildGauge()
               .Name("dormouse_callback_endpoint_down")
               .Help("1: the endpoint has failed several times in a row, and is asked only now and then")
               .Register(*registry)
               .Add({{"class", name}})),
      failures{} {
  for (size_t i = 1; i < kCallbackFailures; ++i) {
    failures.at(i) =
        &CallbackCounter(registry, "dormouse_callback_failures_total",
                         "Callbacks that have failed, by cause; status: the answer was not 2xx",
                         {{"class", name}, {"cause", std::string(NameOf(static_cast<CallbackFailure>(i)))}});
  }
}

// The thread's own.
class CallbackSender::Transfers {
 public:
  using Done = std::function<void(const Job& job, Result result)>;

  explicit Transfers(Done done) : done_(std::move(done)) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi_ = curl_multi_init();
    if (multi_ == nullptr) throw std::runtime_error("libcurl cannot be used");
  }
  ~Transfers() {
    for (auto& [easy, transfer] : running_) End(easy, transfer.get());
    curl_multi_cleanup(multi_);
  }
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // From any thread: Wait returns.
  void Wake() { curl_multi_wakeup(multi_); }
  void Wait() { curl_multi_poll(multi_, nullptr, 0, kLongestPollMs, nullptr); }

  void Add(Job job) {
    Line& line = lines_[job.endpoint.get()];
    if (line.down_ms > 0 && (SteadyMs() < line.until_ms || line.running > 0))
      return Fail(job, CallbackFailure::kDown);
    line.waiting.push_back(std::move(job));
    StartNext(&line);
  }

  void Go() {
    int running = 0;
    curl_multi_perform(multi_, &running);
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) Finish(message->easy_handle, message->data.result);
    }
  }

 private:
  struct Line {
    std::deque<Job> waiting;
    uint32_t running = 0;
    int failures = 0;      // in a row
    int64_t down_ms = 0;   // 0: it is up; else for how long it was last down
    int64_t until_ms = 0;  // SteadyMs: then one is let through
  };
  struct Transfer {
    Job job;
    Result result;
    bool too_large = false;
    int64_t began_ms = 0;
    curl_slist* headers = nullptr;
  };

  static size_t Receive(char* bytes, size_t, size_t count, void* data) {
    auto* const transfer = static_cast<Transfer*>(data);
    if (transfer->result.body.size() + count > kMaxAnswer) {
      transfer->too_large = true;
      return 0;
    }
    transfer->result.body.append(bytes, count);
    return count;
  }

  void Fail(const Job& job, CallbackFailure why) { done_(job, {why, 0, ""}); }

  void StartNext(Line* line) {
    while (!line->waiting.empty()) {
      const uint32_t most = line->down_ms > 0 ? 1 : line->waiting.front().endpoint->settings.concurrency;
      if (line->running >= most) return;
      Job job = std::move(line->waiting.front());
      line->waiting.pop_front();
      Start(std::move(job), line);
    }
  }

  void Start(Job job, Line* line) {
    CURL* const easy = curl_easy_init();
    if (easy == nullptr) return Fail(job, CallbackFailure::kBusy);
    auto transfer = std::make_unique<Transfer>();
    transfer->job = std::move(job);
    transfer->began_ms = SteadyMs();
    const Job& of = transfer->job;
    const CallbackSettings& settings = of.endpoint->settings;
    const int64_t now_s = WallMs() / 1000;
    const std::string headers[] = {
        "content-type: application/json",
        fmt::format("webhook-id: {}", of.id),
        fmt::format("webhook-timestamp: {}", now_s),
        fmt::format("webhook-signature: {}", of.endpoint->secrets->Sign(of.id, now_s, of.body)),
        "expect:",
    };
    for (const std::string& header : headers)
      transfer->headers = curl_slist_append(transfer->headers, header.c_str());
    curl_easy_setopt(easy, CURLOPT_URL, settings.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "dormouse/" DORMOUSE_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(of.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, of.body.data());
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(settings.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     std::min<long>(kConnectTimeoutMs, static_cast<long>(settings.timeout.count())));
    if (!settings.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, settings.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfers::Receive);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
    ++line->running;
    curl_multi_add_handle(multi_, easy);
    running_.emplace(easy, std::move(transfer));
  }

  void End(CURL* easy, Transfer* transfer) {
    curl_multi_remove_handle(multi_, easy);
    curl_easy_cleanup(easy);
    curl_slist_free_all(transfer->headers);
  }

  void Finish(CURL* easy, CURLcode code) {
    const auto at = running_.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(at->second);
    running_.erase(at);
    Result& result = transfer->result;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &result.status);
    result.failure = FailureOf(code, transfer->too_large);
    if (code == CURLE_OK && (result.status < 200 || result.status > 299))
      result.failure = CallbackFailure::kStatus;
    if (result.failure != CallbackFailure::kNone) result.body.clear();
    End(easy, transfer.get());
    CallbackEndpoint* const endpoint = transfer->job.endpoint.get();
    if (CallbackMetrics* const metrics = endpoint->metrics)
      metrics->seconds.Observe(static_cast<double>(SteadyMs() - transfer->began_ms) / 1000);
    Line& line = lines_[endpoint];
    --line.running;
    Judge(result, endpoint, &line);
    const std::shared_ptr<CallbackEndpoint> keep = transfer->job.endpoint;
    done_(transfer->job, std::move(result));
    StartNext(&line);
  }

  // What the end of a request says of its endpoint.
  void Judge(const Result& result, CallbackEndpoint* endpoint, Line* line) {
    const bool was_down = line->down_ms > 0;
    if (!SaysThatItIsDown(result)) {
      line->failures = 0;
      line->down_ms = 0;
    } else if (was_down || ++line->failures >= kFailuresToOpen) {
      if (!was_down || line->running == 0)
        line->down_ms = std::clamp(line->down_ms * 2, kFirstDownMs, kLongestDownMs);
      line->until_ms = SteadyMs() + line->down_ms;
      for (const Job& job : std::exchange(line->waiting, {})) Fail(job, CallbackFailure::kDown);
    }
    const bool is_down = line->down_ms > 0;
    endpoint->down_until_ms = is_down ? line->until_ms : 0;
    if (is_down == was_down) return;
    if (CallbackMetrics* const metrics = endpoint->metrics) metrics->down.Set(is_down ? 1 : 0);
    if (is_down) {
      SPDLOG_WARN(
          "the endpoint of callback class {} counts as down ({}); new sockets are refused until it answers",
          endpoint->settings.name, NameOf(result.failure));
    } else {
      SPDLOG_INFO("the endpoint of callback class {} answers again", endpoint->settings.name);
    }
  }

  const Done done_;
  CURLM* multi_ = nullptr;
  std::map<CURL*, std::unique_ptr<Transfer>> running_;
  std::map<const CallbackEndpoint*, Line> lines_;
};

CallbackSender::CallbackSender()
    : transfers_(std::make_unique<Transfers>(
          [this](const Job& job, Result result) { TakeDone(job)(std::move(result)); })),
      thread_([this] {
        for (;;) {
          std::vector<Job> posted;
          {
            const std::lock_guard lock(mutex_);
            if (ending_) return;
            posted.swap(posted_);
          }
          for (Job& job : posted) transfers_->Add(std::move(job));
          transfers_->Go();
          transfers_->Wait();
        }
      }) {}

CallbackSender::~CallbackSender() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  transfers_->Wake();
  thread_.join();
}

CallbackSender::Done CallbackSender::TakeDone(const Job& job) {
  const std::lock_guard lock(mutex_);
  waiting_bytes_ -= job.body.size();
  return std::move(under_way_.extract(job.id).mapped());
}

void CallbackSender::Post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto same = under_way_.find(job.id); same != under_way_.end()) {
      same->second = std::move(job.done);
      return;
    }
    if (waiting_bytes_ + job.body.size() <= kMostWaiting) {
      waiting_bytes_ += job.body.size();
      under_way_.emplace(job.id, std::move(job.done));
      posted_.push_back(std::move(job));
      transfers_->Wake();
      return;
    }
  }
  job.done({CallbackFailure::kBusy, 0, ""});
}

}  // namespace dormouse
