// In which line something waits for its turn on a lane (waiting_room.h): by what it needs, and by who waits
// for it.
#pragma once

#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

enum class WaitingLine {
  kReady,     // needs nothing but a turn; from the others handlers come that may have to wait for the store
  kOpens,     // clients that have just come
  kNew,       // what other clients have just caused
  kReplayed,  // events that an owner before this one may have begun
  kOwn,       // the lane's own: alarms, vanished gateways, what is to be tried again
  kSuspect,   // of sleeping hubs: suspects (poison_guard.h), of which few hubs at a time need be in memory
};

// Of an event that wakes its hub.
inline WaitingLine LineOf(const HubEvent& event) {
  if (AttemptsOf(event) != 0) return WaitingLine::kSuspect;
  if (Is<event::Request>(event)) return WaitingLine::kNew;
  const event::FromGateway* const from = FindUnsettled(event);
  if (from == nullptr) return WaitingLine::kOwn;
  if (from->repeated) return WaitingLine::kReplayed;
  return from->kind == EventKind::kOpen ? WaitingLine::kOpens : WaitingLine::kNew;
}

}  // namespace dormouse
