// What dormousectl ends with when it does not succeed.
#pragma once

#include <grpcpp/support/status.h>

#include <stdexcept>
#include <string>

namespace dormouse {

// Exit statuses, as --help documents them.
enum class Exit {
  kDone = 0,
  kFailed = 1,    // refused, or failed
  kUsage = 2,     // the command line is wrong
  kNobody = 3,    // no statekeeper answers
  kNotFound = 4,  // no such hub, member or shard
  kLate = 5,      // not in time
};

class Failure : public std::runtime_error {
 public:
  Failure(Exit exit, const std::string& sentence) : std::runtime_error(sentence), exit_(exit) {}
  Exit exit() const { return exit_; }

 private:
  Exit exit_;
};

}  // namespace dormouse
