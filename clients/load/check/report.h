// What a run has shown, for programs and for people.
#pragma once

#include <string>
#include <vector>

#include "clients/load/check/checker.h"
#include "clients/load/check/pauses.h"

namespace dormouse::load::check {

struct Report {
  Verdict verdict;
  std::vector<Pause> pauses;
  Percentiles latency;            // of asks that a hub answers
  Percentiles heartbeat_latency;  // of those that the edge answers
  uint32_t connections = 0;
  uint32_t hubs = 0;
  double seconds = 0;      // from `ready` to the end
  double cpu_seconds = 0;  // that this process used meanwhile
};

std::string ToJson(const Report& report);
std::string ToText(const Report& report);

}  // namespace dormouse::load::check
