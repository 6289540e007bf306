#include "clients/load/metrics_page.h"

#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "clients/load/endpoint.h"

namespace dormouse::load {

double ReadMetric(const std::string& address, const std::string& name) {
  const sockaddr_in server = ParseHostPort(address).address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string said;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (connect(fd, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[16384];
    for (ssize_t got; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
      said.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  double sum = 0;
  bool found = false;
  for (size_t at = said.find("\n" + name); at != std::string::npos; at = said.find("\n" + name, at + 1)) {
    const size_t after = at + 1 + name.size();
    if (said[after] != ' ' && said[after] != '{') continue;  // the name of another begins so
    sum += std::stod(said.substr(said.find(' ', after)));
    found = true;
  }
  if (!found) throw std::runtime_error("no metric " + name + " at " + address);
  return sum;
}

}  // namespace dormouse::load
