// Holds back the acknowledgement of a lane's batches until the lane was sent certain events: a lane that
// recalls what a closed connection did not get takes the acknowledgement of a batch as the word that
// everything up to it has come back. So events that carry frames back must not travel behind it.
//
// Plain data; one thread.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <deque>

#include "common/shard.h"

namespace dormouse {

class AcknowledgementBarrier {
 public:
  // All events of the shard up to this one, which are for its owner in this epoch.
  struct Events {
    ShardId shard = 0;
    uint32_t epoch = 0;
    uint64_t last = 0;
  };

  // `batch` must not be acknowledged before these were sent.
  void Add(uint64_t batch, const Events& events);
  // The last batch that may be acknowledged, `through` at most. Forgets what `is_sent`.
  uint64_t Limit(uint64_t through, absl::FunctionRef<bool(const Events&)> is_sent);
  void Clear() { waiting_.clear(); }

 private:
  struct Waiting {
    uint64_t batch;
    Events events;
  };
  std::deque<Waiting> waiting_;  // mostly empty; in the order of batches
};

}  // namespace dormouse
