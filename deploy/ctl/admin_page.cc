#include "deploy/ctl/admin_page.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "common/host_port.h"
#include "deploy/ctl/failure.h"

namespace dormouse {
namespace {

constexpr size_t kMaxPage = 16u << 20;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Failure NoAnswer(const std::string& address, const std::string& why) {
  return {Exit::kNobody, fmt::format("no answer of the admin port at {}: {}", address, why)};
}

// Until the socket is ready for that.
void Await(const Socket& socket, short events, int64_t deadline_ms, const std::string& address) {
  pollfd waiting{socket.fd(), events, 0};
  const int64_t left_ms = std::max<int64_t>(deadline_ms - SteadyMs(), 0);
  if (poll(&waiting, 1, static_cast<int>(left_ms)) == 0)
    throw Failure(Exit::kLate, fmt::format("the admin port at {} did not answer in time", address));
}

std::unique_ptr<addrinfo, void (*)(addrinfo*)> LookUp(const std::string& address) {
  if (const std::string why = WhyNotToCall(address); !why.empty()) throw Failure(Exit::kUsage, why);
  const HostPort at = *HostPort::Parse(address);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found);
      error != 0)
    throw NoAnswer(address, gai_strerror(error));
  return {found, freeaddrinfo};
}

}  // namespace

std::string AdminPage(const std::string& address, const std::string& path, Duration timeout) {
  const int64_t deadline_ms = SteadyMs() + timeout.count();
  const auto place = LookUp(address);
  const Socket socket(::socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (connect(socket.fd(), place->ai_addr, place->ai_addrlen) != 0 && errno != EINPROGRESS)
    throw NoAnswer(address, std::strerror(errno));
  Await(socket, POLLOUT, deadline_ms, address);
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, address);
  if (send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    throw NoAnswer(address, std::strerror(errno));
  std::string said;
  char buffer[16384];
  while (said.size() < kMaxPage) {
    Await(socket, POLLIN, deadline_ms, address);
    const ssize_t got = recv(socket.fd(), buffer, sizeof(buffer), 0);
    if (got < 0) throw NoAnswer(address, std::strerror(errno));
    if (got == 0) break;
    said.append(buffer, static_cast<size_t>(got));
  }
  const size_t body = said.find("\r\n\r\n");
  if (!said.starts_with("HTTP/1.1 200 ") || body == std::string::npos) {
    throw Failure(Exit::kFailed,
                  fmt::format("the admin port at {} has no {}: is it one of this version?", address, path));
  }
  return said.substr(body + 4);
}

}  // namespace dormouse
