// Calls of other hubs by a handler that is running, which waits for the answer. What it has written so far is made
// durable first, in a commit of its own: the hub that is called may do something about it, and that cannot be
// taken back. So a handler that has called and fails keeps what it had written before its calls, and the sockets
// that it had closed.
//
// One lane's thread, on a fiber where not said otherwise. A part of an awake hub.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/event_handler.h"
#include "statekeeper/runtime/hub/handler_clock.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/output_gate.h"

namespace dormouse {

class HandlerCalls {
 public:
  // All outlive it. `commit_soon`: HubHost::CommitSoon for this hub.
  HandlerCalls(const EventHandler::Parts& hub, HandlerClock* clock, OutputGate* gate,
               std::function<void()> commit_soon)
      : hub_(hub), clock_(clock), gate_(gate), commit_soon_(std::move(commit_soon)) {}

  // Context::Call by the handler of that event, which began as `number`. Throws where what it has written cannot be
  // made durable.
  Context::CallAnswer Call(const HubEvent& event, uint64_t number, HubContext* context, std::string hub,
                           std::string_view payload, std::chrono::milliseconds deadline);
  // That handler does not count: the sockets that it has closed before its calls are closed all the same.
  void KeepCloses(HubContext* context, uint64_t number);

  // A commit has failed, the one that is waited for with it. On a fiber or not.
  void OnCommitFailed() { EndWait(false); }
  // The shard has another owner. The same.
  void Depose();

 private:
  void Commit(uint64_t number);
  void EndWait(bool durable);

  const EventHandler::Parts& hub_;
  HandlerClock* const clock_;
  OutputGate* const gate_;
  const std::function<void()> commit_soon_;
  Fiber* waits_ = nullptr;  // for the commit
  bool is_durable_ = false;
  bool deposed_ = false;
};

}  // namespace dormouse
