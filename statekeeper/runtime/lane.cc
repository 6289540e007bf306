#include "statekeeper/runtime/lane.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr double kRetrySeconds = 0.5;
// Hubs that must have left memory before it is worth handing their pages back to the system: while others are
// awake, and when the last is gone.
constexpr size_t kHubsWorthTrimming = 1000;
constexpr size_t kLastHubsWorthTrimming = 100;
// How long a stopping lane waits between looks at whether it is done.
constexpr double kStopLookSeconds = 0.02;

double Seconds(int64_t ms) { return static_cast<double>(std::max<int64_t>(ms, 0)) / 1000; }

}  // namespace

Lane::Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores,
           prometheus::Registry* registry)
    : config_(std::move(config)),
      classes_(classes),
      stores_(stores),
      metrics_(registry, config_.lane),
      loop_(ev_loop_new(EVBACKEND_EPOLL)) {
  ev_prepare_init(&turn_end_, (&Lane::Call<ev_prepare, &Lane::OnTurnEnd>));
  ev_timer_init(&hibernation_timer_, (&Lane::Call<ev_timer, &Lane::OnHibernationTimer>), 0, 0);
  ev_timer_init(&grace_timer_, (&Lane::Call<ev_timer, &Lane::OnGraceEnd>),
                Seconds(config_.gateway_grace.count()), 0);
  ev_timer_init(&yield_timer_, (&Lane::Call<ev_timer, &Lane::OnYieldTimer>), 0, 0);
  ev_timer_init(&retry_timer_, (&Lane::Call<ev_timer, &Lane::OnRetryTimer>), kRetrySeconds, 0);
  ev_async_init(&stop_request_, (&Lane::Call<ev_async, &Lane::OnStopRequest>));
  turn_end_.data = hibernation_timer_.data = grace_timer_.data = yield_timer_.data = retry_timer_.data =
      stop_request_.data = this;
  ev_async_start(loop_, &stop_request_);
}

Lane::~Lane() {
  if (thread_.joinable()) Stop(Duration(0));
  ev_async_stop(loop_, &stop_request_);
  ev_loop_destroy(loop_);
}

std::future<std::vector<ShardRecord>> Lane::Start(std::unique_ptr<GatewayLinks> links) {
  links_ = std::move(links);
  std::promise<std::vector<ShardRecord>> started;
  std::future<std::vector<ShardRecord>> future = started.get_future();
  thread_ = std::thread([this, started = std::move(started)]() mutable { Run(std::move(started)); });
  return future;
}

void Lane::Stop(Duration patience) {
  stop_patience_ms_.store(patience.count());
  ev_async_send(loop_, &stop_request_);
  if (thread_.joinable()) thread_.join();
}

void Lane::Run(std::promise<std::vector<ShardRecord>> started) {
  started_ = std::move(started);
  store_ = stores_->NewStore(loop_);
  store_healthy_.store(store_->healthy());
  commits_ = std::make_unique<CommitGroup>(
      store_.get(), CommitGroup::Callbacks{
                        [this](ShardId shard) { return EpochOf(shard); },
                        [this](ShardId shard, int64_t due_ms) { alarms_->Note(shard, due_ms); },
                        [this](ShardId shard) { LoseShard(shard); },
                        [this](StoreStatus status) {
                          metrics_.commits.Increment();
                          if (status != StoreStatus::kOk) metrics_.commit_failures.Increment();
                        },
                    });
  alarms_ = std::make_unique<AlarmClock>(loop_, store_.get(), [this](const std::string& hub, ShardId shard) {
    AwakeHub* awake = FindOrWake(hub, shard);
    if (awake == nullptr) return;
    metrics_.alarms.Increment();
    Touch(awake);
    HubEvent event;
    event.kind = HubEvent::Kind::kAlarm;
    awake->Deliver(std::move(event));
  });
  ev_prepare_start(loop_, &turn_end_);
  ev_timer_start(loop_, &grace_timer_);
  store_->TakeShards(config_.owner, config_.shards,
                     [this](StoreStatus status, std::vector<ShardRecord> records) {
                       OnShardsTaken(status, std::move(records));
                     });

  ev_run(loop_, 0);

  ev_prepare_stop(loop_, &turn_end_);
  for (ev_timer* timer : {&hibernation_timer_, &grace_timer_, &yield_timer_, &retry_timer_})
    ev_timer_stop(loop_, timer);
  alarms_.reset();
  links_.reset();
  store_.reset();
  by_idle_time_.clear();
  hubs_.clear();
}

