// One run of a hub's alarm or of one of its named timers, from the lane's ring (alarm_clock.h) to the answer that the lane
// waits for. What is said of OnAlarm goes for OnTimer; with each ring runs the one that is due first.
//
//   rings -> OnAlarm sends nothing: done when its commit is durable
//         -> OnAlarm sends: the alarm stays in the store until that has arrived (AlarmSettled): so it runs
//            again after a crash in between; then what OnAlarm has set takes its place
//         -> OnAlarm fails: again after 2 s, 4 s, ... of back-off, six times; then the alarm is dropped
//         -> the store fails: again in a second
//
// Of alarms that ring a lane has a bounded number: each run is answered once, however it ends, and with it
// the lane learns when the next is due.
//
// While its output travels the hub goes on; so it does while a run is deferred (hub_port.h). If another handler sets the
// alarm meanwhile, that counts, and not what OnAlarm had set, or that it failed: each such change is a new generation.
//
// One lane's thread. A part of an awake hub, which stays in memory while a run is under way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/shard.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_state.h"

namespace dormouse {

class AlarmRun {
 public:
  // All outlive it.
  AlarmRun(const std::string& hub, const ShardEpoch& shard, HubState* state, HubHost* host)
      : hub_(hub), shard_(shard), state_(state), host_(host) {}

  bool is_under_way() const { return under_way_; }

  // The lane rings, and that timer is to run. Each is answered once (HubHost::AlarmDone).
  void Begin(std::string timer) {
    under_way_ = true;
    timer_ = std::move(timer);
    began_ = generation_;
  }
  // The one that runs; without a name: the alarm, or none.
  const std::string& timer() const { return timer_; }

  // OnAlarm has ended well; `sends`: it has output. What it set takes effect now; or with the event that is
  // returned, to be handled when all that output has arrived.
  std::optional<event::AlarmSettled> Finish(const HubContext& context, bool sends);
  void Settle(const event::AlarmSettled& settled);
  // Another handler has changed timers, or the whole state.
  void OnHandled(const HubContext& context) {
    if (under_way_ && context.HasChangedTimer(timer_)) OnChanged();
  }
  void OnChanged() { ++generation_; }

  // An event has left the output gate; `travels`: its output has yet to arrive.
  void OnReleased(const HubEvent& event, bool travels);

  // It was not run to its end. True: the alarm has been changed accordingly, which is to be committed.
  // `not_before_ms`: until then none of the hub's events is handled (wall clock; 0: they are). `in_doubt`:
  // nothing can be committed.
  bool Fail(Hub::Failure why, int64_t not_before_ms, bool in_doubt);
  // The store has failed: it rings again.
  void Postpone();

 private:
  // Whether another handler has set it while this one ran.
  bool IsOvertaken() const { return began_ && *began_ != generation_; }

  const std::string& hub_;
  const ShardEpoch shard_;
  HubState* const state_;
  HubHost* const host_;
  bool under_way_ = false;
  std::string timer_;
  uint64_t generation_ = 0;
  std::optional<uint64_t> began_;  // the generation then; nothing: no handler runs
};

}  // namespace dormouse
