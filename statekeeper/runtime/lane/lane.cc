#include "statekeeper/runtime/lane/lane.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/loop/loop_lag.h"

namespace dormouse {
namespace {

constexpr double kRetrySeconds = 0.5;
// An alarm that is due while the store is away.
constexpr int64_t kAlarmLaterMs = 1000;
// Hubs that must have left memory before it is worth handing their pages back to the system: while others are
// awake, and when the last is gone.
constexpr size_t kHubsWorthTrimming = 1000;
constexpr size_t kLastHubsWorthTrimming = 100;
// How long a stopping lane waits between looks at whether it is done.
constexpr double kStopLookSeconds = 0.02;
// How often a lane whose lease has run out looks whether it was renewed, while something waits for that.
constexpr double kLeaseLookSeconds = 0.05;
// Time for those that wait or have yielded, before the loop looks at its events again.
constexpr int64_t kLetInMs = 2;
// Hubs in memory that wait for their turn to begin a suspect, before more are woken for theirs.
constexpr size_t kSuspectsInMemory = 64;
// How often a lane looks whether somebody has waited for too long, while the store is away.
constexpr double kOverdueLookSeconds = 0.05;
// When there is not even memory for one fiber.
constexpr double kNoFiberSeconds = 0.1;
// Bytes of events that wait, from which on no more are taken from gateways, and until which that lasts.
constexpr size_t kHoldBytes = 64u << 20;
constexpr size_t kGoOnBytes = 48u << 20;
// Hubs that are looked at in one turn because too many are in memory.
constexpr size_t kLookedAtPerTurn = 1000;

double Seconds(int64_t ms) { return static_cast<double>(std::max<int64_t>(ms, 0)) / 1000; }

}  // namespace

Lane::Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores,
           prometheus::Registry* registry)
    : config_(std::move(config)),
      classes_(classes),
      stores_(stores),
      metrics_(registry, config_.lane),
      loop_owner_(ev_loop_new(EVBACKEND_EPOLL)),
      loop_(loop_owner_.get()),
      requests_(loop_),
      fibers_(config_.max_handlers) {
  ev_prepare_init(&turn_end_, (&Lane::Call<ev_prepare, &Lane::OnTurnEnd>));
  ev_timer_init(&hibernation_timer_, (&Lane::Call<ev_timer, &Lane::OnHibernationTimer>), 0, 0);
  ev_timer_init(&grace_timer_, (&Lane::Call<ev_timer, &Lane::OnGraceEnd>),
                Seconds(config_.gateway_grace.count()), 0);
  ev_timer_init(&let_in_timer_, (&Lane::Call<ev_timer, &Lane::OnLetInTimer>), 0, 0);
  ev_timer_init(&retry_timer_, (&Lane::Call<ev_timer, &Lane::OnRetryTimer>), kRetrySeconds, 0);
  ev_timer_init(&lease_timer_, (&Lane::Call<ev_timer, &Lane::OnLeaseTimer>), kLeaseLookSeconds,
                kLeaseLookSeconds);
  ev_async_init(&stop_request_, (&Lane::Call<ev_async, &Lane::OnStopRequest>));
  turn_end_.data = hibernation_timer_.data = grace_timer_.data = let_in_timer_.data = retry_timer_.data =
      lease_timer_.data = stop_request_.data = suspect_turn_.data = this;
  ev_async_start(loop_, &stop_request_);
  ev_async_init(&suspect_turn_, (&Lane::Call<ev_async, &Lane::OnSuspectTurn>));
  ev_async_start(loop_, &suspect_turn_);
}

Lane::~Lane() {
  if (thread_.joinable()) Stop(Duration(0));
  ev_async_stop(loop_, &stop_request_);
  ev_async_stop(loop_, &suspect_turn_);
}

std::future<void> Lane::Start(std::unique_ptr<GatewayLinks> links) {
  links_ = std::move(links);
  std::promise<void> started;
  std::future<void> future = started.get_future();
  thread_ = std::thread([this, started = std::move(started)]() mutable { Run(std::move(started)); });
  return future;
}

void Lane::Stop(Duration patience) {
  stop_patience_ms_.store(patience.count());
  ev_async_send(loop_, &stop_request_);
  if (thread_.joinable()) thread_.join();
}

