// What gateways are told of class signal (link.proto): routes, heartbeats that they answer, limits and their
// errors.
#pragma once

#include "common/config/options.h"
#include "proto/link.pb.h"

namespace dormouse::signal {

link::ClassProfile EdgeProfile(const Options& options);

}  // namespace dormouse::signal
