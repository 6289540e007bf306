// One page of the hubs of this process: those of a few dozen shards, which are asked at once.
#pragma once

#include <memory>
#include <vector>

#include "common/rpc/unary_call.h"
#include "proto/admin.pb.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

// `shards`: all that the question is about, ascending; the page begins where `request` says. Any thread;
// answers the call once, from a lane's thread or at once.
void AnswerHubPage(LaneOperator* operators, const std::vector<ShardId>& shards,
                   const admin::HubsRequest& request, std::shared_ptr<UnaryCall<admin::HubsReply>> call);

}  // namespace dormouse
