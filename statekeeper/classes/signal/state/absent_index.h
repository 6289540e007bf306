// Which connections belong to sessions that have no socket, and which to sessions that are over: what each
// message asks of its recipients. Empty most of the time, so that asking costs nothing.
//
// A session without a socket is kept under one connection, its holder. While it moves to another connection
// it has rows under several, its places: all lead to the holder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <unordered_set>

#include "common/ids.h"

namespace dormouse::signal {

class AbsentIndex {
 public:
  // Nullptr: as far as is known here, the connection is open.
  const ConnectionId* HolderOf(const ConnectionId& connection) const {
    const auto found = holders_.find(connection);
    return found == holders_.end() ? nullptr : &found->second;
  }
  bool Contains(const ConnectionId& connection) const {
    return !holders_.empty() && holders_.contains(connection);
  }
  // The session is over: what rows say of it counts no more, and goes step by step.
  bool HasEnded(const ConnectionId& connection) const {
    return !ended_.empty() && ended_.contains(connection);
  }
  bool HasAnyEnded() const { return !ended_.empty(); }
  // It waits, or is on its way to another connection.
  bool IsAlive(const ConnectionId& connection) const { return Contains(connection) && !HasEnded(connection); }

  void Add(const ConnectionId& place, const ConnectionId& holder, bool ended) {
    holders_[place] = holder;
    if (ended) ended_.insert(place);
  }
  void Remove(const ConnectionId& place) {
    holders_.erase(place);
    ended_.erase(place);
  }

  // Sessions that are alive; and the places of those.
  size_t CountSessions() const {
    return static_cast<size_t>(std::ranges::count_if(
        holders_, [this](const auto& each) { return each.first == each.second && !HasEnded(each.first); }));
  }
  size_t CountPlaces() const { return holders_.size() - ended_.size(); }

 private:
  std::unordered_map<ConnectionId, ConnectionId> holders_;  // by place
  std::unordered_set<ConnectionId> ended_;                  // of the places
};

}  // namespace dormouse::signal
