// What others are shown of the cluster as this member knows it: gateways the shard map (who lives, who owns
// which shard in which epoch, what classes there are), operators the ClusterView. Both are made anew when
// something has changed, a few at most in each tenth of a second. Without its lease this member may be the
// only one that has not heard of what has changed: then it withdraws the map, and gateways ask others.
//
// Threading: the ownership's thread; View any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/lease.h"
#include "common/time.h"
#include "proto/link.pb.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/ownership/members/membership.h"
#include "statekeeper/ownership/shards/shard_table.h"

namespace dormouse {

class MapPublisher {
 public:
  struct Config {
    uint32_t shard_count = 0;
    std::string cluster_id = {};
    std::vector<link::ClassProfile> classes = {};
    std::function<void(link::ShardMap)> publish = {};
    std::function<void()> withdraw = {};
  };

  // `membership` and `lease`, this member's, outlive it.
  MapPublisher(Config config, const Membership* membership, const Lease* lease);

  // The newest, as published.
  std::shared_ptr<const ClusterView> View() const;

  // Something of it has changed; the next Publish says so.
  void MarkChanged() { is_changed_ = true; }
  bool is_changed() const { return is_changed_; }
  void ChangeClasses(std::vector<link::ClassProfile> classes);

  // What has changed, unless that has been done just now: to be called often.
  void Publish(const ShardTable& table, SteadyTime now);
  // The same at once: before an operator is answered, who may look.
  void PublishNow(const ShardTable& table, SteadyTime now);

 private:
  link::ShardMap NewMap(const ShardTable& table);
  ClusterView NewView(const ShardTable& table) const;
  void SetView(ClusterView view);

  const Config config_;
  const Membership* const membership_;
  const Lease* const lease_;
  std::vector<link::ClassProfile> classes_;
  bool is_changed_ = false;
  bool is_withdrawn_ = false;
  SteadyTime published_;
  uint64_t version_ = 0;  // of the map

  mutable std::mutex view_mutex_;
  std::shared_ptr<const ClusterView> view_;
};

}  // namespace dormouse
