// The command line of a scenario. Reads files that it names.
#pragma once

#include <optional>

#include "clients/load/engine/scenario.h"

namespace dormouse::load {

// What it says, ready to be run. Nothing: the user asked for help, or has been told what is wrong; `*status`
// is what the program ends with.
std::optional<Settings> ReadCommandLine(const Scenario& scenario, int argc, char** argv, int* status);

}  // namespace dormouse::load
