// Who subscribed to which topic, in rows. A subscription belongs to an actor's (bare) address at a
// connection.
//
//   t/TOPIC CONNECTION ADDRESS     the form of the address: publishing reads the rows of its topic, no others
//   s/CONNECTION/t/TOPIC ADDRESS   the subscription's id: what a session has, and leaves at its end
//
// Topics have no spaces, addresses may.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/classes/signal/address.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

// ^[a-zA-Z0-9/_-]{1,256}$
bool IsValidTopic(std::string_view topic);

class Subscriptions {
 public:
  // Lives within one handler.
  explicit Subscriptions(Context& context) : context_(context) {}

  // Returns the subscription's id: a new one, or that of the subscription which is there already.
  std::string Add(const ConnectionId& connection, const std::string& topic, const Address& subscriber);

  struct Key {
    std::string topic;
    std::string address;
  };
  // Of a connection's own subscriptions: that of the address to the topic, else any to the topic.
  std::optional<Key> FindByTopic(const ConnectionId& connection, const std::string& topic,
                                 const std::string& address);
  std::optional<Key> FindById(const ConnectionId& connection, const std::string& id);
  void Remove(const ConnectionId& connection, const Key& key);
  // Those of one address.
  void RemoveAllOf(const ConnectionId& connection, const std::string& address);

  // Hands an address's subscriptions to its new connection, ids included.
  void Move(const std::string& address, const ConnectionId& from, const ConnectionId& to);

  // Of all subscriptions of a connection, removes up to `limit`, or hands them to another one. Returns how
  // many there were to handle.
  size_t RemoveSomeOf(const ConnectionId& connection, size_t limit);
  size_t MoveSome(const ConnectionId& from, const ConnectionId& to, size_t limit);

  using Visit = std::function<void(const ConnectionId& connection, const Address& subscriber)>;
  void ForEach(const std::string& topic, const Visit& visit);

 private:
  using VisitOwn = std::function<bool(const Key& key, std::string_view id)>;
  void ForEachOwn(const ConnectionId& connection, std::string_view prefix, const VisitOwn& visit);
  struct Own {
    Key key;
    std::string id;
  };
  std::vector<Own> SomeOf(const ConnectionId& connection, size_t limit);
  void Move(const Own& own, const ConnectionId& from, const ConnectionId& to);

  Context& context_;
};

}  // namespace dormouse::signal
