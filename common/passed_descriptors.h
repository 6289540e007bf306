// Messages with descriptors beside them, between processes of one host (unix(7), SCM_RIGHTS), and who the other process is.
// On sockets that do not block and keep messages apart (SOCK_SEQPACKET). Any thread.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace dormouse {

// In one message. The kernel takes 253.
inline constexpr size_t kMaxPassedDescriptors = 250;

// As sendmsg, without SIGPIPE: -1 with errno, and nothing was sent. The descriptors stay the caller's.
ssize_t SendWithDescriptors(int socket, std::span<const iovec> parts, std::span<const int> descriptors);

// As recvmsg, one message: 0 at the end, -1 with errno. `*message` has the room that it may take, and the size that it
// took. The descriptors are the caller's; `*cut`: it, or they, did not fit, and those that came were closed.
ssize_t ReceiveWithDescriptors(int socket, std::string* message, std::vector<int>* descriptors, bool* cut);

// Of the process at the other end, as it was when the connection was made.
struct PeerProcess {
  pid_t pid = 0;
  bool is_same_user = false;
};
// Nothing: that is not known.
std::optional<PeerProcess> PeerProcessOf(int socket);

}  // namespace dormouse
