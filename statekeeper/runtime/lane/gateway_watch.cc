#include "statekeeper/runtime/lane/gateway_watch.h"

#include <utility>

#include "common/logging.h"

namespace dormouse {

GatewayWatch::GatewayWatch(struct ev_loop* loop, const LaneConfig& config, AwakeHubs* hubs, HubRouter* router,
                           LeaseWatch* lease)
    : loop_(loop), config_(config), hubs_(hubs), router_(router), lease_(lease) {
  // Gateways that vanished before this process started never had a stream here, so nobody reports them.
  ev_timer_init(&grace_timer_, &GatewayWatch::OnGraceEnd,
                static_cast<double>(config_.gateway_grace.count()) / 1000, 0);
  grace_timer_.data = this;
  ev_timer_start(loop_, &grace_timer_);
}

GatewayWatch::~GatewayWatch() { Stop(); }

void GatewayWatch::Stop() { ev_timer_stop(loop_, &grace_timer_); }

void GatewayWatch::OnGraceEnd(struct ev_loop*, ev_timer* timer, int) {
  static_cast<GatewayWatch*>(timer->data)->EndConnections();
}

void GatewayWatch::OnGone(GatewayId gateway, const std::vector<std::string>& owed) {
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_INFO("gateway {:x} is gone", gateway);
  }
  EndConnections();
  // A hub that sleeps hears of it when it wakes. That is too late for what it sent before it fell asleep: the
  // gateway may be back by then, with its sockets, and without that.
  for (const std::string& hub : owed) {
    const ShardId id = ShardOf(hub, config_.shard_count);
    ServedShard* const shard = hubs_->Find(id);
    if (shard == nullptr || shard->hubs.contains(hub)) continue;
    router_->Handle(hub, id, shard, event::GatewayGone{gateway});
  }
}

void GatewayWatch::OnBack(GatewayId gateway) {
  {
    const LogAbout about({.lane = config_.lane});
    SPDLOG_INFO("gateway {:x} is back, though it was given up", gateway);
  }
  ++roll_generation_;  // for hubs that sleep
  for (AwakeHub* const hub : hubs_->All()) hub->CallRoll(gateway);
}

void GatewayWatch::OnLeaseRenewed() {
  if (std::exchange(end_waits_, false)) EndConnections();
}

void GatewayWatch::EndConnections() {
  if (!lease_->IsGood()) {
    end_waits_ = true;
    return lease_->Await();
  }
  for (AwakeHub* const hub : hubs_->All()) hub->EndGoneGateways();
}

}  // namespace dormouse
