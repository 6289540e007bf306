// Asks the admin port of a process (common/http/admin_server.h) for one of its pages.
#pragma once

#include <string>

#include "common/config/options.h"

namespace dormouse {

// The body of GET http://ADDRESS/PATH; `address`: HOST:PORT. Waits, no longer than that. Whatever goes wrong
// is thrown as a Failure.
std::string AdminPage(const std::string& address, const std::string& path, Duration timeout);

}  // namespace dormouse
