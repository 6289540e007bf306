// Where a statekeeper reaches another one.
#pragma once

#include <string>

#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

// For LinkChannel: "unix:PATH" where the member is of this host, else "HOST:PORT". Looks at the disk; any thread.
std::string TargetOf(const MemberView& member);

}  // namespace dormouse
