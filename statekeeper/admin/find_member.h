// Which statekeeper a question concerns. Pure functions; the results point into `view`. nullptr: `*status`
// says why.
#pragma once

#include <google/protobuf/repeated_field.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

// By its id, the beginning of it that no other has, or its address.
const MemberView* FindMember(const ClusterView& view, std::string_view name, grpc::Status* status);

// ABORTED where the owner does not live: another will take the shard.
const MemberView* FindOwner(const ClusterView& view, uint32_t shard, grpc::Status* status);
const MemberView* FindOwnerOfHub(const ClusterView& view, std::string_view hub, grpc::Status* status);

// The one that owns all of these.
const MemberView* FindOwnerOfAll(const ClusterView& view,
                                 const google::protobuf::RepeatedField<uint32_t>& shards,
                                 grpc::Status* status);

const MemberView* FindSelf(const ClusterView& view, grpc::Status* status);

// Empty: this one is not in the view yet.
std::string SelfId(const ClusterView& view);

// That it owns, ascending.
std::vector<ShardId> ShardsOf(const ClusterView& view, const MemberView& member);

}  // namespace dormouse
