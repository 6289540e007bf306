// A lane: one thread, one event loop, one store connection, and the hubs of a subset of the shards, which
// come and go while it runs. What it does with them is LaneHost's; here are the thread, its loop, and what
// reaches it from outside.
//
// Each turn of the loop ends in one place, just before it sleeps (LaneHost::OnTurnEnd): commits are handed to
// the store, batches written to gateways.
//
// Threading: construct, Start, Stop and destroy on the main thread; Post and TryPost on any
// (lane_requests.h); store_report on any; everything else happens on the lane's own.
#pragma once

#include <ev.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/loop/loop_wake.h"
#include "statekeeper/hub/registry.h"
#include "statekeeper/link/gateway_links.h"
#include "statekeeper/runtime/lane/lane_config.h"
#include "statekeeper/runtime/lane/lane_host.h"
#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/runtime/lane/lane_requests.h"
#include "statekeeper/runtime/lane/store_watch.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class Lane : public GatewayLinks::Receiver {
 public:
  using Config = LaneConfig;

  Lane(Config config, const HubClassRegistry* classes, StoreFactory* stores, prometheus::Registry* registry);
  ~Lane() override;

  struct ev_loop* loop() {
    return loop_.get();
  }

  // Starts the thread, without shards. The lane owns `links`; the future is ready when it takes events.
  std::future<void> Start(std::unique_ptr<GatewayLinks> links);

  // Takes no more events, waits (at most `patience`) until what was taken is durable and handed over, ends
  // the thread. What is left then stays with the gateways, and is replayed.
  void Stop(Duration patience);

  // Runs a request on the lane's thread. See LaneRequests.
  bool Post(LaneRequests::Request request) { return requests_.Post(std::move(request)); }
  bool TryPost(LaneRequests::Request request) { return requests_.TryPost(std::move(request)); }

  // --- On the lane's thread.
  // What serves shards and answers operators.
  LaneHost& host() { return *host_; }

  // What may change while it runs. `classes`: those that there are, with other rules; nullptr: as they were.
  struct Changes {
    Duration hibernate_after{};
    HubLimits limits;
    uint32_t max_awake = 0;
    std::shared_ptr<const HubClassRegistry> classes = nullptr;
  };
  void Change(const Changes& changes);

  // For readiness; any thread.
  StoreReport store_report() const { return store_watch_.report(); }

 private:
  // GatewayLinks::Receiver
  void OnEvent(GatewayId gateway, const EventView& event) override {
    if (!stopping_) host_->router().OnEvent(gateway, event);  // not released: it stays with its gateway
  }
  void OnGatewayGone(GatewayId gateway, const std::vector<std::string>& owed) override;
  void OnGatewayBack(GatewayId gateway) override { host_->gateways().OnBack(gateway); }
  void OnLaterEpoch(const ShardEpoch& known) override {
    if (config_.spoken_of) config_.spoken_of(known);
  }
  void OnLookAt(const std::string& hub, bool sleep, Answer answer) override {
    host_->operators().LookAt(hub, sleep, std::move(answer));
  }
  void OnBatch(size_t events) override { metrics_.batch_events.Observe(static_cast<double>(events)); }

  void Run(std::unique_ptr<GatewayLinks> links, std::promise<void> started);
  void OnTurnEnd() { host_->OnTurnEnd(); }
  void OnStopRequest();
  void EndIfIdle();

  // Watchers call a member function.
  template <typename Watcher, void (Lane::*method)()>
  static void Call(struct ev_loop*, Watcher* watcher, int) {
    (static_cast<Lane*>(watcher->data)->*method)();
  }

  struct LoopDeleter {
    void operator()(struct ev_loop* loop) const { ev_loop_destroy(loop); }
  };

  Config config_;
  const HubClassRegistry* const classes_;
  StoreFactory* const stores_;
  LaneMetrics metrics_;
  StoreWatch store_watch_;
  const std::unique_ptr<struct ev_loop, LoopDeleter> loop_;
  LaneRequests requests_;
  std::thread thread_;
  LoopWake stop_request_;
  std::atomic<int64_t> stop_patience_ms_{0};

  // The lane's thread only, from here on.
  std::unique_ptr<LaneHost> host_;  // while the thread runs
  ev_prepare turn_end_;
  bool stopping_ = false;
  int64_t stop_began_ms_ = 0;
  int64_t stop_deadline_ms_ = 0;
  ev_timer stop_timer_;
};

}  // namespace dormouse
