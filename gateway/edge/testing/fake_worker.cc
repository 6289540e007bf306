#include "gateway/edge/testing/fake_worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

namespace dormouse::edge {
namespace {

constexpr int kPatienceMs = 10'000;

}  // namespace

FakeWorker::FakeWorker(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  unlink(path.c_str());
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 || listen(fd_, 1'024) != 0)
    throw std::runtime_error("cannot listen at " + path);
}

FakeWorker::~FakeWorker() { close(fd_); }

TestClient FakeWorker::Accept() {
  pollfd ready{fd_, POLLIN, 0};
  if (poll(&ready, 1, kPatienceMs) <= 0) throw std::runtime_error("nobody comes to the worker");
  return TestClient::Of(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
}

bool FakeWorker::IsWanted() const {
  pollfd ready{fd_, POLLIN, 0};
  return poll(&ready, 1, 0) > 0;
}

}  // namespace dormouse::edge
