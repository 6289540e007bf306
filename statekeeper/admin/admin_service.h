// What operators ask of a statekeeper (service Admin of proto/admin.proto): answered here where it concerns
// this one, else passed on to the statekeeper that it concerns.
//
// Who may ask is decided before (common/rpc/link_gate.h): whoever comes by the unix socket, whose directory
// is the user's own; over TCP operators and other statekeepers.
//
// Threading: calls are taken on the completion thread, which never waits here. It is given to the server
// before that starts, and destroyed after it, before `cluster` and `operators`. These may answer late, or
// never: a call ends with its deadline, its client or the server all the same.
#pragma once

#include <prometheus/registry.h>

#include <memory>

#include "common/config/configuration.h"
#include "common/rpc/link_credentials.h"
#include "statekeeper/apps/app_operator.h"
#include "statekeeper/link/link_service.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

// `credentials`: with which questions are passed on to statekeepers of other hosts; nullptr: none.
// `registry`: where lanes count (runtime/lane/lane_metrics.h). `configuration` outlives it; nullptr: it is not
// told. `apps` outlives it; nullptr: no versions can be deployed, since the statekeeper has an app of its own.
std::unique_ptr<LinkService> NewAdminService(std::shared_ptr<const LinkCredentials> credentials,
                                             ClusterAdmin* cluster, LaneOperator* operators,
                                             std::shared_ptr<prometheus::Registry> registry,
                                             const ConfigurationInEffect* configuration = nullptr,
                                             AppOperator* apps = nullptr);

}  // namespace dormouse
