// The gateway's end of the edge link, on a thread and loop of its own, without sockets.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/auth/gateway_identity.h"
#include "gateway/link/statekeeper_links.h"
#include "gateway/link/testing/facts.h"
#include "gateway/link/testing/loop_thread.h"

namespace dormouse {

// The identity of gateway number `n`, and its id.
inline std::string TestIdentity(uint64_t n) {
  std::string identity(kGatewayIdentitySize, 'i');
  std::memcpy(identity.data(), &n, sizeof(n));
  return identity;
}
inline GatewayId TestGatewayId(uint64_t n) { return GatewayIdOf(TestIdentity(n)); }

// One delivery as it reached the edge.
struct Delivered {
  std::vector<uint64_t> recipients = {};
  std::string heads = {};
  std::string payload = {};
  DeliveryKind kind = DeliveryKind::kText;
};

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
  int uncongested_count = 0;                            // under facts
  std::map<std::string, int> settled;                   // likewise: how often, by payload
  std::vector<std::string> unreadable;                  // likewise: payloads
  std::vector<ShardId> forgotten;                       // likewise
  std::vector<std::vector<std::string>> app_addresses;  // likewise: each time that they changed

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
  void OnAppAddresses(const std::vector<std::string>& addresses) override {
    facts.Change([&] { app_addresses.push_back(addresses); });
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

}  // namespace dormouse
