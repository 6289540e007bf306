#include "statekeeper/runtime/lane/operator_calls.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/clock.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_report.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

constexpr size_t kMostAtOnce = 1000;
// How long a hub may take to come to rest; and to close its sockets, of which there may be many.
constexpr Duration kHibernatePatience{2'000};
constexpr Duration kClosePatience{30'000};

}  // namespace

OperatorStatus StatusOf(StoreStatus status) {
  if (status == StoreStatus::kFenced) return OperatorStatus::kNotOwner;
  return status == StoreStatus::kOk ? OperatorStatus::kOk : OperatorStatus::kStore;
}

OperatorStatus OperatorCalls::Find(const std::string& hub, ShardEpoch* shard) {
  shard->shard = ShardOf(hub, config_.shard_count);
  const ServedShard* const served = parts_.hubs->Find(shard->shard);
  if (served == nullptr || !parts_.router->MayServe(*served)) return OperatorStatus::kNotOwner;
  shard->epoch = served->epoch;
  return parts_.hubs->FindClass(hub) == nullptr ? OperatorStatus::kNoSuchHub : OperatorStatus::kOk;
}

void OperatorCalls::ListHubs(ShardId shard, const std::string& after, size_t limit,
                             LaneOperator::Answer<std::vector<HubSummary>> done) {
  if (parts_.hubs->Find(shard) == nullptr) return done(OperatorStatus::kNotOwner, {});
  limit = std::clamp<size_t>(limit, 1, kMostAtOnce);
  parts_.host->store()->ListHubs(shard, after, limit,
                                 [this, shard, after, limit, done = std::move(done)](
                                     StoreStatus status, std::vector<std::string> names) {
                                   if (status != StoreStatus::kOk) return done(StatusOf(status), {});
                                   const ServedShard* served = parts_.hubs->Find(shard);
                                   if (served == nullptr) return done(OperatorStatus::kNotOwner, {});
                                   // Up to where the store's page goes.
                                   const std::string last = names.size() < limit ? "" : names.back();
                                   std::map<std::string, HubSummary> found;
                                   for (std::string& name : names) found[name] = {name, false, 0};
                                   const int64_t now_ms = SteadyMs();
                                   for (const auto& [name, hub] : served->hubs) {
                                     if (name > after && (last.empty() || name <= last))
                                       found[name] = {name, true, now_ms - hub->idle_since_ms()};
                                   }
                                   std::vector<HubSummary> hubs;
                                   for (auto& [name, summary] : found) {
                                     if (hubs.size() < limit) hubs.push_back(std::move(summary));
                                   }
                                   done(OperatorStatus::kOk, std::move(hubs));
                                 });
}

void OperatorCalls::DescribeHub(const std::string& hub, LaneOperator::Answer<HubReport> done) {
  ShardEpoch shard;
  if (const OperatorStatus status = Find(hub, &shard); status != OperatorStatus::kOk) return done(status, {});
  if (AwakeHub* awake = parts_.hubs->Find(hub, shard); awake != nullptr)
    return awake->Describe(std::move(done));
  parts_.host->store()->Get(hub, {kMetaRow},
                            [hub, shard, done = std::move(done)](
                                StoreStatus status, std::vector<std::optional<std::string>> values) {
                              if (status != StoreStatus::kOk) return done(StatusOf(status), {});
                              stored::HubMeta meta;
                              if (values.empty() || !values[0] || !meta.ParseFromString(*values[0]))
                                return done(OperatorStatus::kNoSuchHub, {});
                              HubReport report = ReportOf(meta);
                              report.hub = hub;
                              report.shard = shard.shard;
                              report.epoch = shard.epoch;
                              done(OperatorStatus::kOk, std::move(report));
                            });
}

void OperatorCalls::ListConnections(const std::string& hub, std::string after, size_t limit,
                                    LaneOperator::Answer<std::vector<ConnectionReport>> done) {
  ShardEpoch shard;
  if (const OperatorStatus status = Find(hub, &shard); status != OperatorStatus::kOk) return done(status, {});
  limit = std::clamp<size_t>(limit, 1, kMostAtOnce);
  if (AwakeHub* awake = parts_.hubs->Find(hub, shard); awake != nullptr)
    return awake->ListConnections(std::move(after), limit, std::move(done));
  FiberPool* const fibers = parts_.host->fibers();
  if (!fibers->MaySuspend() || !fibers->MayRun()) return done(OperatorStatus::kBusy, {});
  fibers->Run([this, hub, after = std::move(after), limit, done = std::move(done)] {
    HandlerClock clock([this] { parts_.host->Yield(); });
    clock.Begin({});
    HubState state({hub, config_.reap_interval}, parts_.host->store(), parts_.host->fibers(), &clock);
    try {
      if (!state.Get(kMetaRow)) return done(OperatorStatus::kNoSuchHub, {});
      done(OperatorStatus::kOk, ConnectionsAfter(after, limit, &state));
    } catch (const StoreAway&) {
      done(OperatorStatus::kStore, {});
    }
  });
}

void OperatorCalls::HibernateHub(const std::string& hub, LaneOperator::Done done) {
  ShardEpoch shard;
  if (const OperatorStatus status = Find(hub, &shard); status != OperatorStatus::kOk) return done(status);
  const auto sleep = [this, hub, shard, done] { AwaitSleep(hub, shard, kHibernatePatience, done); };
  if (parts_.hubs->Find(hub, shard) != nullptr || parts_.room->Has(hub, shard)) return sleep();
  parts_.host->store()->Get(
      hub, {kMetaRow},
      [done, sleep](StoreStatus status, const std::vector<std::optional<std::string>>& values) {
        if (status != StoreStatus::kOk) return done(StatusOf(status));
        if (values.empty() || !values[0]) return done(OperatorStatus::kNoSuchHub);
        sleep();  // it may have woken meanwhile
      });
}

void OperatorCalls::AwaitSleep(const std::string& hub, const ShardEpoch& shard, Duration patience,
                               LaneOperator::Done done) {
  const auto sleeps = [this, hub, shard] {
    AwakeHub* awake = parts_.hubs->Find(hub, shard);
    if (awake == nullptr) return !parts_.room->Has(hub, shard);
    if (!awake->CanSleep()) return false;
    parts_.hubs->Sleep(awake);
    return true;
  };
  parts_.awaited->Add(sleeps, SteadyMs() + patience.count(),
                      [this, shard, done = std::move(done)](bool in_time) {
                        const ServedShard* served = parts_.hubs->Find(shard.shard);
                        if (served == nullptr || served->epoch != shard.epoch)
                          return done(OperatorStatus::kNotOwner);
                        done(in_time ? OperatorStatus::kOk : OperatorStatus::kBusy);
                      });
}

void OperatorCalls::LookAt(const std::string& hub, bool sleep, GatewayLinks::Receiver::Answer answer) {
  if (!sleep) return answer(Look(hub));
  HibernateHub(hub, [this, hub, answer = std::move(answer)](OperatorStatus status) {
    link::Look look = Look(hub);
    if (status == OperatorStatus::kBusy) look.set_status(link::Look::BUSY);
    answer(std::move(look));
  });
}

link::Look OperatorCalls::Look(const std::string& hub) {
  link::Look look;
  ShardEpoch shard;
  const OperatorStatus status = Find(hub, &shard);
  if (status != OperatorStatus::kOk) {
    look.set_status(status == OperatorStatus::kNotOwner ? link::Look::NOT_OWNER : link::Look::NO_SUCH_HUB);
    return look;
  }
  const AwakeHub* const awake = parts_.hubs->Find(hub, shard);
  if (awake == nullptr) return look;
  const int64_t now_ms = SteadyMs();
  look.set_awake(true);
  look.set_awake_ms(now_ms - awake->awake_since_ms());
  look.set_idle_ms(now_ms - awake->idle_since_ms());
  look.set_bytes(awake->bytes());
  look.set_wake_us(static_cast<uint64_t>(awake->wake_us()));
  return look;
}

void OperatorCalls::CloseHub(const std::string& hub, LaneOperator::Done done) {
  ShardEpoch shard;
  if (const OperatorStatus status = Find(hub, &shard); status != OperatorStatus::kOk) return done(status);
  const auto close = [this, hub, shard](LaneOperator::Done then) {
    ServedShard* served = parts_.hubs->Find(shard.shard);
    if (served == nullptr || served->epoch != shard.epoch || !parts_.router->MayServe(*served))
      return then(OperatorStatus::kNotOwner);
    parts_.router->Take(hub, shard.shard, served, event::CloseAll{});
    AwaitSleep(hub, shard, kClosePatience, std::move(then));
  };
  if (parts_.hubs->Find(hub, shard) != nullptr) return close(std::move(done));
  parts_.host->store()->Get(hub, {kMetaRow},
                            [close, done = std::move(done)](StoreStatus status, const auto& values) mutable {
                              if (status != StoreStatus::kOk) return done(StatusOf(status));
                              if (values.empty() || !values[0]) return done(OperatorStatus::kNoSuchHub);
                              close(std::move(done));
                            });
}

}  // namespace dormouse
