#include "clients/hubs/js/sqlite/sync_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/unix_address.h"

namespace dormouse {
namespace {

std::string Reason(const char* what) { return std::string(what) + ": " + strerror(errno); }

}  // namespace

bool SyncChannel::Fail(const std::string& error, std::string* said) {
  *said = error;
  Close();
  return false;
}

bool SyncChannel::Connect(const std::string& path, std::string* error) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) return Fail("The path of a socket is too long: " + path, error);
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return Fail(Reason("There is no socket to be had"), error);
  // On a unix socket this is over at once, or waits for room in the other's queue.
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      fcntl(socket_, F_SETFL, O_NONBLOCK) != 0) {
    return Fail(Reason(("Nobody can be asked at " + path).c_str()), error);
  }
  return true;
}

void SyncChannel::Close() {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
}

bool SyncChannel::Await(int16_t what, Clock::time_point deadline, std::string* error) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waited = {socket_, what, 0};
    const int ready = left > 0 ? poll(&waited, 1, static_cast<int>(std::min<int64_t>(left, INT32_MAX))) : 0;
    if (ready > 0) return true;
    if (ready == 0 && Clock::now() >= deadline) return Fail("The answer did not come in time.", error);
    if (ready < 0 && errno != EINTR) return Fail(Reason("The channel cannot be waited for"), error);
  }
}

bool SyncChannel::Send(const char* bytes, size_t size, std::chrono::milliseconds timeout,
                       std::string* error) {
  return SendBy(bytes, size, Clock::now() + timeout, error);
}

bool SyncChannel::SendBy(const char* bytes, size_t size, Clock::time_point deadline, std::string* error) {
  if (socket_ < 0) return Fail("The channel is closed.", error);
  // Nothing was sent, so the channel is as good as before.
  if (size > kMaxFrame) {
    *error = "A frame has at most 64 MiB.";
    return false;
  }
  const auto length = static_cast<uint32_t>(size);
  char head[4] = {static_cast<char>(length), static_cast<char>(length >> 8), static_cast<char>(length >> 16),
                  static_cast<char>(length >> 24)};
  for (size_t sent = 0; sent < size + sizeof(head);) {
    iovec parts[2] = {{head + std::min(sent, sizeof(head)), sizeof(head) - std::min(sent, sizeof(head))}, {}};
    const size_t body = sent > sizeof(head) ? sent - sizeof(head) : 0;
    parts[1] = {const_cast<char*>(bytes) + body, size - body};
    msghdr message = {};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t done = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (done > 0) {
      sent += done;
    } else if (errno == EAGAIN) {
      if (!Await(POLLOUT, deadline, error)) return false;
    } else if (errno != EINTR) {
      return Fail(Reason("The channel cannot be written to"), error);
    }
  }
  return true;
}

bool SyncChannel::Receive(char* bytes, size_t size, Clock::time_point deadline, std::string* error) {
  while (size != 0) {
    const ssize_t done = recv(socket_, bytes, size, 0);
    if (done > 0) {
      bytes += done;
      size -= done;
    } else if (done == 0) {
      return Fail("The channel was closed by the other end.", error);
    } else if (errno == EAGAIN) {
      if (!Await(POLLIN, deadline, error)) return false;
    } else if (errno != EINTR) {
      return Fail(Reason("The channel cannot be read from"), error);
    }
  }
  return true;
}

bool SyncChannel::Request(const char* bytes, size_t size, std::chrono::milliseconds timeout,
                          std::string* answer, std::string* error) {
  const Clock::time_point deadline = Clock::now() + timeout;
  uint8_t head[4];
  if (!SendBy(bytes, size, deadline, error)) return false;
  // It cannot be there yet; asking for it first would be a call for nothing.
  if (!Await(POLLIN, deadline, error)) return false;
  if (!Receive(reinterpret_cast<char*>(head), sizeof(head), deadline, error)) return false;
  const size_t length = head[0] | head[1] << 8 | head[2] << 16 | static_cast<size_t>(head[3]) << 24;
  if (length > kMaxFrame) return Fail("The answer is longer than 64 MiB.", error);
  answer->resize(length);
  return Receive(answer->data(), length, deadline, error);
}

}  // namespace dormouse
