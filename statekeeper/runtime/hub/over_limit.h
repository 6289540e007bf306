// Thrown out of a Context's call when the handler goes beyond what one event may do (hub_limits.h). The
// handler does not count then, whether or not it catches this.
#pragma once

#include <exception>

#include "statekeeper/hub/hub.h"

namespace dormouse {

class OverLimit : public std::exception {
 public:
  explicit OverLimit(Hub::Failure failure) : failure_(failure) {}
  Hub::Failure failure() const { return failure_; }
  const char* what() const noexcept override { return "the handler goes beyond what one event may do"; }

 private:
  Hub::Failure failure_;
};

}  // namespace dormouse
