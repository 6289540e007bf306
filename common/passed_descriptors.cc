#include "common/passed_descriptors.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace dormouse {
namespace {

using DescriptorsControl = std::array<char, CMSG_SPACE(kMaxPassedDescriptors * sizeof(int))>;

}  // namespace

ssize_t SendWithDescriptors(int socket, std::span<const iovec> parts, std::span<const int> descriptors) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) DescriptorsControl control{};
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t ReceiveWithDescriptors(int socket, std::string* message, std::vector<int>* descriptors, bool* cut) {
  descriptors->clear();
  *cut = false;
  alignas(cmsghdr) DescriptorsControl control;
  iovec bytes{message->data(), message->size()};
  msghdr received{};
  received.msg_iov = &bytes;
  received.msg_iovlen = 1;
  received.msg_control = control.data();
  received.msg_controllen = control.size();
  const ssize_t size = recvmsg(socket, &received, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size <= 0) return size;
  message->resize(static_cast<size_t>(size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&received); header != nullptr;
       header = CMSG_NXTHDR(&received, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    descriptors->resize(count);
    std::memcpy(descriptors->data(), CMSG_DATA(header), count * sizeof(int));
  }
  *cut = (received.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
  if (*cut) {
    for (const int fd : std::exchange(*descriptors, {})) close(fd);
  }
  return size;
}

std::optional<PeerProcess> PeerProcessOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return PeerProcess{.pid = peer.pid, .is_same_user = peer.uid == geteuid()};
}

}  // namespace dormouse
