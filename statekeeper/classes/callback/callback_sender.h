// Carries callbacks to the operator's endpoints, by HTTP: a thread of its own with libcurl, so that neither a slow endpoint
// nor a handshake of TLS takes time from lanes.
//
//   hub --> Post --> line of its endpoint --> at most `concurrency` requests --> done, with the answer or why there is none
//
// An endpoint that cannot be reached, or does not answer, kFailuresToOpen times in a row counts as down: for a while
// requests fail at once, then one is let through, by which it comes up again or stays down for twice as long. Endpoints
// have nothing in common but the thread and the bound on what waits (kMostWaiting).
//
// What is posted while a request of that id is under way is not asked again: its answer goes to who posted last.
//
// Redirects are not followed: requests go where the operator has said, and nowhere else.
//
// Threading: Post on any thread; `done` runs on this one's own.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/log_limit.h"
#include "statekeeper/classes/callback/callback_settings.h"
#include "statekeeper/classes/callback/webhook_secrets.h"

namespace dormouse {

// Why a request was no success.
enum class CallbackFailure {
  kNone,
  kUnreachable,  // no connection, or it broke
  kTls,          // no certificate that is trusted, or no handshake
  kTimeout,
  kStatus,    // it has answered with a status that is not 2xx
  kTooLarge,  // with more than kMaxAnswer
  kAnswer,    // with what is no answer
  kDown,      // not asked: see above
  kBusy,      // not asked: too much waits
};
constexpr size_t kCallbackFailures = 9;
std::string_view NameOf(CallbackFailure failure);

// What a class counts.
struct CallbackMetrics {
  CallbackMetrics(prometheus::Registry* registry, const std::string& name);

  prometheus::Histogram& seconds;
  prometheus::Counter& retries;
  prometheus::Counter& given_up;
  prometheus::Counter& refused;
  prometheus::Gauge& down;
  std::array<prometheus::Counter*, kCallbackFailures> failures;
};

// One endpoint, of one class.
struct CallbackEndpoint {
  CallbackEndpoint(CallbackSettings all, std::unique_ptr<const WebhookSecrets> with)
      : settings(std::move(all)), secrets(std::move(with)) {}

  const CallbackSettings settings;
  const std::unique_ptr<const WebhookSecrets> secrets;
  std::atomic<int64_t> down_until_ms{0};           // SteadyMs: before that requests fail at once
  std::atomic<CallbackMetrics*> metrics{nullptr};  // nullptr: nobody wants them
  LogLimit log;

  bool IsDown() const { return SteadyMs() < down_until_ms; }
  // Main thread; once.
  void UseMetrics(prometheus::Registry* registry) {
    if (own_metrics_ != nullptr) return;
    own_metrics_ = std::make_unique<CallbackMetrics>(registry, settings.name);
    metrics = own_metrics_.get();
  }

 private:
  std::unique_ptr<CallbackMetrics> own_metrics_;
};

class CallbackSender {
 public:
  static constexpr size_t kMaxAnswer = 1u << 20;
  static constexpr size_t kMostWaiting = 64u << 20;  // bytes of bodies, of all endpoints
  static constexpr int kFailuresToOpen = 5;
  static constexpr int64_t kFirstDownMs = 1'000;
  static constexpr int64_t kLongestDownMs = 30'000;

  struct Result {
    CallbackFailure failure = CallbackFailure::kNone;
    long status = 0;
    std::string body;
  };
  struct Job {
    std::shared_ptr<CallbackEndpoint> endpoint;
    std::string id;
    std::string body;
    std::function<void(Result)> done;  // not run where another one of the same id has been posted meanwhile
  };

  CallbackSender();
  // What is under way is given up; its `done` does not run.
  ~CallbackSender();
  CallbackSender(const CallbackSender&) = delete;
  CallbackSender& operator=(const CallbackSender&) = delete;

  void Post(Job job);

 private:
  class Transfers;

  using Done = std::function<void(Result)>;
  Done TakeDone(const Job& job);

  const std::unique_ptr<Transfers> transfers_;
  std::mutex mutex_;
  bool ending_ = false;
  size_t waiting_bytes_ = 0;  // until a job is done
  std::vector<Job> posted_;
  std::unordered_map<std::string, Done> under_way_;  // by id: who gets the answer
  std::thread thread_;
};

}  // namespace dormouse
