#include "clients/load/check/mix.h"

#include <algorithm>

namespace dormouse::load::check {
namespace {

// Shares in percent; what is left of a hundred are sends.
constexpr uint64_t kTells = 16;
constexpr uint64_t kPublishes = 8;
constexpr uint64_t kUpdates = 5;
constexpr uint64_t kRenewals = 4;
constexpr uint64_t kToggles = 6;
constexpr uint64_t kDiscoveries = 2;
constexpr uint64_t kHeartbeats = 2;
// Lists and broadcasts cost as much as the hub is large: one of a hundred where it has ten clients.
constexpr uint64_t kSmallHub = 10;

}  // namespace

bool Mix::Next() {
  const auto hub = static_cast<uint32_t>(stage_->Random(std::min(plan_.awake, plan_.clients)));
  const auto member = static_cast<uint32_t>(stage_->Random(plan_.SizeOf(hub)));
  Client& client = clients_[hub + member * plan_.hubs];
  if (!client.is_up()) return false;

  uint64_t draw = stage_->Random(100);
  const auto falls_on = [&draw](uint64_t share) {
    const bool it = draw < share;
    draw -= it ? 0 : share;
    return it;
  };
  if (falls_on(kTells)) {
    client.Tell(Target(hub));
  } else if (falls_on(kPublishes)) {
    client.Publish(static_cast<uint32_t>(stage_->Random(plan_.Topics())));
  } else if (falls_on(kUpdates)) {
    client.Update();
  } else if (falls_on(kRenewals)) {
    client.Renew();
  } else if (falls_on(kToggles)) {
    client.ToggleTopic(plan_.OwnTopics() + static_cast<uint32_t>(stage_->Random(Plan::kOtherTopics)));
  } else if (falls_on(kDiscoveries)) {
    client.Discover();
  } else if (falls_on(kHeartbeats)) {
    client.Heartbeat();
  } else if (falls_on(2) && stage_->Random(std::max<uint64_t>(plan_.SizeOf(hub), kSmallHub)) < kSmallHub) {
    if (stage_->Random(2) == 0) {
      client.Broadcast();
    } else {
      client.List(0);
    }
  } else {
    client.Send(Target(hub));
  }
  return true;
}

bool Mix::Poke(uint32_t hub) {
  Client* const client = AnyOf(hub);
  if (client != nullptr) client->Send(Target(hub));
  return client != nullptr;
}

Client* Mix::AnyOf(uint32_t hub) {
  const uint32_t size = plan_.SizeOf(hub);
  const auto first = static_cast<uint32_t>(stage_->Random(size));
  for (uint32_t i = 0; i < size; ++i) {
    Client& client = clients_[hub + (first + i) % size * plan_.hubs];
    if (client.is_up()) return &client;
  }
  return nullptr;
}

ClientId Mix::Target(uint32_t hub) {
  const uint32_t size = plan_.SizeOf(hub);
  const auto first = static_cast<uint32_t>(stage_->Random(size));
  for (uint32_t i = 0; i < size; ++i) {
    const Client& client = clients_[hub + (first + i) % size * plan_.hubs];
    if (!client.is_gone()) return client.id();
  }
  return hub;
}

}  // namespace dormouse::load::check
