#include "statekeeper/fitness.h"

#include <fmt/format.h>

#include <algorithm>

namespace dormouse {

AdminServer::Readiness JudgeFitness(const Fitness& fitness) {
  if (fitness.stopping) return {false, "stopping"};
  std::vector<std::string> causes;
  AdminServer::Readiness readiness;
  StoreReport worst{StoreState::kWell, ""};
  for (const StoreReport& each : fitness.stores) {
    if (each.state > worst.state) worst = each;
  }
  // Lanes know more; but they may have nothing to ask of it.
  if (worst.state == StoreState::kWell) worst = fitness.membership_store;
  switch (worst.state) {
    case StoreState::kWell:
      break;
    case StoreState::kPartly:
      readiness.degraded.push_back(fmt::format("the store serves in part only: {}", worst.trouble));
      break;
    case StoreState::kRefuses:
      causes.push_back(fmt::format("the store refuses changes: {}", worst.trouble));
      break;
    case StoreState::kAway:
      causes.push_back(
          fmt::format("the store does not answer{}{}", worst.trouble.empty() ? "" : ": ", worst.trouble));
      break;
  }
  if (!fitness.membership.empty()) causes.push_back(fitness.membership);
  readiness.ready = causes.empty();
  readiness.detail = fmt::format("{}", fmt::join(causes, "; "));
  return readiness;
}

}  // namespace dormouse
