// What an operator sees of the cluster, and can ask this member of it to do (ownership.h implements it).
//
// Threading: call from any thread; callbacks run on the ownership's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/shard.h"
#include "common/time.h"
#include "statekeeper/ownership/members/member.h"
#include "statekeeper/store/cluster_store.h"

namespace dormouse {

struct MemberView {
  std::string id;         // its incarnation, 16 hexadecimal digits; new at every start
  std::string address;    // HOST:PORT for gateways, other members and operators
  std::string unix_path;  // the same service on its own host
  std::string version;    // of the product
  MemberState state = MemberState::kServing;
  WallTime started;
  uint32_t lanes = 0;
  uint32_t shards = 0;     // that it owns
  bool is_self = false;    // the one that was asked
  bool suspected = false;  // so many other members cannot reach it that it is to own nothing
};

struct ClusterView {
  uint32_t shard_count = 0;
  std::vector<MemberView> members;  // by id
  // All, by number; owners that do not live any more are not among the members.
  std::vector<ShardEntry> shards;
  std::vector<std::string> classes = {};  // of hubs, that there are
  std::string cluster_id = {};            // StoreFactory::cluster_id
};

class ClusterAdmin {
 public:
  virtual ~ClusterAdmin() = default;

  // As it is now; never nullptr.
  virtual std::shared_ptr<const ClusterView> View() const = 0;

  // Hands shards of this member to others, sockets staying open ("migrate"): the next best by the placement,
  // which keeps it from here as long as this member lives. Without another member, this one takes it anew
  // (epoch up by one, hubs rebuilt from the store). `error` is empty, or a sentence: what is wrong and what
  // to do.
  virtual void Evict(std::vector<ShardId> shards, std::function<void(std::string error)> done) = 0;

  // Hands over everything; the member stays, without shards, until it stops or is told `false`. `done` when
  // nothing is left here, or when there is nobody to take it (`error` says so).
  virtual void Drain(bool drain, std::function<void(std::string error)> done) = 0;
};

}  // namespace dormouse