void Lane::Run(std::promise<void> started) {
  store_ = stores_->NewStore(loop_);
  ReportStore();
  commits_ = std::make_unique<CommitGroup>(
      store_.get(), CommitGroup::Callbacks{
                        [this](ShardId shard, int64_t due_ms) { alarms_->Note(shard, due_ms); },
                        [this](const ShardEpoch& shard) { OnFenced(shard); },
                        [this](const ShardEpoch& shard, StoreStatus status) { NoteCommit(shard, status); },
                        [this](const ShardCommit& commit) { readings_.Note(commit); },
                        [this](std::chrono::nanoseconds took) {
                          metrics_.commit_seconds.Observe(std::chrono::duration<double>(took).count());
                        },
                    });
  alarms_ = std::make_unique<AlarmClock>(
      loop_, store_.get(), [this](const DueAlarm& alarm, ShardId shard) { OnAlarm(alarm, shard); });
  awaited_ = std::make_unique<Awaited>(loop_);
  ev_prepare_start(loop_, &turn_end_);
  ev_timer_start(loop_, &grace_timer_);
  started.set_value();

  {
    const LoopLag lag(loop_, &metrics_.loop_lag);
    ev_run(loop_, 0);
  }

  requests_.Close();
  config_.suspects->Leave(this);
  room_ = {};
  suspects_.clear();
  ev_prepare_stop(loop_, &turn_end_);
  for (ev_timer* timer : {&hibernation_timer_, &grace_timer_, &let_in_timer_, &retry_timer_, &lease_timer_})
    ev_timer_stop(loop_, timer);
  awaited_.reset();
  alarms_.reset();
  links_.reset();
  store_.reset();
  drowsy_.clear();
  by_idle_time_.clear();
  shards_.clear();
}

void Lane::OnTurnEnd() {
  awaited_->Look();
  if (!drowsy_.empty()) LetDrowsySleep();
  if (by_idle_time_.size() > config_.max_awake) LetIdlestSleep();
  if (!room_.empty()) LetInSoon();
  if (holding_ && room_.bytes() < kGoOnBytes) {
    holding_ = false;
    links_->Hold(false);
  }
  commits_->Flush();
  // Before the answers leave that say so: who gets one finds this process not ready.
  ReportStore();
  links_->Flush();
  commits_->Flush();  // the links may have given a gateway up
  const GatewayLinks::Traffic traffic = links_->traffic();
  metrics_.gateways.Set(static_cast<double>(traffic.gateways));
  metrics_.unacknowledged_bytes.Set(static_cast<double>(traffic.unacknowledged_bytes));
  metrics_.hubs_waiting.Set(static_cast<double>(room_.size()));
  metrics_.hubs_awake.Set(static_cast<double>(by_idle_time_.size()));
  metrics_.alarms_ringing.Set(static_cast<double>(alarms_->ringing()));
  metrics_.event_bytes.Increment(static_cast<double>(std::exchange(event_bytes_, 0)));
  metrics_.delivery_bytes.Increment(static_cast<double>(std::exchange(delivery_bytes_, 0)));
}

void Lane::ReportStore() {
  const StoreState state = store_->state();
  metrics_.store_healthy.Set(state == StoreState::kWell ? 1 : 0);
  StoreReport now{state, state == StoreState::kWell ? "" : store_->trouble()};
  if (now == store_report_) return;
  if (state != store_report_.state && store_was_well_) {
    constexpr std::array kStates = {"well again", "serving in part only", "refusing changes", "away"};
    const LogAbout about({.lane = config_.lane});
    SPDLOG_WARN("the store is {}{}{}", kStates[static_cast<size_t>(state)], now.trouble.empty() ? "" : ": ",
                now.trouble);
  }
  store_was_well_ |= state == StoreState::kWell;
  const std::lock_guard lock(store_report_mutex_);
  store_report_ = std::move(now);
}

Lane::StoreReport Lane::store_report() const {
  const std::lock_guard lock(store_report_mutex_);
  return store_report_;
}

// --- Events.

ServedShard* Lane::Find(ShardId shard) {
  const auto it = shards_.find(shard);
  return it == shards_.end() ? nullptr : &it->second;
}

bool Lane::IsKnownClass(std::string_view hub) const {
  if (classes_->Find(HubClassOf(hub)) != nullptr) return true;
  const LogAbout about({.lane = config_.lane, .hub = hub});
  SPDLOG_WARN("there is no such hub class");
  return false;
}

