// How a lane's store is, for other threads, the log and the metrics.
//
// Threading: Look on the lane's thread, report on any.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "statekeeper/runtime/lane/lane_metrics.h"
#include "statekeeper/store/store.h"

namespace dormouse {

class StoreWatch {
 public:
  // `metrics` outlives it.
  StoreWatch(uint32_t lane, LaneMetrics* metrics) : lane_(lane), metrics_(metrics) {}

  void Look(const Store& store);
  StoreReport report() const;

 private:
  const uint32_t lane_;
  LaneMetrics* const metrics_;
  bool was_well_ = false;
  mutable std::mutex mutex_;
  StoreReport report_;  // only the lane's thread writes
};

}  // namespace dormouse
