// Which open connections belong to a hub: for a hub that calls the roll.
//
// The connections of a hub form a ring; the table knows one of each ring. So a connection costs two pointers,
// a hub one entry, and nothing grows with the number of others. One thread.
#pragma once

#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>

#include <cstddef>
#include <string_view>

#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class HubSockets {
 public:
  // The connection's hub must not change until Remove, nor the connection move.
  void Add(Connection* connection);
  void Remove(Connection* connection);

  // Visits the hub's connections, in no order. `visit` must not add or remove.
  template <typename Visit>
  void ForEach(std::string_view hub, const Visit& visit) const {
    const auto found = one_of_each_.find(hub);
    if (found == one_of_each_.end()) return;
    Connection* connection = *found;
    do {
      visit(connection);
      connection = connection->next_of_hub;
    } while (connection != *found);
  }
  // Visits one connection of each hub. The same holds.
  template <typename Visit>
  void ForEachHub(const Visit& visit) const {
    for (Connection* connection : one_of_each_) visit(connection);
  }
  size_t hubs() const { return one_of_each_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view hub) const { return absl::Hash<std::string_view>()(hub); }
    size_t operator()(const Connection* connection) const { return operator()(connection->hub); }
  };
  struct Equal {
    using is_transparent = void;
    static std::string_view Name(std::string_view hub) { return hub; }
    static std::string_view Name(const Connection* connection) { return connection->hub; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Name(a) == Name(b);
    }
  };
  absl::flat_hash_set<Connection*, Hash, Equal> one_of_each_;
};

}  // namespace dormouse::edge
