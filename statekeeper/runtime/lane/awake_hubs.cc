#include "statekeeper/runtime/lane/awake_hubs.h"

#include <malloc.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

// Hubs that must have left memory before it is worth handing their pages back to the system: while others are
// awake, and when the last is gone.
constexpr size_t kHubsWorthTrimming = 1000;
constexpr size_t kLastHubsWorthTrimming = 100;
// Hubs that are looked at in one turn because too many are in memory.
constexpr size_t kLookedAtPerTurn = 1000;

}  // namespace

AwakeHubs::AwakeHubs(struct ev_loop* loop, const Config& config, const HubClassRegistry* classes,
                     HubHost* host, LaneMetrics* metrics)
    : loop_(loop),
      config_(config),
      classes_(classes),
      first_classes_(classes),
      host_(host),
      metrics_(metrics) {
  ev_timer_init(&timer_, &AwakeHubs::OnTimer, 0, 0);
  timer_.data = this;
  Begin(*classes_);
}

AwakeHubs::~AwakeHubs() {
  ev_timer_stop(loop_, &timer_);
  End(*first_classes_);
  for (const auto& changed : changed_classes_) End(*changed);
}

void AwakeHubs::Begin(const HubClassRegistry& classes) {
  for (const auto& [name, hub_class] : classes.all()) hub_class->BeginLane(config_.lane, loop_);
}

void AwakeHubs::End(const HubClassRegistry& classes) {
  for (const auto& [name, hub_class] : classes.all()) hub_class->EndLane(config_.lane);
}

ServedShard* AwakeHubs::Find(ShardId shard) {
  const auto it = shards_.find(shard);
  return it == shards_.end() ? nullptr : &it->second;
}

void AwakeHubs::Remove(ShardId shard) {
  const auto node = shards_.extract(shard);
  if (node.empty()) return;
  for (const auto& [name, hub] : node.mapped().hubs) {
    by_idle_time_.erase(hub->place);
    hub->Depose();
  }
}

AwakeHub* AwakeHubs::Find(const std::string& hub, const ShardEpoch& shard) {
  ServedShard* const served = Find(shard.shard);
  if (served == nullptr || served->epoch != shard.epoch) return nullptr;
  const auto it = served->hubs.find(hub);
  return it == served->hubs.end() ? nullptr : it->second.get();
}

bool AwakeHubs::AreIdle(bool abandon) const {
  return std::ranges::all_of(by_idle_time_, [abandon](const AwakeHub* hub) {
    return hub->CanSleep() || (abandon && hub->CanBeAbandoned());
  });
}

AwakeHub* AwakeHubs::Wake(std::string_view name, const ShardEpoch& shard) {
  auto hub = std::make_shared<AwakeHub>(std::string(name), shard, FindClass(name), host_);
  hub->place = by_idle_time_.insert(by_idle_time_.end(), hub.get());
  if (!ev_is_active(&timer_)) ArmIn(config_.hibernate_after.count());
  metrics_->hubs_awake.Set(static_cast<double>(by_idle_time_.size()));
  const LogAbout about({.lane = config_.lane, .shard = shard.shard, .hub = name});
  SPDLOG_DEBUG("wakes");
  metrics_->wakes.Increment();
  return shards_.at(shard.shard).hubs.emplace(std::string(name), std::move(hub)).first->second.get();
}

void AwakeHubs::Sleep(AwakeHub* hub) {
  const LogAbout about({.lane = config_.lane, .shard = hub->shard().shard, .hub = hub->name()});
  SPDLOG_DEBUG("falls asleep");
  by_idle_time_.erase(hub->place);
  metrics_->hibernations.Increment();
  ++hibernated_since_trim_;
  shards_.at(hub->shard().shard).hubs.erase(hub->name());
}

bool AwakeHubs::LetSleep(const std::vector<ShardEpoch>& shards, bool abandon) {
  bool all_gone = true;
  for (const ShardEpoch& each : shards) {
    ServedShard* const shard = Find(each.shard);
    // Lost or taken anew: none of that epoch is here.
    if (shard == nullptr || shard->epoch != each.epoch || !shard->retired) continue;
    for (auto it = shard->hubs.begin(); it != shard->hubs.end();) {
      AwakeHub* const hub = (it++)->second.get();
      if (abandon && hub->CanBeAbandoned()) {
        std::vector<HubEvent> events = hub->Abandon();
        for (auto event = events.rbegin(); event != events.rend(); ++event)
          shard->waiting.push_front({hub->name(), std::move(*event)});
      }
      if (hub->CanSleep()) Sleep(hub);
    }
    all_gone = all_gone && shard->hubs.empty();
  }
  return all_gone;
}

