// All scenarios: one file each.
#pragma once

#include "clients/load/engine/scenario.h"

namespace dormouse::load {

extern const Scenario kEcho;
extern const Scenario kIdle;
extern const Scenario kWake;
extern const Scenario kFanout;
extern const Scenario kMesh;
extern const Scenario kConnect;
extern const Scenario kStorm;
extern const Scenario kDay;

}  // namespace dormouse::load
