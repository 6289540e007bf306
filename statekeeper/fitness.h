// Whether a statekeeper is fit for traffic, from what its parts say of themselves: for /readyz, which names
// each cause. It is not where it can serve no hub, or change none; it is, though degraded, where it can serve
// most.
#pragma once

#include <string>
#include <vector>

#include "common/http/admin_server.h"
#include "statekeeper/store/store.h"

namespace dormouse {

struct Fitness {
  bool stopping = false;
  std::string membership = {};                             // Ownership::NotReady
  StoreReport membership_store = {StoreState::kWell, ""};  // Ownership::store_report
  std::vector<StoreReport> stores = {};                    // of each lane
};

AdminServer::Readiness JudgeFitness(const Fitness& fitness);

}  // namespace dormouse
