// Whether the options that are addresses can be. Pure; any thread.
#pragma once

#include <string>

#include "common/config/options.h"

namespace dormouse {

// A sentence that names the option; empty: nothing is wrong.
std::string WrongAddress(const Options& options);

}  // namespace dormouse
