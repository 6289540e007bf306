#include "common/http/admin_server.h"

#include <ev.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/http/front_door.h"
#include "common/http/listener.h"
#include "common/http/process_metrics.h"
#include "common/loop/loop_wake.h"
#include "common/thread_time.h"

namespace dormouse {
namespace {

// More than probes and scrapers need, fewer than the descriptors that a gateway keeps back from its clients.
constexpr size_t kMaxVisitors = 128;
constexpr int64_t kDeadlineMs = 2'000;
// Collecting takes longer than all else here. In the long run it gets a tenth of the thread's time, so that
// whoever asks without a pause gets what was collected last; who asks now and then gets what is.
constexpr int64_t kCollectingShare = 10;
constexpr std::chrono::nanoseconds kCollectingCredit = std::chrono::milliseconds(50);

}  // namespace

class AdminServer::Impl : private FrontDoor::Handler {
 public:
  Impl(const std::string& address, std::shared_ptr<prometheus::Registry> registry,
       std::function<Readiness()> readiness, const ConfigurationInEffect* configuration, int listening)
      : registry_(std::move(registry)),
        readiness_(std::move(readiness)),
        configuration_(configuration),
        loop_(ev_loop_new(EVBACKEND_EPOLL), ev_loop_destroy),
        front_door_(loop_.get(), {.deadline_ms = kDeadlineMs, .max_visitors = kMaxVisitors}, this),
        listener_(loop_.get(),
                  [this](int fd, const IpAddress& peer, bool /*crowded*/) {
                    front_door_.Admit(fd, peer, {}, {});
                    return true;
                  }),
        stop_(loop_.get(), [this] { ev_break(loop_.get(), EVBREAK_ALL); }),
        leave_(loop_.get(), [this] { OnLeave(); }) {
    if (listening >= 0) {
      listener_.Adopt(listening);
    } else {
      const std::string wrong = listener_.Listen(address, Listener::Sharing::kExclusive, "--admin");
      if (!wrong.empty()) throw std::runtime_error(wrong);
    }
    port_ = listener_.port();
    listening_ = listener_.fd();
    thread_ = std::thread([this] { ev_run(loop_.get(), 0); });
  }
  ~Impl() override {
    stop_.Send();
    thread_.join();
  }

  int port() const { return port_; }
  int listening() const { return listening_; }

  void Leave(int64_t patience_ms) {
    leave_.Send();
    std::unique_lock lock(mutex_);
    left_.wait_for(lock, std::chrono::milliseconds(patience_ms), [this] { return is_empty_; });
  }

 private:
  void OnLeave() {
    listener_.Stop();
    leaving_ = true;
    OnVisitors(front_door_.size());
  }

  void OnVisitors(size_t count) override {
    if (!leaving_ || count > 0) return;
    const std::lock_guard lock(mutex_);
    is_empty_ = true;
    left_.notify_all();
  }

  std::optional<HttpReply> OnRequest(const HttpRequest& request, const FrontDoor::Visit&) override {
    if (request.method != "GET" && request.method != "HEAD") {
      return HttpReply{
          .status = 405, .body = "Only GET is answered here.\n", .headers = {{"Allow", "GET, HEAD"}}};
    }
    if (request.path == "/healthz") return HttpReply{.body = "ok\n"};
    if (request.path == "/readyz") {
      const Readiness now = readiness_();
      HttpReply reply{.status = now.ready ? 200 : 503,
                      .body = now.ready ? "ready\n" : "not ready: " + now.detail + "\n"};
      for (const std::string& each : now.degraded) reply.body += "degraded: " + each + "\n";
      return reply;
    }
    if (request.path == "/metrics") {
      return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = Metrics()};
    }
    if (request.path == "/config" && configuration_ != nullptr) {
      return HttpReply{.content_type = "application/json", .body = AsJson(*configuration_->Get()) + "\n"};
    }
    return HttpReply{.status = 404, .body = "Here are /healthz, /readyz, /metrics and /config.\n"};
  }

  const std::string& Metrics() {
    const int64_t now_ms = SteadyMs();
    // In nanoseconds before the division: a tenth of some milliseconds must not come out as none.
    const std::chrono::nanoseconds passed =
        std::chrono::milliseconds(now_ms - std::exchange(credited_ms_, now_ms));
    credit_ += passed / kCollectingShare;
    credit_ = std::min(credit_, kCollectingCredit);
    if (credit_.count() > 0) {
      const auto begun = ThreadTime();
      std::vector<prometheus::MetricFamily> families = registry_->Collect();
      AddProcessMetrics(&families);
      metrics_ = prometheus::TextSerializer().Serialize(families);
      credit_ -= ThreadTime() - begun;
    }
    return metrics_;
  }

  const std::shared_ptr<prometheus::Registry> registry_;
  const std::function<Readiness()> readiness_;
  const ConfigurationInEffect* const configuration_;
  const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop_;
  FrontDoor front_door_;
  Listener listener_;
  LoopWake stop_;
  LoopWake leave_;
  int port_ = 0;
  int listening_ = -1;
  bool leaving_ = false;
  std::mutex mutex_;
  std::condition_variable left_;
  bool is_empty_ = false;  // mutex_; of who was here when it began to leave
  std::string metrics_;
  std::chrono::nanoseconds credit_ = kCollectingCredit;  // for collecting
  int64_t credited_ms_ = SteadyMs();
  std::thread thread_;
};

AdminServer::AdminServer(const std::string& address, std::shared_ptr<prometheus::Registry> registry,
                         std::function<Readiness()> readiness, const ConfigurationInEffect* configuration,
                         int listening)
    : impl_(std::make_unique<Impl>(address, std::move(registry), std::move(readiness), configuration,
                                   listening)) {}

AdminServer::~AdminServer() = default;

int AdminServer::port() const { return impl_->port(); }

int AdminServer::listening() const { return impl_->listening(); }

void AdminServer::Leave(int64_t patience_ms) { impl_->Leave(patience_ms); }

}  // namespace dormouse
