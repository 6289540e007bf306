// What is said of an event that has failed: to the client that sent it, to who called the hub, and to the log. Its
// sentences are for clients: what they may do about it, and nothing of the hub's inside.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <bitset>

#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/event_handler.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"

namespace dormouse {

class FailureAnswers {
 public:
  // `hub` outlives it.
  explicit FailureAnswers(const EventHandler::Parts& hub) : hub_(hub) {}

  // To the log: it has gone beyond a limit. Of each kind once.
  void Note(Hub::Failure why);
  // To who called the hub.
  static void Refuse(HubRequest* request, Hub::Failure why);
  // Of an open: the socket is closed.
  static void Refuse(const event::FromGateway& open, Hub::Failure why, HubContext* context);
  // Of a message: the hub class tells its client (Hub::OnFailure).
  void Tell(const event::FromGateway& message, Hub::Failure why, const HubClass& hub_class,
            HubContext* context) const;
  // Of a message: its connection is closed for it (HubClass::closes_failed). `in_doubt`: nothing can be written.
  void Close(const event::FromGateway& message, Hub::Failure why, bool in_doubt, HubContext* context) const;

 private:
  const EventHandler::Parts& hub_;
  std::bitset<16> noted_;  // by Hub::Failure
};

}  // namespace dormouse
