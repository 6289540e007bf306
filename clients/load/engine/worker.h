// A worker: one thread of a load process, with its share of the connections.
#pragma once

#include <cstdint>

#include "clients/load/engine/scenario.h"

namespace dormouse::load {

// Does what the board commands, until that is to close. `commanded` is readable when there is a new command,
// and `reports` is written to when one is carried out, or this worker cannot go on (see its slot).
void Work(const Scenario& scenario, const Settings& settings, uint32_t worker, Board* board, Slot* slot,
          int commanded, int reports);

}  // namespace dormouse::load