void Lane::OnShardsTaken(StoreStatus status, std::vector<ShardRecord> records) {
  if (status == StoreStatus::kOk && records.size() == config_.shards.size()) {
    for (size_t i = 0; i < records.size(); ++i) {
      epochs_[config_.shards[i]] = records[i].epoch;
      alarms_->AddShard(config_.shards[i]);
    }
    metrics_.shards_owned.Set(static_cast<double>(records.size()));
  } else {
    records.clear();
  }
  started_.set_value(std::move(records));
}

void Lane::OnTurnEnd() {
  commits_->Flush();
  links_->Flush();
  commits_->Flush();  // the links may have given a gateway up
  const bool healthy = store_->healthy();
  if (healthy != store_healthy_.load(std::memory_order_relaxed)) {
    store_healthy_.store(healthy, std::memory_order_relaxed);
    SPDLOG_WARN("lane {}: the store is {}", config_.lane, healthy ? "back" : "away");
  }
  metrics_.store_healthy.Set(healthy ? 1 : 0);
  const GatewayLinks::Traffic traffic = links_->traffic();
  metrics_.gateways.Set(static_cast<double>(traffic.gateways));
  metrics_.unacknowledged_bytes.Set(static_cast<double>(traffic.unacknowledged_bytes));
  metrics_.hubs_awake.Set(static_cast<double>(hubs_.size()));
}

AwakeHub* Lane::FindOrWake(std::string_view name, ShardId shard) {
  if (const auto it = hubs_.find(name); it != hubs_.end()) return it->second.get();
  if (!epochs_.contains(shard)) return nullptr;
  const HubClass* hub_class = classes_->Find(HubClassOf(name));
  if (hub_class == nullptr) {
    SPDLOG_WARN("lane {}: there is no hub class for '{}'", config_.lane, name);
    return nullptr;
  }
  auto hub = std::make_shared<AwakeHub>(std::string(name), shard, hub_class, static_cast<HubHost*>(this));
  hub->place = by_idle_time_.insert(by_idle_time_.end(), hub.get());
  if (!ev_is_active(&hibernation_timer_)) {
    ev_timer_set(&hibernation_timer_, Seconds(config_.hibernate_after.count()), 0);
    ev_timer_start(loop_, &hibernation_timer_);
  }
  metrics_.wakes.Increment();
  return hubs_.emplace(std::string(name), std::move(hub)).first->second.get();
}

void Lane::Touch(AwakeHub* hub) { by_idle_time_.splice(by_idle_time_.end(), by_idle_time_, hub->place); }

void Lane::OnEvent(GatewayId gateway, const EventView& event) {
  if (stopping_) return;  // not released: it stays with its gateway
  if (ShardOf(event.hub, config_.shard_count) != event.shard || !epochs_.contains(event.shard)) {
    SPDLOG_WARN("lane {}: gateway {:x} sent an event of shard {} here, where it is not served", config_.lane,
                gateway, event.shard);
    return;
  }
  if (event.epoch != EpochOf(event.shard)) return;  // meant for another owner; its gateway sends it again
  metrics_.events.Increment();
  AwakeHub* hub = FindOrWake(event.hub, event.shard);
  if (hub == nullptr) {
    EventOutput refusal{
        {gateway, event.shard, event.sequence}, event.shard, EpochOf(event.shard), {}, nullptr};
    if (event.kind == EventKind::kOpen) {
      refusal.outputs.push_back({DeliveryKind::kClose,
                                 {{{gateway, event.connection}, {}}},
                                 false,
                                 ClosePayload(1011, "No such hub class")});
    }
    return Release(std::move(refusal));
  }
  Touch(hub);
  hub->Deliver(HubEvent::Of(gateway, event));
}

void Lane::Release(EventOutput output) {
  metrics_.deliveries.Increment(static_cast<double>(output.outputs.size()));
  links_->Release(std::move(output));
}

void Lane::OnGatewayGone(GatewayId gateway) {
  SPDLOG_INFO("lane {}: gateway {:x} is gone", config_.lane, gateway);
  EndConnectionsOfGoneGateways();
}

// Gateways that vanished before this process started never had a stream here, so nobody reports them.
void Lane::OnGraceEnd() { EndConnectionsOfGoneGateways(); }

