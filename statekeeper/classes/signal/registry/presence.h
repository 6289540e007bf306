// Who comes and goes, told to those who have subscribed to the topic "hub/presence": publications of type
// hub:presence {actorAddress, event, at}.
//
//   joined    the address is registered, and was not reachable before
//   lost      its socket is gone; its session may be resumed, and messages wait for it
//   resumed   its session has a socket again
//   left      it is registered no more
//
// Told are subscribers with a socket, at the moment; nothing is kept for others: who was away asks
// hub:discover who is there. Costs a hub that nobody watches one read of a row per change.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "statekeeper/classes/signal/state/hub_memory.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

inline constexpr std::string_view kPresenceTopic = "hub/presence";

class Presence {
 public:
  // Lives within one handler.
  Presence(Context& context, const HubMemory& memory) : context_(context), memory_(memory) {}

  enum class Change { kJoined, kLost, kResumed, kLeft };
  // Bare addresses. What would be more than one event may send to all watchers is left out: some megabytes.
  void Tell(std::span<const std::string> addresses, Change change);
  void Tell(const std::string& address, Change change) { Tell({&address, 1}, change); }

 private:
  Context& context_;
  const HubMemory& memory_;
};

}  // namespace dormouse::signal
