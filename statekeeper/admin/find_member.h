// Which statekeeper a question concerns. Pure functions; the results point into `view`. nullptr: `*status`
// says why.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

// By its id, the beginning of it that no other has, or its address.
const MemberView* FindMember(const ClusterView& view, std::string_view name, grpc::Status* status);

// ABORTED where the owner does not live: another will take the shard.
const MemberView* FindOwner(const ClusterView& view, uint32_t shard, grpc::Status* status);
const MemberView* FindOwnerOfHub(const ClusterView& view, std::string_view hub, grpc::Status* status);

const MemberView* FindSelf(const ClusterView& view, grpc::Status* status);

// That it owns, ascending.
std::vector<ShardId> ShardsOf(const ClusterView& view, const MemberView& member);

}  // namespace dormouse