void Lane::EndConnectionsOfGoneGateways() {
  for (AwakeHub* hub : std::vector<AwakeHub*>(by_idle_time_.begin(), by_idle_time_.end())) {
    for (HubEvent& gone : hub->GoneGateways()) hub->Deliver(std::move(gone));
  }
}

void Lane::OnHibernationTimer() {
  const int64_t now_ms = SteadyMs();
  const int64_t asleep_if_idle_since = now_ms - config_.hibernate_after.count();
  std::vector<AwakeHub*> busy;
  while (!by_idle_time_.empty()) {
    AwakeHub* hub = by_idle_time_.front();
    if (hub->idle_since_ms() > asleep_if_idle_since) break;
    if (!hub->CanSleep()) {
      by_idle_time_.pop_front();
      busy.push_back(hub);
      continue;
    }
    by_idle_time_.pop_front();
    metrics_.hibernations.Increment();
    ++hibernated_since_trim_;
    hubs_.erase(hub->name());
  }
  for (AwakeHub* hub : busy) hub->place = by_idle_time_.insert(by_idle_time_.end(), hub);
  if (hibernated_since_trim_ >=
      (hubs_.empty() ? kLastHubsWorthTrimming : std::max(kHubsWorthTrimming, hubs_.size()))) {
    hibernated_since_trim_ = 0;
    malloc_trim(0);  // asleep means gone for the machine, too
  }
  if (hubs_.empty()) return;
  // A busy hub may be the only one: look again after a whole period then.
  const int64_t wait_ms = by_idle_time_.front()->idle_since_ms() - asleep_if_idle_since;
  ev_timer_set(&hibernation_timer_, Seconds(wait_ms > 0 ? wait_ms : config_.hibernate_after.count()), 0);
  ev_timer_start(loop_, &hibernation_timer_);
}

void Lane::Yield() {
  yielded_.push_back(fibers_.current());
  if (!ev_is_active(&yield_timer_)) {
    ev_timer_set(&yield_timer_, 0, 0);
    ev_timer_start(loop_, &yield_timer_);
  }
  fibers_.Suspend();
}

void Lane::OnYieldTimer() {
  for (Fiber* fiber : std::exchange(yielded_, {})) fibers_.Resume(fiber);
}

void Lane::RetrySoon(std::shared_ptr<AwakeHub> hub) {
  to_retry_.push_back(std::move(hub));
  if (ev_is_active(&retry_timer_)) return;
  ev_timer_set(&retry_timer_, kRetrySeconds, 0);
  ev_timer_start(loop_, &retry_timer_);
}

void Lane::OnRetryTimer() {
  for (const std::shared_ptr<AwakeHub>& hub : std::exchange(to_retry_, {})) hub->RetryUnsettled();
}

void Lane::AlarmDone(const AwakeHub& hub, int64_t again_ms) {
  alarms_->Done(hub.name(), hub.shard(), again_ms != 0 ? again_ms : hub.state().NextDue());
}

void Lane::LoseShard(ShardId shard) {
  if (epochs_.erase(shard) == 0) return;
  SPDLOG_ERROR("lane {}: shard {} has another owner; this statekeeper serves it no longer", config_.lane,
               shard);
  metrics_.shards_owned.Set(static_cast<double>(epochs_.size()));
  alarms_->RemoveShard(shard);
  std::erase_if(by_idle_time_, [&](AwakeHub* hub) {
    if (hub->shard() != shard) return false;
    hub->Depose();
    return true;
  });
  std::erase_if(hubs_, [&](const auto& each) { return each.second->shard() == shard; });
  config_.deposed();
}

void Lane::OnStopRequest() {
  stopping_ = true;
  stop_deadline_ms_ = SteadyMs() + stop_patience_ms_.load();
  ev_timer_stop(loop_, &hibernation_timer_);
  ev_timer_stop(loop_, &grace_timer_);
  ev_timer_init(&hibernation_timer_, (&Lane::Call<ev_timer, &Lane::EndIfIdle>), 0, kStopLookSeconds);
  ev_timer_start(loop_, &hibernation_timer_);
}

void Lane::EndIfIdle() {
  const bool done =
      std::all_of(by_idle_time_.begin(), by_idle_time_.end(), [](AwakeHub* hub) { return hub->CanSleep(); });
  if (done || SteadyMs() >= stop_deadline_ms_) ev_break(loop_, EVBREAK_ALL);
}

}  // namespace dormouse
