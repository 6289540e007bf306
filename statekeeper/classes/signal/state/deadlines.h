// What a hub has to do when: one index for all that is due at some time, and the hub's one alarm, which is
// never later than the first of it.
//
//   x/DUE/SUBJECT     nothing of interest. SUBJECT: the bare address of a registration that expires, or, with
//                     a control character in front (addresses have none), a session's connection
//
// A row says that there may be something to do, not that there is: who is called looks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class Deadlines {
 public:
  // Lives within one handler.
  explicit Deadlines(Context& context) : context_(context) {}

  void Add(int64_t due_ms, std::string_view subject);
  void Remove(int64_t due_ms, std::string_view subject);

  static std::string SubjectOf(const ConnectionId& session);
  // Nothing: the subject is an address.
  static std::optional<ConnectionId> SessionOf(std::string_view subject);

  struct Deadline {
    int64_t due_ms;
    std::string subject;
  };
  // Up to `limit` deadlines that have come, the oldest first.
  std::vector<Deadline> Due(size_t limit);
  // Addresses among those that have come.
  std::vector<std::string> DueAddresses();
  // Sets the alarm for the first deadline; without any there is none. Costs one read.
  void SetAlarm();

 private:
  Context& context_;
};

}  // namespace dormouse::signal
