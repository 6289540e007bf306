// Connects to the first of several addresses that answers, one after the other. Destroying it ends that.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dormouse {

class TcpDial {
 public:
  // `fd`: set up for links (stream_bytes.h), the callee's; -1: `why` nobody answered. Once, from the loop; it may destroy
  // the dial.
  using Done = std::function<void(int fd, const std::string& why)>;

  // `addresses`: numeric, at least one.
  TcpDial(struct ev_loop* loop, std::vector<std::string> addresses, const std::string& port, Done done);
  ~TcpDial();
  TcpDial(const TcpDial&) = delete;
  TcpDial& operator=(const TcpDial&) = delete;

 private:
  void TryNext();
  void OnConnected();
  // This address does not answer.
  void GoOn(const std::string& why);
  int Release();
  void Finish(int fd, const std::string& why);

  struct ev_loop* const loop_;
  const std::vector<std::string> addresses_;
  const std::string port_;
  Done done_;
  size_t tried_ = 0;
  int fd_ = -1;
  ev_io connected_;
  ev_timer timer_;  // the beginning; then the end of the patience with one address
};

}  // namespace dormouse
