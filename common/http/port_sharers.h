// Who may share a TCP port. The kernel lets all processes of one user do so that ask for it (SO_REUSEPORT):
// also those of different clusters, whose clients would then land in either.
//
// Each process that listens so has a mark, an abstract unix socket named after its user, the port and the
// group that it is of. The kernel takes a mark away with its process, however that ends, and shows it to all
// in its network namespace. Who wants to listen finds out, alone (there is a lock of the same kind), whether
// somebody listens there, and who. Somebody without a mark is a stranger.
//
// On one thread.
#pragma once

#include <string>

namespace dormouse {

class PortSharers {
 public:
  // `group`: any text; who has the same may share.
  explicit PortSharers(std::string group);
  ~PortSharers();
  PortSharers(const PortSharers&) = delete;
  PortSharers& operator=(const PortSharers&) = delete;

  // Before listening on "HOST:PORT" with SO_REUSEPORT: empty, or a sentence about who has the port. Others
  // wait until Settle, or this object's end. Waits for others for some seconds at most. (What is wrong with
  // the address itself is left to who listens.)
  std::string Claim(const std::string& address);
  // Listening on this port now.
  void Settle(int port);

 private:
  const std::string group_;
  int lock_ = -1;
  int mark_ = -1;
};

}  // namespace dormouse
