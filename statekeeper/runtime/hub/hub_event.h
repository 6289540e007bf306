// One thing for a hub to handle: an event of a gateway, or one of the lane's own.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/ids.h"
#include "proto/packed.h"

namespace dormouse {

struct HubEvent {
  enum class Kind {
    // From gateways, see EventKind. They have a cause, and are released exactly once.
    kOpen,
    kText,
    kBinary,
    kClose,
    kPause,
    kResume,
    kUndelivered,
    kUnconfirmed,
    kLost,
    kPresent,
    // The lane's own.
    kAlarm,         // the store's alarm index says that something is due
    kAlarmSettled,  // what OnAlarm sent has arrived: `alarm_after` can be committed
    kGatewayGone,   // `gateway` has vanished with all its sockets
    kRollCall,      // `gateway` is to be asked which of the hub's sockets are open
    kCloseAll,      // an operator closes all sockets
    kRecalled,      // everything that the hub recalled from connection() has come back
    kConfirmed,     // what the hub wanted confirmed has gone to the socket of connection()
    // Of suspects, see awake_hub.h.
    kNoteSuspect,   // the next suspect in the queue is about to begin
    kClearSuspect,  // it has ended
    kNoteGivenUp,   // it was given up
  };

  Kind kind = Kind::kText;
  GatewayId gateway = 0;
  uint64_t sequence = 0;
  uint64_t handle = 0;
  int64_t last_seen_ms = 0;
  bool repeated = false;
  uint32_t attempts = 0;  // not 0: a suspect, which so many owners will have begun with this one
  std::string payload;
  int64_t alarm_after = 0;        // 0: none
  uint64_t alarm_generation = 0;  // of kAlarmSettled: stale if the alarm was set again since

  static HubEvent Of(GatewayId gateway, const EventView& view) {
    HubEvent event;
    event.kind = KindOf(view.kind);
    event.gateway = gateway;
    event.sequence = view.sequence;
    event.handle = view.connection;
    event.last_seen_ms = view.last_seen_ms;
    event.repeated = view.repeated;
    event.payload = view.payload;
    return event;
  }
  // A frame that came back without its gateway: the lane's own.
  static HubEvent Returned(const ConnectionId& closed, std::string frame) {
    HubEvent event;
    event.kind = Kind::kUndelivered;
    event.gateway = closed.gateway;
    event.handle = closed.handle;
    event.payload = std::move(frame);
    return event;
  }
  static HubEvent About(Kind kind, const ConnectionId& connection) {
    HubEvent event;
    event.kind = kind;
    event.gateway = connection.gateway;
    event.handle = connection.handle;
    return event;
  }

  bool IsFromGateway() const { return kind <= Kind::kPresent && sequence != 0; }
  // Something that comes back, or does not: the order in which such come counts.
  bool IsReturn() const {
    return kind == Kind::kUndelivered || kind == Kind::kUnconfirmed || kind == Kind::kLost;
  }
  bool IsMessage() const { return kind == Kind::kText || kind == Kind::kBinary; }
  ConnectionId connection() const { return {gateway, handle}; }

 private:
  static Kind KindOf(EventKind kind) {
    switch (kind) {
      case EventKind::kOpen:
        return Kind::kOpen;
      case EventKind::kText:
        return Kind::kText;
      case EventKind::kBinary:
        return Kind::kBinary;
      case EventKind::kClose:
        return Kind::kClose;
      case EventKind::kPause:
        return Kind::kPause;
      case EventKind::kResume:
        return Kind::kResume;
      case EventKind::kUndelivered:
        return Kind::kUndelivered;
      case EventKind::kUnconfirmed:
        return Kind::kUnconfirmed;
      case EventKind::kLost:
        return Kind::kLost;
      case EventKind::kPresent:
        break;
    }
    return Kind::kPresent;
  }
};

}  // namespace dormouse
