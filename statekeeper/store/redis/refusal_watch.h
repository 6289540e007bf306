// Whether a Redis server that answers refuses every change: found out by a refused command, and over when a
// probe, which is sent each second from then on, is taken.
//
// One thread: that of the loop.
#pragma once

#include <ev++.h>

#include <functional>
#include <string>
#include <string_view>

namespace dormouse {

class RefusalWatch {
 public:
  // `probe` sends a command that changes nothing and is refused where changes are; it ends with Probed.
  RefusalWatch(struct ev_loop* loop, std::string server, std::function<void()> probe);
  RefusalWatch(const RefusalWatch&) = delete;
  RefusalWatch& operator=(const RefusalWatch&) = delete;

  // The server refused changes, with this error. Also before the Probed of a probe that is refused.
  void Refused(std::string_view error);
  void Probed(bool taken);

  // Empty: it takes changes, as far as is known.
  const std::string& refusal() const { return refusal_; }

 private:
  void OnTimer(ev::timer&, int);

  const std::string server_;
  const std::function<void()> probe_;
  std::string refusal_;
  bool probing_ = false;
  ev::timer timer_;  // runs while there is a refusal
};

}  // namespace dormouse
