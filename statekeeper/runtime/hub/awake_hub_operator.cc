// What operators ask of a hub in memory. See hub_report.h for what needs no hub.
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/hub/hub_report.h"
#include "statekeeper/runtime/hub/waking.h"

namespace dormouse {

size_t AwakeHub::bytes() const {
  return sizeof(*this) + state_.bytes_in_memory() + queue_.bytes() + deferred_.bytes();
}

void AwakeHub::Describe(LaneOperator::Answer<HubReport> done) {
  if (deposed_) return done(OperatorStatus::kNotOwner, {});
  // What asking it changes.
  const int64_t idle_ms = SteadyMs() - activity_.idle_since_ms;
  const size_t waiting = queue_.size();
  questions_.push_back([this, idle_ms, waiting, done = std::move(done)](OperatorStatus status) {
    if (status != OperatorStatus::kOk) return done(status, {});
    HubReport report;
    try {
      if (!state_.loaded()) Wake(parts_);
      report = ReportOf(state_.meta());
      report.hub = name_;
      report.shard = shard_.shard;
      report.epoch = shard_.epoch;
      report.awake = true;
      report.idle_ms = idle_ms;
      report.waiting_events = waiting;
      if (object_.get() == nullptr) object_.Make(surroundings_, &clock_, shared_from_this());
      HubContext context(surroundings_, WallMs(), HubContext::Access::kReadOnly);
      report.counts = object_.get()->Describe(context);
    } catch (const StoreAway&) {
      return done(OperatorStatus::kStore, {});
    } catch (const std::exception& error) {
      const LogAbout about({.shard = shard_.shard, .hub = name_});
      SPDLOG_ERROR("the hub class failed to describe it: {}", error.what());
    }
    done(OperatorStatus::kOk, std::move(report));
  });
  Pump();
}

void AwakeHub::ListConnections(std::string after, size_t limit,
                               LaneOperator::Answer<std::vector<ConnectionReport>> done) {
  if (deposed_) return done(OperatorStatus::kNotOwner, {});
  questions_.push_back(
      [this, after = std::move(after), limit, done = std::move(done)](OperatorStatus status) {
        if (status != OperatorStatus::kOk) return done(status, {});
        try {
          done(OperatorStatus::kOk, ConnectionsAfter(after, limit, &state_));
        } catch (const StoreAway&) {
          done(OperatorStatus::kStore, {});
        }
      });
  Pump();
}

}  // namespace dormouse
