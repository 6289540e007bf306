// What a server says on its admin port.
#pragma once

#include <string>

namespace dormouse::load {

// The sum of a metric's values at http://`address`/metrics. Blocks; throws std::runtime_error where there is
// none.
double ReadMetric(const std::string& address, const std::string& name);

}  // namespace dormouse::load
