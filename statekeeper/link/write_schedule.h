// Which of a lane's gateways are to be written to when the turn of its loop ends. Notes (what is settled,
// what may be forgotten) wait a little longer, for deliveries to travel with.
//
// Threading: the lane's.
#pragma once

#include <ev.h>

#include <functional>
#include <vector>

#include "common/ids.h"

namespace dormouse {

class WriteSchedule {
 public:
  // `loop` outlives it. `notes_due`: notes that were added have waited long enough.
  WriteSchedule(struct ev_loop* loop, std::function<void()> notes_due);
  ~WriteSchedule() { ev_timer_stop(loop_, &notes_timer_); }
  WriteSchedule(const WriteSchedule&) = delete;
  WriteSchedule& operator=(const WriteSchedule&) = delete;

  // The caller sees to it that one is added once, until it was taken.
  void Add(GatewayId gateway) { gateways_.push_back(gateway); }
  void AddNotes() {
    if (!ev_is_active(&notes_timer_)) ev_timer_again(loop_, &notes_timer_);
  }

  // Calls `write` for each that was added, also for those that it adds itself.
  template <typename Write>
  void Run(Write write) {
    while (!gateways_.empty()) {
      running_.swap(gateways_);
      for (const GatewayId gateway : running_) write(gateway);
      running_.clear();
    }
  }

 private:
  struct ev_loop* const loop_;
  const std::function<void()> notes_due_;
  ev_timer notes_timer_;
  std::vector<GatewayId> gateways_;
  std::vector<GatewayId> running_;
};

}  // namespace dormouse
