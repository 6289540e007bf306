// What a statekeeper answers to whoever copies hubs out of its store, or into it (ReadHubs, ReadHub and
// RestoreHubs of proto/admin.proto). The hubs are this one's; any thread; the call is answered once, from a
// lane's thread or at once.
#pragma once

#include <memory>

#include "common/rpc/unary_call.h"
#include "proto/admin.pb.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

void AnswerReadHubs(LaneOperator* operators, const admin::ReadHubsRequest& request,
                    std::shared_ptr<UnaryCall<admin::ReadHubsReply>> call);
void AnswerReadHub(LaneOperator* operators, const admin::ReadHubRequest& request,
                   std::shared_ptr<UnaryCall<admin::ReadHubReply>> call);
// All hubs of the request at once.
void AnswerRestoreHubs(LaneOperator* operators, const admin::RestoreHubsRequest& request,
                       std::shared_ptr<UnaryCall<admin::RestoreHubsReply>> call);

}  // namespace dormouse
