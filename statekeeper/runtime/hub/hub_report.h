// What an operator is told of one hub, read from its rows: of hubs in memory and of sleeping ones alike.
#pragma once

#include <string>
#include <vector>

#include "proto/stored.pb.h"
#include "statekeeper/runtime/hub/hub_state.h"
#include "statekeeper/runtime/lane_operator.h"

namespace dormouse {

// Sockets, alarm and size.
HubReport ReportOf(const stored::HubMeta& meta);

// Connections in the order of their ids, after that of the text `after`, at most `limit`. On a fiber; throws
// StoreAway.
std::vector<ConnectionReport> ConnectionsAfter(const std::string& after, size_t limit, HubState* state);

}  // namespace dormouse
