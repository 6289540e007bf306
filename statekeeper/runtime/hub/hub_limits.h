// What one hub may store, and what one event may make it do. The operator's choice (options of the same
// names). 0: no limit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/config/options.h"

namespace dormouse {

struct HubLimits {
  size_t max_attachment = 16u << 10;  // bytes for one connection; 0 is none
  uint64_t max_state = 0;             // bytes of all keys and values

  // Changes that can be taken back (hub_past.h), and bytes for them.
  uint32_t history = 0;
  uint64_t history_bytes = 1u << 20;

  // Of one event.
  uint64_t max_output = 0;     // bytes that sockets are sent, each recipient's copy counted
  uint64_t max_changes = 0;    // bytes of keys and values that are written, every write counted
  Duration handler_budget{0};  // time that its handler may run; waiting does not count

  // Time that the messages of one connection may take up in a second, and at once (allowances.h).
  Duration connection_cpu{0};
};

}  // namespace dormouse
