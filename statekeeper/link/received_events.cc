#include "statekeeper/link/received_events.h"

#include <utility>

namespace dormouse {

ReceivedEvents::Verdict ReceivedEvents::Receive(const EventView& event, uint32_t owned) {
  if (!IsInTurn(event, owned)) return Verdict::kSkip;
  const size_t i = event.shard / lanes_;
  if (shards_.size() <= i) shards_.resize(i + 1);
  Shard& shard = shards_[i];
  if (event.epoch != shard.epoch) {
    shard = {.epoch = event.epoch, .first = event.sequence, .through = event.sequence};
    return Verdict::kFirst;
  }
  if (event.sequence <= shard.through) return Verdict::kSkip;
  shard.through = event.sequence;
  return Verdict::kNext;
}

bool ReceivedEvents::IsInTurn(const EventView& event, uint32_t owned) {
  if (event.epoch == owned && skipped_.empty()) return true;
  if (event.epoch > owned) {
    Skipped& skipped = skipped_[event.shard];
    if (event.epoch > skipped.epoch || (event.epoch == skipped.epoch && event.sequence < skipped.sequence)) {
      skipped = {event.epoch, event.sequence};
    }
  }
  if (event.epoch != owned) return false;
  const auto skipped = skipped_.find(event.shard);
  if (skipped == skipped_.end()) return true;
  if (skipped->second.epoch == event.epoch && skipped->second.sequence < event.sequence) return false;
  if (skipped->second.epoch <= event.epoch) skipped_.erase(skipped);
  return true;
}

bool ReceivedEvents::TellCommits(ShardId shard, uint64_t commits) {
  return std::exchange(shards_[shard / lanes_].commits, commits) != commits;
}

void ReceivedEvents::Forget(ShardId shard) {
  const size_t i = shard / lanes_;
  if (i < shards_.size()) shards_[i] = {};
}

}  // namespace dormouse
