// The least that a fan-out can cost: one send() of a message on each of many loopback connections, whose
// other ends another process reads. Prints what one costs the sender, its kernel's part included.
//
//   dormouse_bare_send [CONNECTIONS] [BYTES] [ROUNDS]
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/descriptor_limit.h"

namespace dormouse::bench {
namespace {

void Check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("cannot ") + what);
}

// Reads `bytes` from each of all connections, `rounds` times, and says after each that it has.
void Receive(const sockaddr_in& server, size_t connections, size_t bytes, size_t rounds, int said) {
  const int poller = epoll_create1(0);
  for (size_t i = 0; i < connections; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    Check(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 0, "connect");
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
  }
  std::vector<epoll_event> events(1024);
  std::vector<char> buffer(1 << 16);
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t left = connections * bytes; left > 0;) {
      const int count = epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const ssize_t got = read(events[i].data.fd, buffer.data(), buffer.size());
        Check(got > 0, "read");
        left -= static_cast<size_t>(got);
      }
    }
    Check(write(said, "", 1) == 1, "say so");
  }
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int Main(size_t connections, size_t bytes, size_t rounds) {
  RaiseDescriptorLimit();
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  Check(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 4096) == 0,
        "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  int said[2];
  Check(pipe(said) == 0, "make a pipe");
  const pid_t receiver = fork();
  if (receiver == 0) {
    Receive(address, connections, bytes, rounds, said[1]);
    _exit(0);
  }
  close(said[1]);
  std::vector<int> sockets;
  while (sockets.size() < connections) {
    sockets.push_back(accept(listener, nullptr, nullptr));
    Check(sockets.back() >= 0, "accept");
  }
  const std::string message(bytes, 'x');
  double cpu = 0;
  for (size_t round = 0; round < rounds; ++round) {
    const double before = CpuSeconds();
    for (const int fd : sockets) {
      Check(send(fd, message.data(), message.size(), 0) == static_cast<ssize_t>(bytes), "send");
    }
    cpu += CpuSeconds() - before;
    char byte = 0;
    Check(read(said[0], &byte, 1) == 1, "await the receiver");
  }
  waitpid(receiver, nullptr, 0);
  std::printf("fanout.cpu.bare_send %33.2f us\n", cpu * 1e6 / static_cast<double>(connections * rounds));
  return 0;
}

}  // namespace
}  // namespace dormouse::bench

int main(int argc, char** argv) {
  const auto word = [&](int at, size_t otherwise) {
    return argc > at ? static_cast<size_t>(std::strtoul(argv[at], nullptr, 10)) : otherwise;
  };
  try {
    return dormouse::bench::Main(word(1, 10'000), word(2, 1024), word(3, 20));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dormouse_bare_send: %s\n", error.what());
    return 1;
  }
}