AwakeHub* Lane::Wake(std::string_view name, ShardId id, ServedShard* shard) {
  auto hub = std::make_shared<AwakeHub>(std::string(name), ShardEpoch{id, shard->epoch},
                                        classes_->Find(HubClassOf(name)), static_cast<HubHost*>(this));
  hub->place = by_idle_time_.insert(by_idle_time_.end(), hub.get());
  if (!ev_is_active(&hibernation_timer_)) {
    ev_timer_set(&hibernation_timer_, Seconds(config_.hibernate_after.count()), 0);
    ev_timer_start(loop_, &hibernation_timer_);
  }
  metrics_.hubs_awake.Set(static_cast<double>(by_idle_time_.size()));
  const LogAbout about({.lane = config_.lane, .shard = id, .hub = name});
  SPDLOG_DEBUG("wakes");
  metrics_.wakes.Increment();
  return shard->hubs.emplace(std::string(name), std::move(hub)).first->second.get();
}

void Lane::Touch(AwakeHub* hub) { by_idle_time_.splice(by_idle_time_.end(), by_idle_time_, hub->place); }

void Lane::OnEvent(GatewayId gateway, const EventView& event) {
  if (stopping_) return;  // not released: it stays with its gateway
  ServedShard* shard = Find(event.shard);
  if (shard == nullptr || event.epoch != shard->epoch) {
    const LogAbout about({.lane = config_.lane, .shard = event.shard});
    SPDLOG_DEBUG("passed over an event of epoch {}", event.epoch);
    return;
  }
  metrics_.events.Increment();
  event_bytes_ += event.payload.size();
  event::FromGateway taken = EventOf(gateway, event);
  if (ShardOf(event.hub, config_.shard_count) != event.shard) {
    {
      const LogAbout about(
          {.lane = config_.lane, .shard = event.shard, .hub = event.hub, .connection = taken.connection()});
      SPDLOG_ERROR("gateway {:x} sent an event of this hub, which is not of this shard: it is dropped",
                   gateway);
    }
    metrics_.unreadable.Increment();
    return Refuse({event.shard, event.epoch}, std::move(taken), "This could not be handed on");
  }
  if (event.repeated) taken.attempts = shard->attempts;
  Handle(event.hub, event.shard, shard, std::move(taken));
}

void Lane::Handle(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event) {
  if (shard->waiting.empty() && MayServe(*shard)) return Take(hub, id, shard, std::move(event));
  shard->waiting.push_back({std::string(hub), std::move(event)});
  if (!shard->retired) AwaitLease();
}

void Lane::Take(std::string_view hub, ShardId id, ServedShard* shard, HubEvent event) {
  if (const auto it = shard->hubs.find(hub); it != shard->hubs.end()) {
    return it->second->Deliver(std::move(event));
  }
  const ShardEpoch shard_epoch{id, shard->epoch};
  if (room_.Append(hub, shard_epoch, &event)) return;
  if (!IsKnownClass(hub)) {
    const event::FromGateway* const from = FindUnsettled(event);
    const bool opens = from != nullptr && from->kind == EventKind::kOpen;
    return Refuse(shard_epoch, event, opens ? "No such hub class" : "");
  }
  const WaitingRoom::Line line = LineOf(event);
  if (room_.IsFree(line) && line != WaitingRoom::Line::kSuspect && fibers_.MaySuspend() && fibers_.MayRun()) {
    return Wake(hub, id, shard)->Deliver(std::move(event));
  }
  room_.Add(hub, shard_epoch, std::move(event));
  if (room_.bytes() > kHoldBytes && !std::exchange(holding_, true)) links_->Hold(true);
}

void Lane::Refuse(const ShardEpoch& shard, const HubEvent& event, std::string_view close_reason) {
  EventOutput refusal;
  refusal.shard = shard.shard;
  refusal.epoch = shard.epoch;
  if (const event::FromGateway* const from = FindUnsettled(event)) {
    refusal.cause = {from->gateway, shard.shard, from->sequence};
    if (!close_reason.empty()) {
      refusal.outputs.push_back(
          {DeliveryKind::kClose, {{from->connection(), {}}}, false, ClosePayload(1011, close_reason)});
    }
  }
  Release(std::move(refusal));
}

void Lane::HandleWaiting(ShardId id) {
  ServedShard* shard = Find(id);
  while (shard != nullptr && !shard->waiting.empty() && MayServe(*shard)) {
    ServedShard::Waiting next = std::move(shard->waiting.front());
    shard->waiting.pop_front();
    Take(next.hub, id, shard, std::move(next.event));
    shard = Find(id);
  }
}