// --- Who leaves by itself.

void AwakeHubs::ArmIn(int64_t ms) {
  if (!hibernates_) return;
  ev_timer_set(&timer_, static_cast<double>(std::max<int64_t>(ms, 0)) / 1000, 0);
  ev_timer_start(loop_, &timer_);
}

void AwakeHubs::OnTimer(struct ev_loop*, ev_timer* timer, int) {
  static_cast<AwakeHubs*>(timer->data)->LookAtIdlest();
}

void AwakeHubs::LookAtIdlest() {
  const int64_t asleep_if_idle_since = SteadyMs() - config_.hibernate_after.count();
  std::vector<AwakeHub*> busy;
  while (!by_idle_time_.empty()) {
    AwakeHub* const hub = by_idle_time_.front();
    if (hub->idle_since_ms() > asleep_if_idle_since) break;
    if (!hub->CanSleep()) {
      by_idle_time_.pop_front();
      busy.push_back(hub);
      continue;
    }
    Sleep(hub);
  }
  for (AwakeHub* const hub : busy) hub->place = by_idle_time_.insert(by_idle_time_.end(), hub);
  if (hibernated_since_trim_ >=
      (by_idle_time_.empty() ? kLastHubsWorthTrimming : std::max(kHubsWorthTrimming, by_idle_time_.size()))) {
    hibernated_since_trim_ = 0;
    malloc_trim(0);  // asleep means gone for the machine, too
  }
  if (by_idle_time_.empty()) return;
  // A busy hub may be the only one: look again after a whole period then.
  const int64_t wait_ms = by_idle_time_.front()->idle_since_ms() - asleep_if_idle_since;
  ArmIn(wait_ms > 0 ? wait_ms : config_.hibernate_after.count());
}

void AwakeHubs::OnTurnEnd() {
  if (!drowsy_.empty()) LetDrowsySleep();
  if (by_idle_time_.size() > config_.max_awake) LetIdlestSleep();
}

void AwakeHubs::LetDrowsySleep() {
  for (const std::shared_ptr<AwakeHub>& hub : std::exchange(drowsy_, {})) {
    if (hub->IsDrowsy() && hub->CanSleep() && Find(hub->name(), hub->shard()) == hub.get()) Sleep(hub.get());
  }
}

void AwakeHubs::LetIdlestSleep() {
  size_t left = std::min(by_idle_time_.size(), kLookedAtPerTurn);
  for (; left > 0 && by_idle_time_.size() > config_.max_awake; --left) {
    AwakeHub* const hub = by_idle_time_.front();
    if (hub->CanSleep()) {
      Sleep(hub);
    } else {
      Touch(hub);
    }
  }
}

// --- What may change.

std::vector<std::string> AwakeHubs::ClassNames() const {
  std::vector<std::string> names;
  for (const auto& [name, hub_class] : classes_->all()) names.push_back(name);
  return names;
}

void AwakeHubs::Change(Duration hibernate_after, size_t max_awake,
                       std::shared_ptr<const HubClassRegistry> classes) {
  config_.hibernate_after = hibernate_after;
  config_.max_awake = max_awake;
  if (classes != nullptr) ChangeClasses(std::move(classes));
  if (!hibernates_) return;
  ev_timer_stop(loop_, &timer_);
  LookAtIdlest();
}

void AwakeHubs::ChangeClasses(std::shared_ptr<const HubClassRegistry> changed) {
  classes_ = changed.get();
  Begin(*classes_);
  changed_classes_.push_back(std::move(changed));
  for (AwakeHub* const hub : by_idle_time_) hub->ChangeClass(FindClass(hub->name()));
  std::erase_if(changed_classes_, [this](const auto& classes) {
    const bool unused =
        classes.get() != classes_ && std::ranges::none_of(by_idle_time_, [&](const AwakeHub* hub) {
          return hub->hub_class() == classes->Find(HubClassOf(hub->name()));
        });
    if (unused) End(*classes);
    return unused;
  });
}

void AwakeHubs::StopHibernation() {
  hibernates_ = false;
  ev_timer_stop(loop_, &timer_);
}

}  // namespace dormouse
