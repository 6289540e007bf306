#include "statekeeper/runtime/lane/lane.h"

#include "common/clock.h"
#include "common/loop/loop_lag.h"

namespace dormouse {
namespace {

// How long a stopping lane waits between looks at whether it is done.
constexpr double kStopLookSeconds = 0.02;
// How long it waits for deferred events, which gateways send again.
constexpr int64_t kDeferredPatienceMs = 300;

}  // namespace

Lane::Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores,
           prometheus::Registry* registry)
    : config_(std::move(config)),
      classes_(classes),
      stores_(stores),
      metrics_(registry, config_.lane),
      store_watch_(config_.lane, &metrics_),
      loop_(ev_loop_new(EVBACKEND_EPOLL)),
      requests_(loop_.get()),
      stop_request_(loop_.get(), [this] { OnStopRequest(); }) {
  ev_prepare_init(&turn_end_, (&Lane::Call<ev_prepare, &Lane::OnTurnEnd>));
  ev_timer_init(&stop_timer_, (&Lane::Call<ev_timer, &Lane::EndIfIdle>), 0, kStopLookSeconds);
  turn_end_.data = stop_timer_.data = this;
}

Lane::~Lane() {
  if (thread_.joinable()) Stop(Duration(0));
}

std::future<void> Lane::Start(std::unique_ptr<GatewayLinks> links) {
  std::promise<void> started;
  std::future<void> future = started.get_future();
  thread_ = std::thread([this, links = std::move(links), started = std::move(started)]() mutable {
    Run(std::move(links), std::move(started));
  });
  return future;
}

void Lane::Stop(Duration patience) {
  stop_patience_ms_.store(patience.count());
  stop_request_.Send();
  if (thread_.joinable()) thread_.join();
}

void Lane::Run(std::unique_ptr<GatewayLinks> links, std::promise<void> started) {
  host_ = std::make_unique<LaneHost>(loop_.get(), config_, classes_, stores_->NewStore(loop_.get()),
                                     std::move(links), &store_watch_, &metrics_);
  ev_prepare_start(loop_.get(), &turn_end_);
  started.set_value();
  {
    const LoopLag lag(loop_.get(), &metrics_.loop_lag);
    ev_run(loop_.get(), 0);
  }
  requests_.Close();
  ev_prepare_stop(loop_.get(), &turn_end_);
  ev_timer_stop(loop_.get(), &stop_timer_);
  host_.reset();
}

void Lane::OnGatewayGone(GatewayId gateway, const std::vector<std::string>& owed) {
  metrics_.gateways_given_up.Increment();
  host_->gateways().OnGone(gateway, owed);
}

void Lane::Change(const Changes& changes) {
  config_.hibernate_after = changes.hibernate_after;
  config_.limits = changes.limits;
  config_.max_awake = changes.max_awake;
  host_->hubs().Change(changes.hibernate_after, changes.max_awake, changes.classes);
}

void Lane::OnStopRequest() {
  stopping_ = true;
  stop_began_ms_ = SteadyMs();
  stop_deadline_ms_ = stop_began_ms_ + stop_patience_ms_.load();
  host_->hubs().StopHibernation();
  host_->gateways().Stop();
  ev_timer_start(loop_.get(), &stop_timer_);
}

void Lane::EndIfIdle() {
  const bool abandon = SteadyMs() >= stop_began_ms_ + kDeferredPatienceMs;
  if (host_->hubs().AreIdle(abandon) || SteadyMs() >= stop_deadline_ms_) ev_break(loop_.get(), EVBREAK_ALL);
}

}  // namespace dormouse