void Lane::OnAlarm(const DueAlarm& alarm, ShardId id) {
  const std::string& hub = alarm.hub;
  ServedShard* shard = Find(id);
  if (shard == nullptr || !MayServe(*shard)) {
    alarms_->Done(hub, id, 0);
    if (shard == nullptr || shard->retired) return;  // Resume looks again
    shard->alarm_waits = true;
    return AwaitLease();
  }
  if (!IsKnownClass(hub)) return alarms_->Ran(hub);  // rings no more
  // What it changes could not be made durable, and what changes nothing would have to wait behind it.
  if (!store_->healthy()) return alarms_->Done(hub, id, WallMs() + kAlarmLaterMs);
  metrics_.alarms.Increment();
  metrics_.alarm_lateness.Observe(Seconds(WallMs() - alarm.due_ms));
  event::AlarmDue event;
  if (alarm.due_ms <= shard->claimed_ms) event.attempts = shard->attempts;
  Take(hub, id, shard, event);
}

// --- The lease.

void Lane::AwaitLease() {
  if (!ev_is_active(&lease_timer_)) ev_timer_again(loop_, &lease_timer_);
}

void Lane::OnLeaseTimer() {
  if (!config_.lease->IsGood()) return;
  ev_timer_stop(loop_, &lease_timer_);
  if (std::exchange(gone_waits_, false)) EndConnectionsOfGoneGateways();
  if (!yielded_.empty() || !room_.empty()) LetInSoon();
  if (!to_retry_.empty()) OnRetryTimer();
  std::vector<ShardId> waiting;
  for (auto& [id, shard] : shards_) {
    if (shard.retired) continue;
    if (std::exchange(shard.alarm_waits, false)) alarms_->AddShard(id);
    if (!shard.waiting.empty()) waiting.push_back(id);
  }
  for (const ShardId id : waiting) HandleWaiting(id);
  for (const ShardId id : waiting) {
    const ServedShard* shard = Find(id);
    if (shard != nullptr && !shard->retired && !shard->waiting.empty()) AwaitLease();  // it ran out again
  }
}

// --- Shards.

void Lane::Serve(const std::vector<TakenShard>& shards) {
  std::vector<ShardEpoch> taken;
  std::vector<ShardId> resumed;
  size_t suspect = 0;
  for (const TakenShard& each : shards) {
    if (const ServedShard* known = Find(each.shard); known != nullptr) {
      if (known->epoch > each.epoch) {
        const LogAbout about({.lane = config_.lane, .shard = each.shard});
        SPDLOG_WARN("it is served in epoch {} already, not in {}", known->epoch, each.epoch);
        continue;
      }
      if (known->epoch == each.epoch) {
        resumed.push_back(each.shard);
        continue;
      }
      Forget(each.shard);
    }
    ServedShard& shard = shards_[each.shard];
    shard.epoch = each.epoch;
    shard.claimed_ms = WallMs();
    links_->SetCommits(each.shard, each.commits);
    if (config_.max_attempts != 0 && each.crashes + 1 >= config_.max_attempts) {
      shard.attempts = each.crashes + 1;
      ++suspect;
    }
    taken.push_back({each.shard, each.epoch});
  }
  if (suspect > 0) {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_WARN(
        "{} shards come from owners that died, {} or more in a row; what was under way there is tried one by "
        "one",
        suspect, config_.max_attempts - 1);
  }
  CountShards();
  if (!resumed.empty()) Resume(resumed);
  if (taken.empty()) return;
  links_->Own(taken);
  for (const ShardEpoch& each : taken) alarms_->AddShard(each.shard);
}

void Lane::Retire(const std::vector<ShardId>& shards, Duration patience, std::function<void()> done) {
  std::vector<ShardEpoch> retired;
  for (const ShardId id : shards) {
    ServedShard* shard = Find(id);
    if (shard == nullptr) continue;
    shard->retired = true;
    alarms_->PauseShard(id);
    retired.push_back({id, shard->epoch});
  }
  if (retired.empty()) return done();
  // Not begun: it waits as what comes from now on does, before that.
  for (WaitingRoom::Waiter& sleeper : room_.Extract(retired)) {
    ServedShard* const shard = Find(sleeper.shard.shard);
    for (HubEvent& event : sleeper.events) {
      if (FindUnsettled(event) != nullptr) {
        shard->waiting.push_back({sleeper.name, std::move(event)});
      } else if (Is<event::AlarmDue>(event)) {
        alarms_->Done(sleeper.name, sleeper.shard.shard, 0);
      }
    }
  }
  const int64_t deadline_ms = SteadyMs() + patience.count();
  awaited_->Add([this, retired] { return LetSleep(retired); }, deadline_ms,
                [this, retired, deadline_ms, done = std::move(done)](bool in_time) {
                  if (!in_time) return done();
                  Quiesce(retired, deadline_ms, done);
                });
}

