#include "gateway/edge/testing/fake_worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "common/unix_address.h"

namespace dormouse::edge {
namespace {

constexpr int kPatienceMs = 10'000;

}  // namespace

FakeWorker::FakeWorker(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un address = UnixAddress(path).value();
  unlink(path.c_str());
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || listen(fd_, 1'024) != 0)
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
