// Class counter: sockets at /counter/NAME see how often anybody has said something there.
#pragma once

#include <memory>

#include "statekeeper/hub/hub.h"

std::unique_ptr<dormouse::HubClass> NewCounterClass();