bool Lane::LetSleep(const std::vector<ShardEpoch>& shards) {
  bool all_gone = true;
  for (const ShardEpoch& each : shards) {
    ServedShard* shard = Find(each.shard);
    // Lost or taken anew: none of that epoch is here.
    if (shard == nullptr || shard->epoch != each.epoch || !shard->retired) continue;
    for (auto it = shard->hubs.begin(); it != shard->hubs.end();) {
      AwakeHub* hub = (it++)->second.get();
      if (hub->CanSleep()) LeaveMemory(shard, hub);
    }
    all_gone = all_gone && shard->hubs.empty();
  }
  return all_gone;
}

void Lane::Quiesce(std::vector<ShardEpoch> shards, int64_t deadline_ms, std::function<void()> done) {
  // Those that are still to be handed over.
  std::erase_if(shards, [this](const ShardEpoch& each) {
    const ServedShard* shard = Find(each.shard);
    return shard == nullptr || shard->epoch != each.epoch || !shard->retired;
  });
  if (shards.empty()) return done();
  const auto once = std::make_shared<std::function<void()>>(std::move(done));
  const auto finish = [once] {
    if (const auto run = std::exchange(*once, nullptr)) run();
  };
  links_->Quiesce(shards, finish);
  awaited_->Add([once] { return !*once; }, deadline_ms, [finish](bool) { finish(); });
}

void Lane::Resume(const std::vector<ShardId>& shards) {
  for (const ShardId id : shards) {
    ServedShard* shard = Find(id);
    if (shard == nullptr || !std::exchange(shard->retired, false)) continue;
    alarms_->AddShard(id);
    HandleWaiting(id);
    shard = Find(id);
    if (shard != nullptr && !shard->waiting.empty()) AwaitLease();
  }
}

void Lane::Drop(const std::vector<ShardEpoch>& shards) {
  for (const ShardEpoch& each : shards) {
    const ServedShard* shard = Find(each.shard);
    if (shard != nullptr && shard->epoch <= each.epoch) Forget(each.shard);
  }
  CountShards();
}

void Lane::Forget(ShardId id) {
  auto node = shards_.extract(id);
  if (node.empty()) return;
  alarms_->RemoveShard(id);
  for (const auto& [name, hub] : node.mapped().hubs) {
    by_idle_time_.erase(hub->place);
    hub->Depose();
  }
  links_->Disown({id});
}

void Lane::OnFenced(const ShardEpoch& shard) {
  metrics_.commits_fenced.Increment();
  const ServedShard* served = Find(shard.shard);
  if (served == nullptr || served->epoch != shard.epoch) return;
  {
    const LogAbout about({.lane = config_.lane, .shard = shard.shard});
    SPDLOG_WARN("it has another owner, or is not what it was; what was not durable goes there");
  }
  Forget(shard.shard);
  CountShards();
  config_.fenced(shard);
}

void Lane::CountShards() { metrics_.shards_owned.Set(static_cast<double>(shards_.size())); }

// --- What hubs want of the lane.

void Lane::Release(EventOutput output) {
  metrics_.deliveries.Increment(static_cast<double>(output.outputs.size()));
  for (const Output& each : output.outputs) delivery_bytes_ += each.payload.size();
  links_->Release(std::move(output));
}

void Lane::OnGatewayGone(GatewayId gateway, const std::vector<std::string>& owed) {
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_INFO("gateway {:x} is gone", gateway);
  }
  metrics_.gateways_given_up.Increment();
  EndConnectionsOfGoneGateways();
  // A hub that sleeps hears of it when it wakes. That is too late for what it sent before it fell asleep: the
  // gateway may be back by then, with its sockets, and without that.
  for (const std::string& hub : owed) {
    const ShardId id = ShardOf(hub, config_.shard_count);
    ServedShard* shard = Find(id);
    if (shard == nullptr || shard->hubs.contains(hub)) continue;
    Handle(hub, id, shard, event::GatewayGone{gateway});
  }
}

