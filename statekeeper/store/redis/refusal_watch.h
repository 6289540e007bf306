// Whether a Redis server that answers refuses every change, whatever its reason (no memory, no disk, too few replicas,
// a right that was taken away, ...): asked when a connection is made and every few seconds while it is there, so that
// it is known where nobody else asks for anything; at once where a command was refused; and each second until it is over.
//
// On the loop's thread. A part of a connection, whose commands are counted (replica_waits.h).
#pragma once

#include <ev++.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace dormouse {

class RefusalWatch {
 public:
  // `ask` sends a command that changes nothing and is refused where changes are, and says which command that is;
  // nothing: there is none. Its answer is told by Refused or Taken, where it says so.
  RefusalWatch(struct ev_loop* loop, std::string server, std::function<std::optional<uint64_t>()> ask)
      : server_(std::move(server)), ask_(std::move(ask)), timer_(loop) {
    timer_.set<RefusalWatch, &RefusalWatch::OnTimer>(this);
  }

  void Start();
  void Stop();
  // Whether that answer is of its own command.
  bool IsAnswer(uint64_t number);

  // A command was refused, which may be its own fault.
  void Suspect();
  void Refused(std::string_view error);
  void Taken();

  // Empty: it takes changes, as far as is known.
  const std::string& refusal() const { return refusal_; }

 private:
  void OnTimer(ev::timer&, int);

  const std::string server_;
  const std::function<std::optional<uint64_t>()> ask_;
  std::optional<uint64_t> asked_;  // the command without an answer
  std::string refusal_;            // also over connections that follow
  int64_t suspected_ms_ = 0;
  ev::timer timer_;
};

}  // namespace dormouse
