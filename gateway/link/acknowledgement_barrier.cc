#include "gateway/link/acknowledgement_barrier.h"

#include <algorithm>
#include <iterator>

namespace dormouse {

void AcknowledgementBarrier::Add(uint64_t batch, const Events& events) {
  // Mostly it is of the latest batch.
  auto at = waiting_.end();
  while (at != waiting_.begin() && std::prev(at)->batch > batch) --at;
  if (at != waiting_.begin()) {
    Waiting& before = *std::prev(at);
    if (before.batch == batch && before.events.shard == events.shard && before.events.epoch == events.epoch) {
      before.events.last = events.last;
      return;
    }
  }
  waiting_.insert(at, {batch, events});
}

uint64_t AcknowledgementBarrier::Limit(uint64_t through, absl::FunctionRef<bool(const Events&)> is_sent) {
  while (!waiting_.empty()) {
    const Waiting& first = waiting_.front();
    if (!is_sent(first.events)) return std::min(through, first.batch - 1);
    waiting_.pop_front();
  }
  return through;
}

}  // namespace dormouse
