// Both ends of the edge link in one process, each on a thread and loop of its own, for tests and the
// benchmark.
#pragma once

#include <ev.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/auth/gateway_identity.h"
#include "common/rpc/link_gate.h"
#include "gateway/link/statekeeper_links.h"
#include "statekeeper/link/link_server.h"

namespace dormouse {

// The identity of gateway number `n`, and its id.
inline std::string TestIdentity(uint64_t n) {
  std::string identity(kGatewayIdentitySize, 'i');
  std::memcpy(identity.data(), &n, sizeof(n));
  return identity;
}
inline GatewayId TestGatewayId(uint64_t n) { return GatewayIdOf(TestIdentity(n)); }

// A thread with a loop that runs what it is given, and something at the end of each turn.
class LoopThread {
 public:
  LoopThread() : loop_(ev_loop_new(EVBACKEND_EPOLL)) {
    ev_async_init(&wake_, [](struct ev_loop*, ev_async* watcher, int) {
      static_cast<LoopThread*>(watcher->data)->RunTasks();
    });
    wake_.data = this;
    ev_async_start(loop_, &wake_);
    ev_prepare_init(&turn_end_, [](struct ev_loop*, ev_prepare* watcher, int) {
      auto* self = static_cast<LoopThread*>(watcher->data);
      if (self->at_turn_end) self->at_turn_end();
    });
    turn_end_.data = this;
    ev_prepare_start(loop_, &turn_end_);
    thread_ = std::thread([this] { ev_run(loop_, 0); });
  }
  ~LoopThread() {
    Run([this] { ev_break(loop_, EVBREAK_ALL); });
    thread_.join();
    ev_prepare_stop(loop_, &turn_end_);
    ev_async_stop(loop_, &wake_);
    ev_loop_destroy(loop_);
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  struct ev_loop* loop() {
    return loop_;
  }

  // Runs it on the loop's thread, later.
  void Post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    ev_async_send(loop_, &wake_);
  }
  // Runs it there and waits for it.
  void Run(const std::function<void()>& task) {
    std::promise<void> done;
    Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  template <typename T>
  T Get(const std::function<T()>& task) {
    T result{};
    Run([&] { result = task(); });
    return result;
  }

  std::function<void()> at_turn_end;  // set on the loop's thread

 private:
  void RunTasks() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

  struct ev_loop* const loop_;
  ev_async wake_;
  ev_prepare turn_end_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::thread thread_;
};

// A fact that threads wait for. Every change of what conditions look at goes through Change.
class Facts {
 public:
  void Change(const std::function<void()>& change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  // False after half a minute.
  bool Await(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), condition);
  }
  template <typename T>
  T Get(const std::function<T()>& get) {
    const std::lock_guard lock(mutex_);
    return get();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

// One delivery as it reached the edge.
struct Delivered {
  std::vector<uint64_t> recipients = {};
  std::string heads = {};
  std::string payload = {};
  DeliveryKind kind = DeliveryKind::kText;
};

// A gateway without sockets.
class TestGateway : private StatekeeperLinks::Edge {
 public:
  explicit TestGateway(StatekeeperLinks::Config config) : id(GatewayIdOf(config.identity)) {
    thread_.Run([&] {
      links_ = NewStatekeeperLinks(std::move(config), thread_.loop(), this);
      thread_.at_turn_end = [this] {
        links_->Flush();
        facts.Change([&] {
          unsettled_ = links_->unsettled();
          ready_ = ready_ || links_->ready();
        });
      };
    });
  }
  ~TestGateway() override {
    thread_.Run([this] {
      thread_.at_turn_end = nullptr;
      links_.reset();
    });
  }

  LoopThread& thread() { return thread_; }
  StatekeeperLinks& links() { return *links_; }  // on its thread

  bool AwaitReady() {
    return facts.Await([this] { return ready_ && profiles_ > 0; });
  }
  bool AwaitSettled() {
    return facts.Await([this] { return unsettled_ == 0; });
  }
  bool AwaitDeliveries(size_t count) {
    return facts.Await([&] { return delivered_.size() >= count; });
  }
  std::string last_payload() const {  // under facts
    return delivered_.empty() ? std::string() : delivered_.back().payload;
  }
  std::vector<Delivered> delivered() {
    return facts.Get<std::vector<Delivered>>([this] { return delivered_; });
  }
  size_t unsettled() {
    return thread_.Get<size_t>([this] { return links_->unsettled(); });
  }

  // Connection i of this gateway.
  ConnectionId Connection(uint64_t i) const { return {id, UuidLow(i)}; }

  void Append(const std::string& hub, const std::string& payload, uint64_t connection = 1) {
    thread_.Post([=, this] {
      links_->Append(
          {.kind = EventKind::kText, .connection = UuidLow(connection), .hub = hub, .payload = payload});
    });
  }

  const GatewayId id;
  Facts facts;
  // Instead of recording deliveries; set before traffic starts.
  std::function<void(const DeliveryView&)> on_delivery;
  int uncongested_count = 0;            // under facts
  std::map<std::string, int> settled;   // likewise: how often, by payload
  std::vector<std::string> unreadable;  // likewise: payloads
  std::vector<ShardId> forgotten;       // likewise

 private:
  void OnDelivery(const DeliveryView& delivery) override {
    if (on_delivery) return on_delivery(delivery);
    Delivered record{.heads = std::string(delivery.heads),
                     .payload = std::string(delivery.payload),
                     .kind = delivery.kind};
    for (uint32_t i = 0; i < delivery.recipient_count; ++i) {
      record.recipients.push_back(delivery.recipient(i));
    }
    facts.Change([&] { delivered_.push_back(std::move(record)); });
  }
  void OnProfiles(const std::vector<link::ClassProfile>&, uint32_t) override {
    facts.Change([this] { ++profiles_; });
  }
  void OnUncongested() override {
    facts.Change([this] { ++uncongested_count; });
  }
  void OnUnreadable(const EventView& event) override {
    facts.Change([&] { unreadable.emplace_back(event.payload); });
  }
  void OnForgotten(const std::vector<bool>& by_shard) override {
    facts.Change([&] {
      for (size_t i = 0; i < by_shard.size(); ++i) {
        if (by_shard[i]) forgotten.push_back(static_cast<ShardId>(i));
      }
    });
  }
  void OnSettled(const EventView& event) override {
    facts.Change([&] { ++settled[std::string(event.payload)]; });
  }

  LoopThread thread_;
  std::unique_ptr<StatekeeperLinks> links_;
  std::vector<Delivered> delivered_;
  int profiles_ = 0;
  size_t unsettled_ = 0;
  bool ready_ = false;
};

// An event as a lane got it.
struct Taken {
  GatewayId gateway = 0;
  Cause cause;
  uint32_t epoch = 0;
  std::string hub;
  std::string payload;
  ConnectionId from;
  EventKind kind = EventKind::kText;
  bool repeated = false;
};

// A statekeeper without hubs. Each lane calls `on_event` (on its own thread); the default sends the payload
// back.
class TestStatekeeper {
 public:
  struct Setup {
    std::vector<std::string> addresses = {};
    std::shared_ptr<const LinkGate> gate = nullptr;  // of HOST:PORT
    std::string unix_path = {};                      // what the map says
    uint32_t lanes = 1;
    uint32_t shards = 64;
    uint32_t epoch = 1;
    uint64_t incarnation = 1;
    GatewayLinks::Config links = {};
    bool record = true;  // keep what was taken
    std::function<void(TestStatekeeper*, const Taken&)> on_event = {};
  };

  explicit TestStatekeeper(Setup setup) : setup_(std::move(setup)) {
    LinkServer::Config config;
    config.addresses = setup_.addresses;
    config.gate = setup_.gate;
    config.incarnation = setup_.incarnation;
    config.lanes = setup_.lanes;
    config.links = setup_.links;
    server_ = NewLinkServer(std::move(config));
    for (uint32_t i = 0; i < setup_.lanes; ++i) lanes_.push_back(std::make_unique<Lane>(this, i));
  }
  ~TestStatekeeper() {
    lanes_.clear();
    server_.reset();
  }

  // As the one owner of all.
  bool Start() {
    if (!Listen()) return false;
    Publish(setup_.epoch);
    return true;
  }
  // Owns nothing, and has no map.
  bool Listen() {
    std::string error;
    return server_->Start(&error);
  }
  link::Member Describe(const std::string& address = {}) const {
    link::Member member;
    member.set_incarnation(setup_.incarnation);
    member.set_lanes(setup_.lanes);
    member.set_unix_path(setup_.unix_path);
    member.set_address(address);
    return member;
  }
  // It owns all shards in this epoch, and its map says so.
  void Publish(uint32_t epoch, const std::string& address = {}) {
    Own(epoch);
    link::ShardMap map;
    map.set_version(++version_);
    map.set_shard_count(setup_.shards);
    *map.add_members() = Describe(address);
    for (uint32_t i = 0; i < setup_.shards; ++i) {
      map.add_owner(0);
      map.add_epoch(epoch);
    }
    server_->Publish(std::move(map));
  }

  // All shards.
  void Own(uint32_t epoch) {
    for (uint32_t lane = 0; lane < setup_.lanes; ++lane) {
      thread(lane).Run([&] { links(lane).Own(ShardsOf(lane, epoch)); });
    }
  }
  void Disown() {
    for (uint32_t lane = 0; lane < setup_.lanes; ++lane) {
      std::vector<ShardId> shards;
      for (const auto& [shard, epoch] : ShardsOf(lane, 1)) shards.push_back(shard);
      thread(lane).Run([&] { links(lane).Disown(shards); });
    }
  }
  // False: it takes too long.
  bool Quiesce(uint32_t epoch) {
    uint32_t done = 0;
    for (uint32_t lane = 0; lane < setup_.lanes; ++lane) {
      thread(lane).Run(
          [&] { links(lane).Quiesce(ShardsOf(lane, epoch), [&] { facts.Change([&] { ++done; }); }); });
    }
    return facts.Await([&] { return done == setup_.lanes; });
  }
  std::vector<ShardEpoch> ShardsOf(uint32_t lane, uint32_t epoch) const {
    std::vector<ShardEpoch> shards;
    for (uint32_t i = lane; i < setup_.shards; i += setup_.lanes) {
      shards.push_back({static_cast<ShardId>(i), epoch});
    }
    return shards;
  }

  LinkServer& server() { return *server_; }
  LoopThread& thread(uint32_t lane = 0) { return lanes_[lane]->thread; }
  GatewayLinks& links(uint32_t lane = 0) { return *lanes_[lane]->links; }  // on its thread
  uint32_t LaneOf(ShardId shard) const { return shard % setup_.lanes; }

  // On the lane's thread: what the event sends.
  void Release(const Taken& event, std::vector<Output> outputs) {
    links(LaneOf(event.cause.shard))
        .Release({.cause = event.cause,
                  .shard = event.cause.shard,
                  .epoch = event.epoch,
                  .outputs = std::move(outputs)});
  }
  static Output To(const std::vector<ConnectionId>& to, std::string payload) {
    Output output;
    for (const ConnectionId& id : to) output.to.push_back({id, {}});
    output.payload = std::move(payload);
    return output;
  }

  Facts facts;
  std::vector<Taken> taken;       // under facts, as is
  std::vector<GatewayId> gone;    // this,
  std::vector<GatewayId> back;    // and this
  std::vector<ShardEpoch> later;  // and what gateways know better

  std::vector<Taken> GetTaken() {
    return facts.Get<std::vector<Taken>>([this] { return taken; });
  }
  std::vector<GatewayId> GetGone() {
    return facts.Get<std::vector<GatewayId>>([this] { return gone; });
  }

 private:
  struct Lane : GatewayLinks::Receiver {
    Lane(TestStatekeeper* statekeeper, uint32_t number) : owner(statekeeper) {
      thread.Run([&] {
        links = owner->server_->NewGatewayLinks(number, thread.loop(), this);
        thread.at_turn_end = [this] { links->Flush(); };
      });
    }
    ~Lane() override {
      thread.Run([this] {
        thread.at_turn_end = nullptr;
        links.reset();
      });
    }
    void OnEvent(GatewayId gateway, const EventView& event) override {
      const Taken taken{gateway,
                        {gateway, event.shard, event.sequence},
                        event.epoch,
                        std::string(event.hub),
                        std::string(event.payload),
                        {gateway, event.connection},
                        event.kind,
                        event.repeated};
      if (owner->setup_.on_event) {
        owner->setup_.on_event(owner, taken);
      } else {
        owner->Release(taken, {To({taken.from}, taken.payload)});
      }
      if (owner->setup_.record) owner->facts.Change([&] { owner->taken.push_back(taken); });
    }
    void OnGatewayGone(GatewayId gateway, const std::vector<std::string>&) override {
      owner->facts.Change([&] { owner->gone.push_back(gateway); });
    }
    void OnGatewayBack(GatewayId gateway) override {
      owner->facts.Change([&] { owner->back.push_back(gateway); });
    }

    void OnLaterEpoch(const ShardEpoch& known) override {
      owner->facts.Change([&] { owner->later.push_back(known); });
    }

    TestStatekeeper* const owner;
    LoopThread thread;
    std::unique_ptr<GatewayLinks> links;
  };

  const Setup setup_;
  std::unique_ptr<LinkServer> server_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  uint64_t version_ = 0;
};

}  // namespace dormouse
