#include "statekeeper/runtime/lane/store_watch.h"

#include <array>
#include <utility>

#include "common/logging.h"

namespace dormouse {

void StoreWatch::Look(const Store& store) {
  const StoreState state = store.state();
  metrics_->store_healthy.Set(state == StoreState::kWell ? 1 : 0);
  StoreReport now{state, state == StoreState::kWell ? "" : store.trouble()};
  if (now == report_) return;
  if (state != report_.state && was_well_) {
    constexpr std::array kStates = {"well again", "serving in part only", "refusing changes", "away"};
    const LogAbout about({.lane = lane_});
    SPDLOG_WARN("the store is {}{}{}", kStates[static_cast<size_t>(state)], now.trouble.empty() ? "" : ": ",
                now.trouble);
  }
  was_well_ |= state == StoreState::kWell;
  const std::lock_guard lock(mutex_);
  report_ = std::move(now);
}

StoreReport StoreWatch::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

}  // namespace dormouse
