#include "gateway/edge/hubs/hub_sockets.h"

namespace dormouse::edge {

void HubSockets::Add(Connection* connection) {
  Connection* const other = *one_of_each_.insert(connection).first;  // itself where it is the first
  if (other == connection) {
    connection->next_of_hub = connection->previous_of_hub = connection;
    return;
  }
  connection->next_of_hub = other;
  connection->previous_of_hub = other->previous_of_hub;
  connection->previous_of_hub->next_of_hub = connection;
  other->previous_of_hub = connection;
}

void HubSockets::Remove(Connection* connection) {
  const auto known = one_of_each_.find(connection);
  Connection* const next = connection->next_of_hub;
  if (*known == connection) {
    one_of_each_.erase(known);
    if (next != connection) one_of_each_.insert(next);
  }
  next->previous_of_hub = connection->previous_of_hub;
  connection->previous_of_hub->next_of_hub = next;
  connection->next_of_hub = connection->previous_of_hub = nullptr;
}

}  // namespace dormouse::edge
