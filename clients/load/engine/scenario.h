// A scenario: its part in each worker, and how it is directed.
#pragma once

#include <memory>

#include "clients/load/engine/part.h"

namespace dormouse::load {

class Director;

struct Scenario {
  const char* name;
  std::unique_ptr<Part> (*part)(Workplace* place);
  // From the first connection to the last; adds what it has found to the director's result.
  void (*direct)(Director* director);
};

// A Scenario's `part` where nothing but its class is special.
template <typename ItsPart>
std::unique_ptr<Part> NewPart(Workplace* place) {
  return std::make_unique<ItsPart>(place);
}

// nullptr: there is none of that name.
const Scenario* FindScenario(const char* name);

}  // namespace dormouse::load
