// What an operator can ask of the hubs of a process. Implemented over all lanes (lane_shards.h): each
// question goes to the lane that owns the hub's shard.
//
// Threading: call from any thread; `done` runs once, on a lane's thread. A question about a shard that is not
// served here is answered with kNotOwner.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/shard.h"
#include "statekeeper/runtime/hub_copy.h"

namespace dormouse {

enum class OperatorStatus {
  kOk,
  kNotOwner,   // the shard is not served here
  kNoSuchHub,  // no such class, or nothing is known of the hub
  kBusy,       // it did not come to rest in time
  kStore,      // the store did not answer
  kCrowded,    // too much is under way; ask again
};

struct HubSummary {
  std::string hub;  // "CLASS/NAME"
  bool awake = false;
  int64_t idle_ms = 0;  // awake: since its last event
};

struct HubReport {
  std::string hub;
  ShardId shard = 0;
  uint32_t epoch = 0;
  bool awake = false;
  int64_t idle_ms = 0;
  uint64_t sockets = 0;
  std::vector<std::pair<GatewayId, uint64_t>> sockets_by_gateway;
  bool half_restored = false;           // a restore has begun to write it and has not ended
  std::optional<int64_t> alarm_due_ms;  // wall clock
  // By name: when each is due.
  std::vector<std::pair<std::string, int64_t>> timers;
  uint64_t state_bytes = 0;  // of the hub class's rows
  size_t waiting_events = 0;
  // What the hub class says of itself (HubClass::Describe): name and number, such as registrations.
  std::vector<std::pair<std::string, int64_t>> counts;
};

struct ConnectionReport {
  ConnectionId id;
  int64_t connected_ms = 0;
  int64_t last_seen_ms = 0;
  size_t attachment_bytes = 0;
  std::vector<std::string> tags;
};

class LaneOperator {
 public:
  virtual ~LaneOperator() = default;

  template <typename T>
  using Answer = std::function<void(OperatorStatus, T)>;
  using Done = std::function<void(OperatorStatus)>;

  // Hubs of one shard by name, after `after`, at most `limit` (at most 1,000): those that have rows in the
  // store and those that are awake. Fewer than `limit`: no more follow.
  virtual void ListHubs(ShardId shard, std::string after, size_t limit,
                        Answer<std::vector<HubSummary>> done) = 0;
  // Does not wake a sleeping hub, save for its `counts`, which need it: those are empty for a sleeping hub.
  virtual void DescribeHub(std::string hub, Answer<HubReport> done) = 0;
  virtual void ListConnections(std::string hub, std::string after, size_t limit,
                               Answer<std::vector<ConnectionReport>> done) = 0;

  // Drops the hub from memory as soon as nothing is under way; kOk also when it sleeps.
  virtual void HibernateHub(std::string hub, Done done) = 0;
  // Closes all its sockets with 1001 "Going Away" (to the hub they end as if the network had ended them, so
  // that sessions can be resumed), then drops it from memory.
  virtual void CloseHub(std::string hub, Done done) = 0;

  // --- Copies (hub_copy.h). They are made in the store: nothing is woken, and of a hub in memory they show
  // what it has committed, never part of an event.
  virtual void ReadHubs(ShardId shard, std::string after, Answer<HubsPage> done) = 0;
  // `reading` 0: the first page.
  virtual void ReadHub(std::string hub, uint64_t reading, uint32_t page, Answer<HubPage> done) = 0;
  // Puts a hub into the store. One that is in memory forgets what it knew, and sockets that the new state
  // does not know are closed. A small hub is there at once; of one that comes in parts no event is handled
  // until the last is there.
  virtual void RestoreHub(HubRestore restore, Answer<RestoreOutcome> done) = 0;
};

}  // namespace dormouse
