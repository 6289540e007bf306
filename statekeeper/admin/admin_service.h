// What operators ask of a statekeeper (service Admin of proto/admin.proto): answered here where it concerns
// this one, else passed on to the statekeeper that it concerns.
//
// Whoever comes by the unix socket may ask: its directory is the user's own. Over TCP each call must carry a
// token of the admin key; statekeepers that pass a call on to each other make one themselves.
//
// Threading: calls are taken on the completion thread, which never waits here. It is given to the server
// before that starts, and destroyed after it, before `cluster` and `operators`. These may answer late, or
// never: a call ends with its deadline, its client or the server all the same.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "statekeeper/link/link_service.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

// `admin_key`: the option; empty: none. `registry`: where lanes count (runtime/lane_metrics.h). nullptr: the
// key cannot be used, `*error` is a sentence that says why.
std::unique_ptr<LinkService> NewAdminService(const std::string& admin_key, ClusterAdmin* cluster,
                                             LaneOperator* operators,
                                             std::shared_ptr<prometheus::Registry> registry,
                                             std::string* error);

}  // namespace dormouse
