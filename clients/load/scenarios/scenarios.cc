#include "clients/load/scenarios/scenarios.h"

#include <string_view>

namespace dormouse::load {

const Scenario* FindScenario(const char* name) {
  for (const Scenario* scenario : {&kEcho, &kIdle, &kWake, &kFanout, &kMesh, &kConnect, &kStorm, &kDay}) {
    if (std::string_view(scenario->name) == name) return scenario;
  }
  return nullptr;
}

}  // namespace dormouse::load
