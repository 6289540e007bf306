// What clients do: which operations, in which shares, by whom. Chance decides, from a seed.
#pragma once

#include <deque>
#include <vector>

#include "clients/load/check/client.h"

namespace dormouse::load::check {

// Clients and hubs of a run: client i is of hub i mod hubs; the hubs from `awake` on are left asleep.
struct Plan {
  uint32_t clients = 0;
  uint32_t hubs = 1;
  uint32_t awake = 1;

  uint32_t SizeOf(uint32_t hub) const { return (clients - hub + hubs - 1) / hubs; }
  // Each client of a hub has one topic of its own, of these: so few that a message goes to at most eight or
  // so.
  uint32_t OwnTopics() const { return (SizeOf(0) + 7) / 8; }
  // Topics that clients subscribe to now and then come behind those.
  static constexpr uint32_t kOtherTopics = 4;
  uint32_t Topics() const { return OwnTopics() + kOtherTopics; }
  uint32_t OwnTopicOf(ClientId client) const { return client / hubs % OwnTopics(); }
};

class Mix {
 public:
  // The clients stay where they are.
  Mix(const Plan& plan, Stage* stage, std::deque<Client>* clients)
      : plan_(plan), stage_(stage), clients_(*clients) {}

  // One operation by a client of an awake hub. False: the one that was chosen is not up.
  bool Next();
  // Wakes a hub: one of its clients sends to another. False: none is up.
  bool Poke(uint32_t hub);

  // A client of the hub that is up; nullptr: there is none.
  Client* AnyOf(uint32_t hub);

 private:
  // Of the hub, that has not gone for good, where there is one.
  ClientId Target(uint32_t hub);

  const Plan plan_;
  Stage* const stage_;
  std::deque<Client>& clients_;
};

}  // namespace dormouse::load::check
