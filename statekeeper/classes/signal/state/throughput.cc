#include "statekeeper/classes/signal/state/throughput.h"

#include <algorithm>

namespace dormouse::signal {

void Throughput::Count(int64_t now_ms) {
  if (first_ms_ == 0) first_ms_ = now_ms;
  const int64_t number = now_ms / kSliceMs;
  Slice& slice = slices_[static_cast<size_t>(number) % slices_.size()];
  if (slice.number != number) slice = {number, 0};
  ++slice.messages;
}

double Throughput::PerSecond(int64_t now_ms) const {
  const int64_t number = now_ms / kSliceMs;
  uint64_t messages = 0;
  for (const Slice& slice : slices_) {
    if (slice.number > number - static_cast<int64_t>(slices_.size()) && slice.number <= number)
      messages += slice.messages;
  }
  const int64_t window_ms = std::clamp(now_ms - first_ms_, kSliceMs, kWindowMs);
  return static_cast<double>(messages) * 1000.0 / static_cast<double>(window_ms);
}

}  // namespace dormouse::signal
