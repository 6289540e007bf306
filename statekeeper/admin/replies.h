// What this process knows, as operators are told of it: its configuration, the cluster, its hubs. Pure functions.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "common/config/configuration.h"
#include "proto/admin.pb.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

admin::ConfigReply ToProto(const Configuration& configuration);
admin::MembersReply ListMembers(const ClusterView& view);
// Those of one owner, where the request names one: else a status that says why not.
grpc::Status ListShards(const ClusterView& view, const admin::ShardsRequest& request,
                        admin::ShardsReply* reply);
// `self`: the id of this process.
admin::HubReply Describe(const HubReport& report, const std::string& self);
// Of at most `limit` that were asked for.
admin::ConnectionsReply ListConnections(const std::vector<ConnectionReport>& connections, size_t limit);

}  // namespace dormouse
