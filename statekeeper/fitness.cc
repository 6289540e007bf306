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
  switch (worst.state) {
    case StoreState::kWell:
      if (fitness.store_is_silent) causes.emplace_back("the store does not answer");
      break;
    case StoreState::kPartly:
      readiness.degraded.push_back(fmt::format("the store serves in part only: {}", worst.trouble));
      break;
    case StoreState::kRefuses:
      causes.push_back(fmt::format("the store refuses changes: {}", worst.trouble));
      break;
    case StoreState::kAway:
      causes.push_back(fmt::format("the store does not answer: {}", worst.trouble));
      break;
  }
  if (!fitness.membership.empty()) causes.push_back(fitness.membership);
  readiness.ready = causes.empty();
  readiness.detail = fmt::format("{}", fmt::join(causes, "; "));
  return readiness;
}

}  // namespace dormouse
