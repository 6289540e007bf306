// Calls of other hubs by handlers of this lane's hubs (Context::Call), while their fibers wait.
//
//   Call: the fiber is suspended --HubCaller--> the other hub --> answer, on any thread --> queue --> the fiber goes on
//                               +--> or its time is over
//
// A waiting fiber is one that no other handler has. So that those which need the store find some, and with them the hubs
// that are called, no more than half of the lane's (max-handlers) wait for calls: more calls fail at once.
//
// One lane's thread and loop.
#pragma once

#include <ev.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "common/loop/task_queue.h"
#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/runtime/fiber.h"

namespace dormouse {

class OutgoingCalls {
 public:
  // `caller`: nullptr: no hub can be called. `most`: calls at once.
  OutgoingCalls(struct ev_loop* loop, HubCaller* caller, FiberPool* fibers, size_t most);
  // Whose answers come later are not told; fibers that wait still are the pool's.
  ~OutgoingCalls();
  OutgoingCalls(const OutgoingCalls&) = delete;
  OutgoingCalls& operator=(const OutgoingCalls&) = delete;

  // On a fiber that may suspend (FiberPool::MaySuspend).
  HubCaller::Answer Call(HubCaller::Question question);
  // At the loop's next turn.
  void ResumeSoon(Fiber* fiber);

 private:
  struct Waiting {
    Fiber* fiber = nullptr;
    int64_t until_ms = 0;  // SteadyMs
    std::optional<HubCaller::Answer> answer;
  };

  void OnAnswer(uint64_t number, HubCaller::Answer answer);
  static void OnTimer(struct ev_loop* loop, ev_timer* timer, int events);
  void Arm();

  struct ev_loop* const loop_;
  HubCaller* const caller_;
  FiberPool* const fibers_;
  const size_t most_;
  const std::shared_ptr<TaskQueue> answers_;
  ev_timer timer_;
  std::map<uint64_t, Waiting> waiting_;
  uint64_t last_number_ = 0;
};

}  // namespace dormouse
