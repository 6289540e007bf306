#include "statekeeper/runtime/lane/lane_host.h"

#include <chrono>

namespace dormouse {

LaneHost::LaneHost(struct ev_loop* loop, const LaneConfig& config, const HubClassRegistry* classes,
                   std::unique_ptr<Store> store, std::unique_ptr<GatewayLinks> links, StoreWatch* store_watch,
                   LaneMetrics* metrics)
    : config_(config),
      store_watch_(store_watch),
      metrics_(metrics),
      fibers_(config.max_handlers),
      calls_(loop, config.caller, &fibers_, config.max_handlers / 2),
      hubs_(loop, {config.lane, config.hibernate_after, config.max_awake}, classes, this, metrics),
      store_(std::move(store)),
      links_(std::move(links)),
      suspects_(loop, config.suspects),
      lease_(loop, config.lease, [this] { OnLeaseRenewed(); }),
      scheduler_(loop, {store_.get(), &fibers_, &hubs_, &suspects_, &lease_, links_.get()},
                 config.store_timeout),
      alarms_(loop, store_.get(),
              [this](const DueAlarm& alarm, ShardId shard) { router_.OnAlarm(alarm, shard); }),
      router_(config, {&hubs_, &scheduler_, &lease_, &alarms_, store_.get(), this, metrics}),
      gateways_(loop, config, &hubs_, &router_, &lease_),
      shards_(config, {&hubs_, &scheduler_.room(), &router_, &alarms_, links_.get(), &awaited_, metrics}),
      accounts_({store_.get(), &fibers_, &hubs_, links_.get(), metrics},
                [this](const ShardEpoch& shard) { shards_.OnFenced(shard); }),
      commits_(store_.get(), CommitCallbacks()),
      operators_(config, {&hubs_, &scheduler_.room(), &router_, &awaited_, this}),
      reader_(config, {&hubs_, &router_, &accounts_, this}),
      restorer_(config, {&hubs_, &scheduler_.room(), &awaited_, &alarms_, &accounts_, &reader_, this}),
      awaited_(loop) {
  store_watch_->Look(*store_);
}

LaneHost::~LaneHost() = default;

CommitGroup::Callbacks LaneHost::CommitCallbacks() {
  return {
      [this](ShardId shard, int64_t due_ms) { alarms_.Note(shard, due_ms); },
      [this](const ShardEpoch& shard) { shards_.OnFenced(shard); },
      [this](const ShardEpoch& shard, StoreStatus status) { accounts_.OnAnswered(shard, status); },
      [this](const ShardCommit& commit) { accounts_.OnLeaving(commit); },
      [this](std::chrono::nanoseconds took) {
        metrics_->commit_seconds.Observe(std::chrono::duration<double>(took).count());
      },
  };
}

void LaneHost::OnTurnEnd() {
  awaited_.Poll();
  hubs_.OnTurnEnd();
  scheduler_.OnTurnEnd();
  commits_.Flush();
  // Before the answers leave that say so: who gets one finds this process not ready.
  store_watch_->Look(*store_);
  links_->Flush();
  commits_.Flush();  // the links may have given a gateway up
  router_.CountTurn();
  SetGauges();
}

void LaneHost::SetGauges() {
  const GatewayLinks::Traffic traffic = links_->traffic();
  metrics_->gateways.Set(static_cast<double>(traffic.gateways));
  metrics_->unacknowledged_bytes.Set(static_cast<double>(traffic.unacknowledged_bytes));
  metrics_->hubs_waiting.Set(static_cast<double>(scheduler_.room().size()));
  metrics_->hubs_awake.Set(static_cast<double>(hubs_.size()));
  metrics_->alarms_ringing.Set(static_cast<double>(alarms_.ringing()));
  metrics_->delivery_bytes.Increment(static_cast<double>(std::exchange(delivery_bytes_, 0)));
}

void LaneHost::Release(EventOutput output) {
  metrics_->deliveries.Increment(static_cast<double>(output.outputs.size()));
  for (const Output& each : output.outputs) delivery_bytes_ += each.payload.size();
  links_->Release(std::move(output));
}

void LaneHost::OnLeaseRenewed() {
  gateways_.OnLeaseRenewed();
  scheduler_.OnLeaseRenewed();
  router_.OnLeaseRenewed();
}

}  // namespace dormouse