void Lane::OnGatewayBack(GatewayId gateway) {
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_INFO("gateway {:x} is back, though it was given up", gateway);
  }
  ++roll_generation_;  // for hubs that sleep
  for (AwakeHub* hub : std::vector<AwakeHub*>(by_idle_time_.begin(), by_idle_time_.end()))
    hub->CallRoll(gateway);
}

// Gateways that vanished before this process started never had a stream here, so nobody reports them.
void Lane::OnGraceEnd() { EndConnectionsOfGoneGateways(); }

void Lane::EndConnectionsOfGoneGateways() {
  if (!config_.lease->IsGood()) {
    gone_waits_ = true;
    return AwaitLease();
  }
  for (AwakeHub* hub : std::vector<AwakeHub*>(by_idle_time_.begin(), by_idle_time_.end())) {
    hub->EndGoneGateways();
  }
}

void Lane::LeaveMemory(ServedShard* shard, AwakeHub* hub) {
  const LogAbout about({.lane = config_.lane, .shard = hub->shard().shard, .hub = hub->name()});
  SPDLOG_DEBUG("falls asleep");
  by_idle_time_.erase(hub->place);
  metrics_.hibernations.Increment();
  ++hibernated_since_trim_;
  shard->hubs.erase(hub->name());
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
    LeaveMemory(&shards_.at(hub->shard().shard), hub);
  }
  for (AwakeHub* hub : busy) hub->place = by_idle_time_.insert(by_idle_time_.end(), hub);
  if (hibernated_since_trim_ >=
      (by_idle_time_.empty() ? kLastHubsWorthTrimming : std::max(kHubsWorthTrimming, by_idle_time_.size()))) {
    hibernated_since_trim_ = 0;
    malloc_trim(0);  // asleep means gone for the machine, too
  }
  if (by_idle_time_.empty()) return;
  // A busy hub may be the only one: look again after a whole period then.
  const int64_t wait_ms = by_idle_time_.front()->idle_since_ms() - asleep_if_idle_since;
  ev_timer_set(&hibernation_timer_, Seconds(wait_ms > 0 ? wait_ms : config_.hibernate_after.count()), 0);
  ev_timer_start(loop_, &hibernation_timer_);
}

void Lane::LetDrowsySleep() {
  for (const std::shared_ptr<AwakeHub>& hub : std::exchange(drowsy_, {})) {
    const auto shard = shards_.find(hub->shard().shard);
    if (shard == shards_.end() || !hub->IsDrowsy() || !hub->CanSleep()) continue;
    const auto it = shard->second.hubs.find(hub->name());
    if (it != shard->second.hubs.end() && it->second == hub) LeaveMemory(&shard->second, hub.get());
  }
}

void Lane::LetIdlestSleep() {
  size_t left = std::min(by_idle_time_.size(), kLookedAtPerTurn);
  for (; left > 0 && by_idle_time_.size() > config_.max_awake; --left) {
    AwakeHub* hub = by_idle_time_.front();
    if (hub->CanSleep()) {
      LeaveMemory(&shards_.at(hub->shard().shard), hub);
    } else {
      Touch(hub);
    }
  }
}

void Lane::Change(const Changes& changes) {
  config_.hibernate_after = changes.hibernate_after;
  config_.limits = changes.limits;
  config_.max_awake = changes.max_awake;
  if (changes.classes != nullptr) {
    changed_classes_.push_back(changes.classes);
    classes_ = changes.classes.get();
    for (AwakeHub* hub : by_idle_time_) hub->ChangeClass(classes_->Find(HubClassOf(hub->name())));
    std::erase_if(changed_classes_, [this](const auto& classes) {
      return classes.get() != classes_ && std::ranges::none_of(by_idle_time_, [&](const AwakeHub* hub) {
               return hub->hub_class() == classes->Find(HubClassOf(hub->name()));
             });
    });
  }
  if (stopping_) return;
  ev_timer_stop(loop_, &hibernation_timer_);
  OnHibernationTimer();
}

// --- Who waits.

void Lane::Yield() {
  yielded_.push_back(fibers_.current());
  LetInSoon();
  if (!fibers_.Pause()) yielded_.pop_back();
}

WaitingRoom::Open Lane::Open() {
  return {.room = fibers_.MaySuspend(), .suspects = suspects_.size() < kSuspectsInMemory};
}

