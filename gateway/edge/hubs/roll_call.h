// Hubs and this gateway agree on which sockets are open: a hub calls the roll (a list of those that it
// believes to be here), and hears of every difference. Where the store may have forgotten connections, hubs
// are asked to call it.
//
// On the loop's thread.
#pragma once

#include <vector>

#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/hubs/hub_sockets.h"
#include "gateway/edge/sockets/connection_table.h"
#include "proto/packed.h"

namespace dormouse::edge {

class RollCall {
 public:
  // All outlive this.
  RollCall(ConnectionTable* table, const HubSockets* hub_sockets, EventWriter* events)
      : table_(table), hub_sockets_(hub_sockets), events_(events) {}

  // A delivery of kind roll call: says which of its sockets are not open (a close), and which others are.
  void Answer(const DeliveryView& delivery);
  // Asks the hubs of these shards that have sockets here to call the roll. Costs something for each hub that
  // has, which is not what an idle connection may cost; but a store that loses time is no matter of course.
  void AskFor(const std::vector<bool>& by_shard);

 private:
  ConnectionTable* const table_;
  const HubSockets* const hub_sockets_;
  EventWriter* const events_;
};

}  // namespace dormouse::edge
