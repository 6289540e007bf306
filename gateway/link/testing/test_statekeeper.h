// The statekeeper's end of the edge link, each lane on a thread and loop of its own, without hubs. Each lane
// calls `on_event` (on its own thread); the default sends the payload back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/link_gate.h"
#include "gateway/link/testing/facts.h"
#include "gateway/link/testing/loop_thread.h"
#include "statekeeper/link/link_server.h"

namespace dormouse {

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

class TestStatekeeper {
 public:
  struct Setup {
    std::vector<std::string> addresses = {};
    std::shared_ptr<const LinkGate> gate = nullptr;  // of HOST:PORT
    std::string unix_path = {};                      // what the map says
    bool framed = true;                              // likewise
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
    member.set_framed(setup_.framed);
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
