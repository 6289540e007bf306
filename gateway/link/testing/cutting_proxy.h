// A proxy between unix sockets, or between TCP ports of this host, that a test can cut: every connection breaks at once,
// with whatever was on its way, in both directions.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace dormouse {

class CuttingProxy {
 public:
  CuttingProxy(std::string path, const std::string& target)
      : path_(std::move(path)), own_(UnixEnd(path_)), target_(UnixEnd(target)) {
    Start();
  }
  // On a free port.
  explicit CuttingProxy(int target_port) : own_(TcpEnd(0)), target_(TcpEnd(target_port)) { Start(); }
  ~CuttingProxy() {
    Cut();
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
    close(listener_);
    for (const int fd : ends_) close(fd);
    if (!path_.empty()) unlink(path_.c_str());
  }
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  // Of TCP.
  int port() const {
    sockaddr_in bound{};
    socklen_t size = sizeof(bound);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &size);
    return ntohs(bound.sin_port);
  }

  void Cut() {
    const std::lock_guard lock(mutex_);
    for (const int fd : ends_) shutdown(fd, SHUT_RDWR);
  }
  // The connections of now stay open, but what is sent on them vanishes: the other end might as well be gone.
  void Stall() {
    const std::lock_guard lock(mutex_);
    stalled_.insert(ends_.begin(), ends_.end());
  }
  // While closed, new connections break at once.
  void set_closed(bool closed) { closed_ = closed; }

 private:
  struct End {
    sockaddr_storage address = {};
    socklen_t size = 0;

    int NewSocket() const { return socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0); }
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  };
  static End UnixEnd(const std::string& path) {
    End end;
    auto* const address = reinterpret_cast<sockaddr_un*>(&end.address);
    address->sun_family = AF_UNIX;
    std::strncpy(address->sun_path, path.c_str(), sizeof(address->sun_path) - 1);
    end.size = sizeof(*address);
    return end;
  }
  static End TcpEnd(int port) {
    End end;
    auto* const address = reinterpret_cast<sockaddr_in*>(&end.address);
    address->sin_family = AF_INET;
    address->sin_port = htons(static_cast<uint16_t>(port));
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    end.size = sizeof(*address);
    return end;
  }

  void Start() {
    listener_ = own_.NewSocket();
    if (bind(listener_, own_.get(), own_.size) != 0) std::abort();
    listen(listener_, 64);
    if (pipe(stop_) != 0) std::abort();
    thread_ = std::thread([this] { Run(); });
  }

  void Run() {
    while (true) {
      std::vector<pollfd> polled = {{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const int fd : ends_) polled.push_back({fd, POLLIN, 0});
      if (poll(polled.data(), polled.size(), -1) < 0) continue;
      if (polled[0].revents != 0) return;
      std::vector<int> broken;
      for (size_t i = 2; i < polled.size(); ++i) {
        if (polled[i].revents != 0 && !Forward(i - 2)) broken.push_back(static_cast<int>((i - 2) / 2));
      }
      Close(broken);
      if (polled[1].revents != 0) Accept();
    }
  }

  // ends_ holds pairs: 2 i and 2 i + 1 are joined.
  bool Forward(size_t from) {
    char buffer[65536];
    const ssize_t size = read(ends_[from], buffer, sizeof(buffer));
    if (size <= 0) return false;
    if (IsStalled(ends_[from])) return true;
    for (ssize_t sent = 0; sent < size;) {
      const ssize_t n = send(ends_[from ^ 1], buffer + sent, static_cast<size_t>(size - sent), MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += n;
    }
    return true;
  }

  bool IsStalled(int fd) {
    const std::lock_guard lock(mutex_);
    return stalled_.contains(fd);
  }

  void Accept() {
    const int client = accept(listener_, nullptr, nullptr);
    const int server = target_.NewSocket();
    if (closed_ || connect(server, target_.get(), target_.size) != 0) {
      close(client);
      close(server);
      return;
    }
    const std::lock_guard lock(mutex_);
    ends_.push_back(client);
    ends_.push_back(server);
  }

  void Close(const std::vector<int>& pairs) {
    const std::lock_guard lock(mutex_);
    std::vector<int> left;
    for (size_t i = 0; i < ends_.size(); ++i) {
      bool broken = false;
      for (const int pair : pairs) broken |= pair == static_cast<int>(i / 2);
      if (broken) {
        stalled_.erase(ends_[i]);
        close(ends_[i]);
      } else {
        left.push_back(ends_[i]);
      }
    }
    ends_.swap(left);
  }

  const std::string path_;  // empty: TCP
  const End own_;
  const End target_;
  int listener_ = -1;
  int stop_[2] = {-1, -1};
  std::atomic<bool> closed_{false};
  std::mutex mutex_;  // of ends_, where the test's thread is concerned
  std::vector<int> ends_;
  std::set<int> stalled_;
  std::thread thread_;
};

}  // namespace dormouse
