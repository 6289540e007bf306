// What each command of dormousectl does: asks, and prints to standard output. Whatever goes wrong is thrown
// as a Failure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/config/options.h"
#include "deploy/ctl/cluster_client.h"
#include "deploy/ctl/show.h"

namespace dormouse {

void Members(ClusterClient* cluster, Form form);
void Shards(ClusterClient* cluster, const std::string& owner, bool summary, Form form);

// `statekeeper`: only this one; else all. `gateways`: the admin ports (HOST:PORT) of gateways, who are asked,
// too, each for no longer than `timeout`. `changed`: leaves out what
// has its default.
struct ConfigQuery {
  std::string statekeeper;
  std::vector<std::string> gateways;
  bool changed = false;
  Duration timeout{10'000};
};
void Config(ClusterClient* cluster, const ConfigQuery& query, Form form);

struct HubQuery {
  std::string hub_class;  // empty: all
  bool awake = false;
  std::optional<uint32_t> shard;
  uint64_t limit = 0;  // 0: none
};
void Hubs(ClusterClient* cluster, const HubQuery& query, Form form);
void Hub(ClusterClient* cluster, const std::string& hub, Form form);
void Connections(ClusterClient* cluster, const std::string& hub, uint64_t limit, Form form);
void Hibernate(ClusterClient* cluster, const std::string& hub, Form form);

// One of these is given.
struct EvictTarget {
  std::string hub;
  std::vector<uint32_t> shards;
  std::string statekeeper;
};
// `mode`: "migrate" or "close".
void Evict(ClusterClient* cluster, const EvictTarget& target, const std::string& mode, Form form);
void Drain(ClusterClient* cluster, const std::string& statekeeper, bool undo, bool wait, Form form);

// A new picture every `interval`, in the place of the last one on a terminal; `once`: one.
void Top(ClusterClient* cluster, bool once, Duration interval, Form form);

}  // namespace dormouse
