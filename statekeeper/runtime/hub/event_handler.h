// What is done with each kind of event: the runtime's part, which keeps the hub's connections, and the call
// of the hub class's handler. Made for one event; writes go to the hub's state, sends into the context.
//
// Throws what handlers throw, StoreAway and OverLimit; then the event does not count, and what it has changed
// is to be taken back.
//
// One lane's thread, on a fiber.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/shard.h"
#include "proto/link.pb.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/alarm_run.h"
#include "statekeeper/runtime/hub/backend_commands.h"
#include "statekeeper/runtime/hub/deferred_events.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/hub/input_queue.h"
#include "statekeeper/runtime/hub/poison_guard.h"
#include "statekeeper/runtime/hub/roll_caller.h"

namespace dormouse {

class EventHandler {
 public:
  // Of the awake hub.
  struct Parts {
    const std::string& name;
    const ShardEpoch& shard;
    HubHost* host;
    HubState* state;
    InputQueue* queue;
    AlarmRun* alarm;
    RollCaller* roll_caller;
    PoisonGuard* poison;
    // For requests of backends alone. The second: has the hub handle these events, in their turn.
    const DeferredEvents* deferred = nullptr;
    std::function<void(std::vector<HubEvent>)> handle_later = {};
  };
  // `parts` outlive it. `hub`: nullptr only where NeedsHub is false, and for FinishWithoutHub.
  EventHandler(const Parts& parts, Hub* hub, HubContext* context)
      : parts_(parts), hub_(hub), context_(context) {}

  static bool NeedsHub(const HubEvent& event);
  void Handle(const HubEvent& event) { std::visit(*this, event); }
  // The runtime's part alone: what happened has happened, though the hub class failed to handle it.
  void FinishWithoutHub(const HubEvent& event);

  void operator()(const event::FromGateway& event);
  void operator()(const event::AlarmDue& alarm);
  void operator()(const event::AlarmSettled& settled) { parts_.alarm->Settle(settled); }
  void operator()(const event::GatewayGone& gone);
  void operator()(const event::CallRoll& call) { parts_.roll_caller->Handle(call, context_); }
  void operator()(const event::CloseAll& all);
  void operator()(const event::Recalled& end) { hub_->OnRecalled(*context_, end.connection); }
  void operator()(const event::Confirmed& end) { hub_->OnConfirmed(*context_, end.connection); }
  void operator()(const event::Request& request);
  void operator()(const event::Resumed& resumed);
  void operator()(const event::NoteSuspect& note) { parts_.poison->Handle(note); }
  void operator()(const event::ClearSuspect& note) { parts_.poison->Handle(note); }
  void operator()(const event::NoteGivenUp& note) { parts_.poison->Handle(note, context_->now_ms()); }

 private:
  void Open(const event::FromGateway& event);
  void Receive(const event::FromGateway& event);
  void Close(const event::FromGateway& event);
  void SetBackpressure(const event::FromGateway& event);
  void Return(const event::FromGateway& event);
  void SeePresent(const event::FromGateway& event);
  BackendCommands Backend();
  // What the event makes the hub do is a span from here on, where `traceparent` says that it is traced. nullptr: else.
  OpenSpan* Trace(std::string_view name, Span::Kind kind, std::string_view traceparent);
  // The same of what a client has done.
  void Trace(std::string_view name, const event::FromGateway& event, std::string_view traceparent);
  // What the hub does by itself: it begins a trace, if it is to be traced.
  void TraceTimer(const std::string& timer);
  OpenSpan* Enter(std::unique_ptr<OpenSpan> span);
  // The connection of an event that shows that its socket is open; nullptr: unknown, and closed for that.
  std::shared_ptr<const Connection> See(const event::FromGateway& event);
  // Removes connections of a gateway (0: of all); `event` comes back for the rest, if those are many.
  // `ended`: what to do with each.
  void EndConnections(GatewayId gateway, const HubEvent& event,
                      const std::function<void(const Connection&)>& ended);
  void EndAsLost(const Connection& connection);
  void CloseForOperator(const Connection& connection);

  const Parts& parts_;
  Hub* const hub_;
  HubContext* const context_;
};

// Gateways that are gone and had sockets of this hub.
std::vector<event::GatewayGone> GoneGateways(const HubState& state, const HubHost& host);
// A client's message as hub classes see it. Its text is the event's.
Message MessageOf(const event::FromGateway& event);
// What the request that opened a socket says of its trace: a valid traceparent, or nothing.
std::string_view TraceParentOf(const link::OpenRequest& request);
// The trace's id; empty: there is none.
std::string_view TraceOf(const link::OpenRequest& request);

}  // namespace dormouse
