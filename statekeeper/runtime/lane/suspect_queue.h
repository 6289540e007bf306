// Hubs of a lane that wait to begin a suspect (poison_guard.h), in their order. The lane asks for the turn of
// the process (suspect_turn.h) on their behalf, for one at a time.
//
// One lane's thread and loop.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>

#include "common/loop/loop_wake.h"
#include "statekeeper/runtime/hub/awake_hub.h"
#include "statekeeper/runtime/lane/suspect_turn.h"

namespace dormouse {

class SuspectQueue {
 public:
  // `turn`: of the process; outlives it.
  SuspectQueue(struct ev_loop* loop, SuspectTurn* turn) : turn_(turn), given_(loop, [this] { OnTurn(); }) {}
  // Its hubs ask no more, and none has the turn.
  ~SuspectQueue() { turn_->Leave(this); }
  SuspectQueue(const SuspectQueue&) = delete;
  SuspectQueue& operator=(const SuspectQueue&) = delete;

  // Calls hub->OnSuspectTurn() when it is its turn; not within this call.
  void Add(std::shared_ptr<AwakeHub> hub);
  // The hub that has the turn is done.
  void EndTurn();

  // Hubs in memory that have yet to begin.
  size_t size() const { return hubs_.size(); }

 private:
  void OnTurn();
  void Ask();

  SuspectTurn* const turn_;
  LoopWake given_;  // from the thread that gives the turn
  std::deque<std::shared_ptr<AwakeHub>> hubs_;
  bool asked_ = false;  // or one has it
};

}  // namespace dormouse
