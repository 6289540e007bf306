// One thing for a hub to handle: an event of a gateway, or one of the lane's own. Each of the lane's own is a
// type that has what it needs and nothing else. What gateways say is one type, for all its kinds say the same
// of themselves and are settled in the same way.
//
// A HubEvent is moved from queue to queue, and many may wait: it is no larger than its largest kind.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "common/ids.h"
#include "proto/packed.h"
#include "statekeeper/hub/hub_port.h"
#include "statekeeper/runtime/hub/hub_request.h"

namespace dormouse {

namespace event {

// It has a cause, and is released exactly once.
struct FromGateway {
  GatewayId gateway = 0;
  uint64_t handle = 0;
  uint64_t sequence = 0;  // 0: a frame that came back without its gateway, which waits for no answer
  int64_t last_seen_ms = 0;
  std::string payload = {};
  uint32_t attempts = 0;  // not 0: a suspect, which so many owners will have begun with this one
  EventKind kind = EventKind::kText;
  bool repeated = false;
  uint8_t restarts = 0;  // Hub objects that were lost while they had deferred it

  ConnectionId connection() const { return {gateway, handle}; }
  bool IsMessage() const { return kind == EventKind::kText || kind == EventKind::kBinary; }
};

// The store's alarm index says that something is due.
struct AlarmDue {
  uint32_t attempts = 0;  // as above
  uint8_t restarts = 0;   // as above
};
// Somebody calls the hub.
struct Request {
  std::shared_ptr<HubRequest> request;
  uint8_t restarts = 0;  // as above
};
// A deferred event goes on, or something of the hub's own does.
struct Resumed {
  std::shared_ptr<HubPort::Resumption> resumption;
  uint64_t life = 0;  // of the Hub object that it is for
};
// What OnAlarm sent has arrived: the alarm that it set can be committed.
struct AlarmSettled {
  int64_t due_ms = 0;       // 0: none
  uint64_t generation = 0;  // stale if the alarm was set again since
};
// The gateway has vanished with all its sockets.
struct GatewayGone {
  GatewayId gateway = 0;
};
// The gateway is to be asked which of the hub's sockets are open.
struct CallRoll {
  GatewayId gateway = 0;
};
// An operator closes all sockets.
struct CloseAll {};
// Everything that the hub recalled from the connection has come back.
struct Recalled {
  ConnectionId connection;
};
// What the hub wanted confirmed has gone to the connection's socket.
struct Confirmed {
  ConnectionId connection;
};

// --- Of poison_guard.h.
// The next suspect in the queue is about to begin.
struct NoteSuspect {};
// It has ended.
struct ClearSuspect {};
// It was given up.
struct NoteGivenUp {};

}  // namespace event

using HubEvent =
    std::variant<event::FromGateway, event::AlarmDue, event::AlarmSettled, event::GatewayGone,
                 event::CallRoll, event::CloseAll, event::Recalled, event::Confirmed, event::Request,
                 event::Resumed, event::NoteSuspect, event::ClearSuspect, event::NoteGivenUp>;
static_assert(sizeof(HubEvent) <= sizeof(event::FromGateway) + sizeof(void*));

inline event::FromGateway EventOf(GatewayId gateway, const EventView& view) {
  return {.gateway = gateway,
          .handle = view.connection,
          .sequence = view.sequence,
          .last_seen_ms = view.last_seen_ms,
          .payload = std::string(view.payload),
          .kind = view.kind,
          .repeated = view.repeated};
}

// A frame that came back without its gateway.
inline event::FromGateway Returned(const ConnectionId& closed, std::string frame) {
  return {.gateway = closed.gateway,
          .handle = closed.handle,
          .payload = std::move(frame),
          .kind = EventKind::kUndelivered};
}

template <typename Kind>
bool Is(const HubEvent& event) {
  return std::holds_alternative<Kind>(event);
}

// The event if its gateway waits for it to be settled; else nullptr.
inline const event::FromGateway* FindUnsettled(const HubEvent& event) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  return from != nullptr && from->sequence != 0 ? from : nullptr;
}

// The event if it is a client's message; else nullptr.
inline const event::FromGateway* FindMessage(const HubEvent& event) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  return from != nullptr && from->IsMessage() ? from : nullptr;
}

// See event::FromGateway::attempts.
inline uint32_t AttemptsOf(const HubEvent& event) {
  if (const auto* const from = std::get_if<event::FromGateway>(&event)) return from->attempts;
  const auto* const alarm = std::get_if<event::AlarmDue>(&event);
  return alarm == nullptr ? 0 : alarm->attempts;
}

// How often its Hub object was lost while it was deferred.
inline uint32_t RestartsOf(const HubEvent& event) {
  if (const auto* const from = std::get_if<event::FromGateway>(&event)) return from->restarts;
  if (const auto* const alarm = std::get_if<event::AlarmDue>(&event)) return alarm->restarts;
  const auto* const request = std::get_if<event::Request>(&event);
  return request == nullptr ? 0 : request->restarts;
}
inline void CountRestart(HubEvent* event) {
  const auto count = [](uint8_t* restarts) { *restarts += *restarts < 255 ? 1 : 0; };
  if (auto* const from = std::get_if<event::FromGateway>(event)) count(&from->restarts);
  if (auto* const alarm = std::get_if<event::AlarmDue>(event)) count(&alarm->restarts);
  if (auto* const request = std::get_if<event::Request>(event)) count(&request->restarts);
}
// Whether its handler may leave it to be finished later (Context::Defer).
inline bool CanBeDeferred(const HubEvent& event) {
  return Is<event::FromGateway>(event) || Is<event::AlarmDue>(event) || Is<event::Request>(event);
}

// Bytes of memory for one that waits.
inline size_t BytesOf(const HubEvent& event) {
  const auto* const from = std::get_if<event::FromGateway>(&event);
  const auto* const request = std::get_if<event::Request>(&event);
  return sizeof(event) + (from == nullptr ? 0 : from->payload.capacity()) +
         (request == nullptr ? 0 : request->request->bytes());
}

}  // namespace dormouse
