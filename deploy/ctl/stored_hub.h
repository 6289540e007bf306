// A hub as it is stored: what its class keeps, its alarm and timers, and how they were before each of its last changes
// (statekeeper/runtime/hub/hub_past.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "proto/stored.pb.h"

namespace dormouse {

struct StoredHub {
  // Of all rows of a hub, the runtime's own, too.
  StoredHub(std::string name, const std::map<std::string, std::string>& stored);

  std::string name;  // CLASS/NAME
  stored::HubMeta meta;
  std::map<std::string, std::string> rows;  // the class's, by its own keys
  std::map<uint64_t, stored::PastChange> changes;
  uint64_t last_change = 0;  // 0: there was none since changes are kept

  // The change after which is the oldest state that it can go back to.
  uint64_t first_state() const { return last_change - changes.size(); }
  // Throws a Failure where that is none of those.
  void GoBack(uint64_t to);
};

}  // namespace dormouse
