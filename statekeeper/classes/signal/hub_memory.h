// What a signal hub holds in memory while it is awake. All of it can be made anew from rows (OnWake), or is
// not missed.
#pragma once

namespace dormouse::signal {

struct HubMemory {};

}  // namespace dormouse::signal
