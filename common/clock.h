// The two clocks. The time of day is for what people and stores see, and does not jump when somebody sets a
// clock (steered_clock.h): it follows this machine's, or a better one where somebody calls FollowClock.
// Durations are measured on the steady clock.
#pragma once

#include <cstdint>
#include <string>

namespace dormouse {

int64_t WallMs();    // milliseconds since 1970, UTC
int64_t SteadyMs();  // milliseconds since some point in the past

// From now on WallMs follows a clock that showed `true_ms` when the steady one showed `steady_ms`, and this
// machine's no more. To be called again each second or so. Returns by how much WallMs is behind it, still.
int64_t FollowClock(int64_t true_ms, int64_t steady_ms);

// "2026-01-31T12:34:56.789Z": ISO 8601, UTC, always milliseconds.
std::string Iso8601(int64_t wall_ms);

}  // namespace dormouse
