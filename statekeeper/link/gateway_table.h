// The gateways that a lane knows: their sessions, and for a while the ids of those that it has given up.
//
// A gateway is present as long as its session lasts. One that was never seen counts as present, too, for a
// grace period from the start on: it may have sockets of hubs that have just come to this process, and has
// only not linked yet.
//
// Threading: the lane's.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "common/config/options.h"
#include "common/ids.h"
#include "statekeeper/link/gateway_session.h"

namespace dormouse {

class GatewayTable {
 public:
  static constexpr size_t kMaxGateways = 1024;

  GatewayTable(Duration grace, const GatewaySession::Lane& lane);

  // nullptr: there is none, or not any more.
  GatewaySession* Find(GatewayId id) const {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
  }
  // Also of one that was never seen, while that may yet come; nullptr: it is gone.
  GatewaySession* FindPresent(GatewayId id);
  bool IsPresent(GatewayId id) const;

  bool full() const { return sessions_.size() >= kMaxGateways; }
  size_t size() const { return sessions_.size(); }
  GatewaySession* Add(GatewayId id);
  // Gives it up: takes its session out.
  std::unique_ptr<GatewaySession> Remove(GatewayId id);
  bool WasGivenUp(GatewayId id) const {
    return std::find(given_up_.begin(), given_up_.end(), id) != given_up_.end();
  }
  // Whether it was given up, of late. Not any more after this.
  bool Readmit(GatewayId id) { return std::erase(given_up_, id) > 0; }

  // Whose streams have been gone for the grace period; when the next one's may have; steady clock.
  std::vector<GatewayId> Overdue(int64_t now_ms) const;
  int64_t NextOverdueMs(int64_t now_ms) const;

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [id, session] : sessions_) visit(session.get());
  }
  template <typename Visit>
  void ForEachLinked(Visit visit) const {
    for (const auto& [id, session] : sessions_) {
      if (session->linked()) visit(session.get());
    }
  }

 private:
  const int64_t grace_ms_;
  const GatewaySession::Lane lane_;
  const int64_t start_ms_;
  absl::flat_hash_map<GatewayId, std::unique_ptr<GatewaySession>> sessions_;
  std::deque<GatewayId> given_up_;  // the latest, in this order; each once
};

}  // namespace dormouse
