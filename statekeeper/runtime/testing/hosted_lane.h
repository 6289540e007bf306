// A lane's host in a test's hands: turns of its loop end when the test says so, the store answers when it
// says so, and the test is the gateways.
#pragma once

#include <ev.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "statekeeper/hub/registry.h"
#include "statekeeper/runtime/lane/lane_host.h"
#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/testing/manual_store.h"

namespace dormouse {

// Answers each text with itself. "put" writes a row.
class RepeatingHub : public Hub {
 public:
  void OnMessage(Context& context, const Connection& connection, const Message& message) override {
    if (message.data == "put") context.Put("row", "value");
    context.Send(connection.id, message);
  }
  void OnClose(Context& context, const Connection&, const CloseInfo&) override { context.Put("closed", "x"); }
};

class RepeatingClass : public HubClass {
 public:
  RepeatingClass() { profile_.set_name("test"); }
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override { return std::make_unique<RepeatingHub>(); }

 private:
  link::ClassProfile profile_;
};

// Notes what it is told.
class NotingLinks : public GatewayLinks {
 public:
  std::vector<EventOutput> released;
  std::vector<ShardEpoch> owned;
  std::vector<ShardId> disowned;
  std::map<ShardId, uint64_t> commits;
  std::vector<std::function<void()>> quiescing;
  std::vector<bool> holds;
  std::vector<GatewayId> gone;

  void Release(EventOutput output) override { released.push_back(std::move(output)); }
  void Recall(const ConnectionId&, ShardId, uint32_t, Recalled done) override { done({}); }
  void Own(const std::vector<ShardEpoch>& shards) override {
    owned.insert(owned.end(), shards.begin(), shards.end());
  }
  void SetCommits(ShardId shard, uint64_t number) override { commits[shard] = number; }
  void Disown(const std::vector<ShardId>& shards) override {
    disowned.insert(disowned.end(), shards.begin(), shards.end());
  }
  void Quiesce(const std::vector<ShardEpoch>&, std::function<void()> done) override {
    quiescing.push_back(std::move(done));
  }
  std::vector<GatewayId> Linked() const override { return {1, 2}; }
  bool IsPresent(GatewayId gateway) const override {
    return std::find(gone.begin(), gone.end(), gateway) == gone.end();
  }
  void Hold(bool hold) override { holds.push_back(hold); }
  void Flush() override {}
  Traffic traffic() const override { return {}; }
};

class HostedLane {
 public:
  static constexpr ShardId kShards = 8;

  LaneConfig config;
  Lease lease;
  SuspectTurn suspects;
  std::vector<ShardEpoch> fenced;
  HubClassRegistry classes;
  // Of the host, which owns them.
  ManualStore* store = nullptr;
  NotingLinks* links = nullptr;

  HostedLane() {
    classes.Register(std::make_unique<RepeatingClass>());
    lease.Renew(Lease::kForever);
    config.shard_count = kShards;
    config.hibernate_after = Duration(3'600'000);
    config.reap_interval = Duration(3'600'000);
    config.gateway_grace = Duration(3'600'000);
    config.lease = &lease;
    config.suspects = &suspects;
    config.fenced = [this](const ShardEpoch& shard) { fenced.push_back(shard); };
  }
  ~HostedLane() {
    host_.reset();
    ev_loop_destroy(loop_);
  }
  HostedLane(const HostedLane&) = delete;
  HostedLane& operator=(const HostedLane&) = delete;

  // With what `config` says by now.
  LaneHost& host() {
    if (host_ == nullptr) {
      auto new_store = std::make_unique<ManualStore>();
      store = new_store.get();
      auto new_links = std::make_unique<NotingLinks>();
      links = new_links.get();
      host_ = std::make_unique<LaneHost>(loop_, config, &classes, std::move(new_store), std::move(new_links),
                                         &store_watch_, &metrics_);
    }
    return *host_;
  }
  struct ev_loop* loop() {
    return loop_;
  }
  LaneMetrics& metrics() { return metrics_; }

  // All shards, in this epoch.
  void Serve(uint32_t epoch = 1, uint32_t crashes = 0) {
    std::vector<TakenShard> all;
    for (ShardId shard = 0; shard < kShards; ++shard)
      all.push_back({.shard = shard, .epoch = epoch, .crashes = crashes});
    host().shards().Serve(all);
  }
  static ShardId ShardOfHub(const std::string& hub) { return ShardOf(hub, kShards); }
  ShardEpoch EpochOf(const std::string& hub) {
    return {ShardOfHub(hub), host().hubs().Find(ShardOfHub(hub))->epoch};
  }
  AwakeHub* Find(const std::string& hub) { return host().hubs().Find(hub, EpochOf(hub)); }

  // An event of gateway 1's connection 1.
  void Send(const std::string& hub, EventKind kind, std::string_view payload, bool repeated = false) {
    host().router().OnEvent(1, {.kind = kind,
                                .shard = ShardOfHub(hub),
                                .epoch = EpochOf(hub).epoch,
                                .sequence = ++sequence_,
                                .connection = UuidLow(1),
                                .hub = hub,
                                .payload = payload,
                                .repeated = repeated});
  }
  void Open(const std::string& hub) { Send(hub, EventKind::kOpen, ""); }
  void Say(const std::string& hub, std::string_view text) { Send(hub, EventKind::kText, text); }

  void Turn() {
    ev_run(loop_, EVRUN_NOWAIT);
    host().OnTurnEnd();
  }
  // Ends turns and answers the store until nothing moves.
  void Settle() {
    for (int quiet = 0; quiet < 3;) {
      Turn();
      quiet = store->waiting() == 0 && MayRest() ? quiet + 1 : 0;
      store->StepAll();
    }
  }
  // Payloads that were sent to sockets.
  std::vector<std::string> Sent() {
    std::vector<std::string> sent;
    for (const EventOutput& output : std::exchange(links->released, {})) {
      for (const Output& each : output.outputs) {
        if (each.kind == DeliveryKind::kText) sent.push_back(each.payload);
      }
    }
    return sent;
  }

 private:
  // Nobody waits for a turn, or those who do have to wait for the lease.
  bool MayRest() { return host().scheduler().room().empty() || !lease.IsGood(); }

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  prometheus::Registry registry_;
  LaneMetrics metrics_{&registry_, 0};
  StoreWatch store_watch_{0, &metrics_};
  std::unique_ptr<LaneHost> host_;
  uint64_t sequence_ = 0;
};

}  // namespace dormouse
