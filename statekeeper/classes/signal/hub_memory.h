// What a signal hub holds in memory while it is awake. All of it can be made anew from rows (OnWake), or is
// not missed.
#pragma once

#include "statekeeper/classes/signal/flow_control.h"
#include "statekeeper/classes/signal/throughput.h"

namespace dormouse::signal {

struct HubMemory {
  CongestionMemory congestion;
  Throughput throughput;
};

}  // namespace dormouse::signal
