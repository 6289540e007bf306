#include "statekeeper/runtime/lane/hub_readings.h"

#include "common/clock.h"
#include "common/ids.h"

namespace dormouse {
namespace {

constexpr size_t kMostReadings = 16;
constexpr size_t kMostBytes = 16u << 20;
constexpr int64_t kForgottenAfterMs = 60'000;

}  // namespace

uint64_t HubReadings::Add(const std::string& hub, const ShardEpoch& shard) {
  const int64_t now_ms = SteadyMs();
  if (readings_.size() >= kMostReadings) {
    std::erase_if(readings_,
                  [&](const auto& each) { return now_ms - each.second.used_ms > kForgottenAfterMs; });
  }
  if (readings_.size() >= kMostReadings) return 0;
  const uint64_t number = NewGatewayId();
  Reading& reading = readings_[number];
  reading.hub = hub;
  reading.shard = shard;
  reading.used_ms = now_ms;
  return number;
}

HubReadings::Reading* HubReadings::Find(uint64_t number) {
  const auto found = readings_.find(number);
  return found == readings_.end() ? nullptr : &found->second;
}

void HubReadings::Note(const ShardCommit& commit) {
  for (auto& [number, reading] : readings_) {
    if (reading.complete || reading.broken || reading.shard.shard != commit.shard) continue;
    for (const HubCommit& hub : commit.hubs) {
      if (hub.hub != reading.hub) continue;
      for (const RowWrite& write : hub.rows) {
        reading.bytes += write.bytes();
        reading.changes.push_back(write);
      }
    }
    if (reading.bytes <= kMostBytes) continue;
    reading.broken = true;
    reading.changes.clear();
  }
}

void HubReadings::Break(const ShardEpoch& shard) {
  for (auto& [number, reading] : readings_) {
    if (reading.shard == shard) reading.broken = true;
  }
}

}  // namespace dormouse
