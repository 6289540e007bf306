// The two clocks. Wall time is for what people and stores see; durations are measured on the steady clock,
// which a changed wall clock does not move.
#pragma once

#include <cstdint>
#include <string>

namespace dormouse {

int64_t WallMs();    // milliseconds since 1970, UTC
int64_t SteadyMs();  // milliseconds since some point in the past

// "2026-01-31T12:34:56.789Z": ISO 8601, UTC, always milliseconds.
std::string Iso8601(int64_t wall_ms);

}  // namespace dormouse