bool Lane::IsOverdue(int64_t now_ms) const {
  const int64_t since_ms = store_->healthy() ? 0 : room_.OldestMs();
  return since_ms != 0 && now_ms - since_ms >= config_.store_timeout.count();
}

void Lane::LetInSoon() {
  const bool armed = ev_is_active(&let_in_timer_);
  if (armed && !let_in_later_) return;
  if (!config_.lease->IsGood()) return AwaitLease();
  double wait_s = 0;
  if (!fibers_.MayRun()) {
    wait_s = kNoFiberSeconds;
  } else if (yielded_.empty() && !room_.HasNext(Open()) && !IsOverdue(SteadyMs())) {
    if (store_->healthy()) return;  // a fiber that ends makes room
    wait_s = kOverdueLookSeconds;
  }
  let_in_later_ = wait_s > 0;
  if (armed && let_in_later_) return;
  ev_timer_stop(loop_, &let_in_timer_);
  ev_timer_set(&let_in_timer_, wait_s, 0);
  ev_timer_start(loop_, &let_in_timer_);
}

void Lane::OnLetInTimer() {
  if (!config_.lease->IsGood()) return AwaitLease();
  let_in_later_ = false;
  size_t yielded = yielded_.size();
  size_t waiting = room_.size();
  const int64_t end_ms = SteadyMs() + kLetInMs;
  for (int64_t now_ms = SteadyMs(); now_ms < end_ms && yielded + waiting > 0; now_ms = SteadyMs()) {
    if (yielded > 0) {
      --yielded;
      Fiber* const fiber = yielded_.front();
      yielded_.pop_front();
      fibers_.Resume(fiber);
    }
    if (waiting == 0) continue;
    --waiting;
    const WaitingRoom::Open open = Open();
    if (!fibers_.MayRun()) {
      waiting = 0;
    } else if (room_.HasNext(open)) {
      LetIn(room_.Next(open), true);
    } else if (IsOverdue(now_ms)) {
      LetIn(room_.TakeOldest(), false);
    } else {
      waiting = 0;
    }
  }
  if (!yielded_.empty() || !room_.empty()) LetInSoon();
}

void Lane::LetIn(WaitingRoom::Waiter waiter, bool may_wait) {
  if (waiter.hub != nullptr) return waiter.hub->Run(may_wait);
  ServedShard* const shard = Find(waiter.shard.shard);
  if (shard == nullptr || shard->epoch != waiter.shard.epoch) return;
  Wake(waiter.name, waiter.shard.shard, shard)->Start(std::move(waiter.events), may_wait);
}

void Lane::RetrySoon(std::shared_ptr<AwakeHub> hub) {
  to_retry_.push_back(std::move(hub));
  if (ev_is_active(&retry_timer_)) return;
  ev_timer_set(&retry_timer_, kRetrySeconds, 0);
  ev_timer_start(loop_, &retry_timer_);
}

void Lane::OnRetryTimer() {
  if (!config_.lease->IsGood()) return AwaitLease();
  // In vain, and what changes nothing would have to wait behind it.
  if (!store_->healthy()) {
    ev_timer_set(&retry_timer_, kRetrySeconds, 0);
    return ev_timer_start(loop_, &retry_timer_);
  }
  for (const std::shared_ptr<AwakeHub>& hub : std::exchange(to_retry_, {})) hub->Retry();
}

void Lane::AwaitSuspectTurn(std::shared_ptr<AwakeHub> hub) {
  suspects_.push_back(std::move(hub));
  if (!suspect_asked_) AskForSuspectTurn();
}

void Lane::AskForSuspectTurn() {
  suspect_asked_ = true;
  // Not within the hub's call, however soon it is.
  if (config_.suspects->Ask(this, [this] { ev_async_send(loop_, &suspect_turn_); }))
    ev_async_send(loop_, &suspect_turn_);
}

void Lane::OnSuspectTurn() {
  const std::shared_ptr<AwakeHub> hub = std::move(suspects_.front());
  suspects_.pop_front();
  hub->OnSuspectTurn();
}

void Lane::EndSuspectTurn() {
  suspect_asked_ = false;
  config_.suspects->GiveBack();
  if (!suspects_.empty()) AskForSuspectTurn();
}

void Lane::AlarmDone(const std::string& hub, ShardId shard, int64_t next_due_ms) {
  alarms_->Done(hub, shard, next_due_ms);
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
