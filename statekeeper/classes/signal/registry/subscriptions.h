// Who subscribed to which topic, in rows. A subscription belongs to an actor's (bare) address at a
// connection.
//
//   t/TOPIC CONNECTION ADDRESS     the form of the address: publishing reads the rows of its topic, no others
//   t/TOPIC                        how many of these there are
//   s/CONNECTION/t/TOPIC ADDRESS   the subscription's id: what a session has, and leaves at its end
//   c/CONNECTION                   how many of these there are
//   tn                             how many topics have subscriptions
//
// A topic with wildcards (protocol/topic.h) has its rows below w/ instead of t/, so that publishing finds
// those that match without reading the others. Topics have no spaces, addresses may.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class Subscriptions {
 public:
  // Lives within one handler.
  explicit Subscriptions(Context& context) : context_(context) {}

  struct Limits {
    int64_t subscriptions = 0;  // of one connection
    int64_t topics = 0;         // of the hub, with subscriptions; each one with wildcards is one
  };
  enum class Full { kSubscriptions, kTopics };
  // The subscription's id: a new one, or that of the subscription which is there already, whatever the
  // limits. Or the limit that it would go beyond.
  std::variant<std::string, Full> Add(const ConnectionId& connection, const std::string& topic,
                                      const Address& subscriber, const Limits& limits);

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

  // Without wildcards. Costs one read.
  bool HasSubscribers(const std::string& topic);
  int64_t CountTopics();
  // All that there are. Reads a row of each connection with subscriptions.
  int64_t CountAll();

  using Visit = std::function<void(const ConnectionId& connection, const Address& subscriber)>;
  // Each subscriber of a topic once; with `wildcards` those, too, whose subscription has some and matches.
  // That looks for at most some hundred patterns, and only as far as there are any.
  void ForEach(const std::string& topic, bool wildcards, const Visit& visit);

 private:
  using VisitOwn = std::function<bool(const Key& key, std::string_view id)>;
  void ForEachOwn(const ConnectionId& connection, std::string_view prefix, const VisitOwn& visit);
  void Insert(const ConnectionId& connection, const Key& key, const std::string& id, std::string_view form);
  int64_t CountOf(const std::string& row);
  int64_t Count(const std::string& row, int change);
  bool HasRows(const std::string& prefix);
  using Subscriber = std::function<void(std::string_view connection_and_address, std::string_view form)>;
  void ForEachOf(const std::string& topic_row, const Subscriber& visit);
  struct Own {
    Key key;
    std::string id;
  };
  std::vector<Own> SomeOf(const ConnectionId& connection, size_t limit);
  void Move(const Own& own, const ConnectionId& from, const ConnectionId& to);

  Context& context_;
};

}  // namespace dormouse::signal
