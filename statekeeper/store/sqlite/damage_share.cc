#include "statekeeper/store/sqlite/damage_share.h"

namespace dormouse {
namespace {

constexpr int64_t kWindowMs = 60'000;
constexpr int64_t kJudgeMs = 500;  // it takes a look at all shards
constexpr size_t kLeast = 4;       // fewer are not worth a judgement

}  // namespace

void DamageShare::Failed(ShardId shard, int64_t steady_ms) { shards_[shard].failed_ms = steady_ms; }

void DamageShare::Served(ShardId shard, int64_t steady_ms) { shards_[shard].served_ms = steady_ms; }

bool DamageShare::IsMost(int64_t steady_ms) {
  if (judged_ms_ != 0 && steady_ms - judged_ms_ < kJudgeMs) return is_most_;
  judged_ms_ = steady_ms;
  const auto is_recent = [&](int64_t ms) { return ms != 0 && steady_ms - ms < kWindowMs; };
  size_t failed = 0;
  size_t served = 0;
  for (const auto& [shard, times] : shards_) {
    if (is_recent(times.failed_ms)) {
      ++failed;
    } else if (is_recent(times.served_ms)) {
      ++served;
    }
  }
  if (failed >= kLeast && failed >= served) {
    is_most_ = true;
  } else if (served >= kLeast && served >= 2 * failed) {
    is_most_ = false;
  }
  return is_most_;
}

}  // namespace dormouse
