#include "statekeeper/link/local_listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/logging.h"
#include "common/unix_address.h"

namespace dormouse {

bool IsServed(const std::string& path) {
  const auto address = UnixAddress(path);
  if (!address.has_value()) return false;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool served =
      fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0;
  if (fd >= 0) close(fd);
  return served;
}

std::unique_ptr<LocalListener> LocalListener::Listen(std::string path, struct ev_loop* loop,
                                                     std::shared_ptr<StreamInbox> inbox,
                                                     FramedStream::Admit admit) {
  const auto address = UnixAddress(path);
  if (!address.has_value() || IsServed(path)) return nullptr;
  unlink(path.c_str());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return nullptr;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      listen(fd, SOMAXCONN) != 0) {
    SPDLOG_WARN("Cannot listen on unix:{}: {}; gateways come by gRPC", path, std::strerror(errno));
    close(fd);
    return nullptr;
  }
  return std::make_unique<LocalListener>(fd, std::move(path), loop, std::move(inbox), std::move(admit));
}

LocalListener::LocalListener(int fd, std::string path, struct ev_loop* loop,
                             std::shared_ptr<StreamInbox> inbox, FramedStream::Admit admit)
    : path_(std::move(path)), loop_(loop), inbox_(std::move(inbox)), admit_(std::move(admit)) {
  ev_io_init(
      &readable_,
      [](struct ev_loop*, ev_io* watcher, int) { static_cast<LocalListener*>(watcher->data)->OnReadable(); },
      fd, EV_READ);
  readable_.data = this;
  ev_io_start(loop_, &readable_);
}

LocalListener::~LocalListener() {
  ev_io_stop(loop_, &readable_);
  close(readable_.fd);
  unlink(path_.c_str());
}

void LocalListener::OnReadable() {
  const int fd = accept4(readable_.fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) FramedStream::Serve(PlainBytes::OfUnixSocket(fd), "", inbox_, admit_);
}

}  // namespace dormouse
