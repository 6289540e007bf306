// A TCP port. Several processes may share one evenly (SO_REUSEPORT), where they mean to.
//
// It watches the descriptors: with few left each further visitor is accepted as `crowded`, and who accepts
// may ask for a pause; should they run out all the same, a reserve descriptor turns one visitor away at a
// time. It never spins.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <functional>
#include <string>

#include "common/http/ip_address.h"

namespace dormouse {

class Listener {
 public:
  // `fd` is the callee's: non-blocking, TCP_NODELAY. False: accept no more for a moment.
  using Accept = std::function<bool(int fd, const IpAddress& peer, bool crowded)>;
  enum class Sharing { kExclusive, kShared };

  explicit Listener(struct ev_loop* loop, Accept accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // "HOST:PORT", port 0 for a free one. Empty string, or a sentence about what is wrong that names the
  // `option` with which another address is chosen.
  std::string Listen(const std::string& address, Sharing sharing, const char* option);
  // The same of a socket that listens already, which it takes.
  void Adopt(int fd);
  void Stop();  // gives the port up; clients that wait to be accepted go to another gateway or are refused
  bool listening() const { return fd_ >= 0; }
  int port() const { return port_; }
  int fd() const { return fd_; }  // -1: none

 private:
  void Begin();
  void OnReadable();
  void Pause();
  void TurnOneAway();

  struct ev_loop* loop_;
  Accept accept_;
  int fd_ = -1;
  int reserve_fd_ = -1;
  int crowded_from_;  // descriptors from this number on are the last ones
  int port_ = 0;
  ev_io readable_;
  ev_timer pause_;
};

}  // namespace dormouse
