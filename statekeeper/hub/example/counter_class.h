// Class counter: sockets at /counter/NAME see how often anybody has said something there, until
// nobody has for a minute; "and NAME" adds what another counter says.
#pragma once

#include <memory>

#include "statekeeper/hub/hub.h"

std::unique_ptr<dormouse::HubClass> NewCounterClass();
