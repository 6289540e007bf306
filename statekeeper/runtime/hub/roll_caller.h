// Finding out which of a hub's sockets are open: it sends each gateway the list of those that it believes to
// be there, and the gateway answers for every difference.
//
// Due when the hub is in memory for the first time in an epoch, or since a gateway came back that was given
// up: an owner before, or this one, may have missed that sockets closed. That it is done is a record in the
// hub's meta row; until that is durable it is done again at the next wake. Nobody waits for it.
//
// One lane's thread. A part of an awake hub.
#pragma once

#include <cstdint>
#include <set>

#include "common/ids.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_host.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/hub/input_queue.h"

namespace dormouse {

class RollCaller {
 public:
  // All outlive it.
  RollCaller(uint32_t epoch, HubState* state, InputQueue* queue, const HubHost* host)
      : epoch_(epoch), state_(state), queue_(queue), host_(host) {}

  // The hub has been read: queues what is due, one event for each gateway.
  void Begin();
  // Queues the event for a gateway, unless it is on its way.
  void Ask(GatewayId gateway);
  // That event.
  void Handle(const event::CallRoll& call, HubContext* context);
  // It did not count, and is set aside to come again.
  void OnSetAside(const event::CallRoll& call) { under_way_.insert(call.gateway); }

 private:
  const uint32_t epoch_;
  HubState* const state_;
  InputQueue* const queue_;
  const HubHost* const host_;
  std::set<GatewayId> under_way_;
};

}  // namespace dormouse
