// A lane: one thread, one event loop, one store connection, and the hubs of a subset of the shards.
//
//   GatewayLinks --OnEvent--> hub (woken if asleep) --writes--> CommitGroup --> Store
//                                                   --sends---> Release --> GatewayLinks
//
// Each turn of the loop ends with: commits handed to the store, batches written to gateways. Hubs are kept in
// the order of their last activity; one timer looks at the idlest.
//
// Threading: construct, Start, Stop and destroy on the main thread; everything else happens on the lane's
// own.
#pragma once

#include <ev.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/options.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/alarm_clock.h"
#include "statekeeper/runtime/awake_hub.h"
#include "statekeeper/runtime/commit_group.h"
#include "statekeeper/runtime/fiber.h"
#include "statekeeper/runtime/hub_host.h"
#include "statekeeper/runtime/lane_metrics.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class Lane : public GatewayLinks::Receiver, private HubHost {
 public:
  struct Config {
    uint32_t lane = 0;
    std::string owner;            // this statekeeper, in shard records
    std::vector<ShardId> shards;  // this lane's
    uint32_t shard_count = 1024;  // of the cluster
    Duration hibernate_after{};
    Duration reap_interval{};
    Duration gateway_grace{};
    HubLimits limits;  // of each hub
    // Another owner has shards of this lane; called on the lane's thread.
    std::function<void()> deposed;
  };

  Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores, prometheus::Registry* registry);
  ~Lane() override;

  struct ev_loop* loop() {
    return loop_;
  }

  // Starts the thread. The lane owns `links`; the future holds its shards' records as they are once it owns
  // them, or nothing if the store refused.
  std::future<std::vector<ShardRecord>> Start(std::unique_ptr<GatewayLinks> links);

  // Takes no more events, waits (at most `patience`) until what was taken is durable and handed over, ends
  // the thread. What is left then stays with the gateways, and is replayed.
  void Stop(Duration patience);

  // For readiness; any thread.
  bool store_healthy() const { return store_healthy_.load(std::memory_order_relaxed); }

 private:
  // GatewayLinks::Receiver
  void OnEvent(GatewayId gateway, const EventView& event) override;
  void OnGatewayGone(GatewayId gateway) override;

  // HubHost
  Store* store() override { return store_.get(); }
  FiberPool* fibers() override { return &fibers_; }
  Duration reap_interval() const override { return config_.reap_interval; }
  const HubLimits& limits() const override { return config_.limits; }
  uint32_t EpochOf(ShardId shard) const override { return epochs_.at(shard); }
  void Release(EventOutput output) override;
  void Recall(const ConnectionId& closed, ShardId shard, GatewayLinks::Recalled done) override {
    links_->Recall(closed, shard, EpochOf(shard), std::move(done));
  }
  bool IsPresent(GatewayId gateway) const override { return links_->IsPresent(gateway); }
  void CommitSoon(std::shared_ptr<AwakeHub> hub) override { commits_->Add(std::move(hub)); }
  void RetrySoon(std::shared_ptr<AwakeHub> hub) override;
  void Yield() override;
  void AlarmDone(const AwakeHub& hub, int64_t again_ms) override;

  void Run(std::promise<std::vector<ShardRecord>> started);
  void OnShardsTaken(StoreStatus status, std::vector<ShardRecord> records);
  void OnTurnEnd();
  void OnHibernationTimer();
  void OnGraceEnd();
  void EndConnectionsOfGoneGateways();
  void OnYieldTimer();
  void OnRetryTimer();
  void OnStopRequest();
  void EndIfIdle();
  // nullptr: the shard is not this lane's, or there is no such class.
  AwakeHub* FindOrWake(std::string_view name, ShardId shard);
  void Touch(AwakeHub* hub);
  void LoseShard(ShardId shard);

  // Watchers call a member function.
  template <typename Watcher, void (Lane::*method)()>
  static void Call(struct ev_loop*, Watcher* watcher, int) {
    (static_cast<Lane*>(watcher->data)->*method)();
  }

  const Config config_;
  const HubClassRegistry* const classes_;
  StoreFactory* const stores_;
  LaneMetrics metrics_;
  struct ev_loop* const loop_;
  std::thread thread_;
  std::atomic<bool> store_healthy_{false};

  // The lane's thread only, from here on.
  std::unique_ptr<GatewayLinks> links_;
  std::unique_ptr<Store> store_;
  FiberPool fibers_;
  std::unique_ptr<CommitGroup> commits_;
  std::unique_ptr<AlarmClock> alarms_;
  std::promise<std::vector<ShardRecord>> started_;
  std::unordered_map<ShardId, uint32_t> epochs_;

  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  std::unordered_map<std::string, std::shared_ptr<AwakeHub>, NameHash, std::equal_to<>> hubs_;
  std::list<AwakeHub*> by_idle_time_;  // idlest first
  size_t hibernated_since_trim_ = 0;
  std::vector<Fiber*> yielded_;
  std::vector<std::shared_ptr<AwakeHub>> to_retry_;
  bool stopping_ = false;
  int64_t stop_deadline_ms_ = 0;

  ev_prepare turn_end_;
  ev_timer hibernation_timer_;
  ev_timer grace_timer_;
  ev_timer yield_timer_;
  ev_timer retry_timer_;
  ev_async stop_request_;
  std::atomic<int64_t> stop_patience_ms_{0};
};

}  // namespace dormouse
