#include "common/rpc/byte_tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace dormouse {
namespace {

constexpr size_t kReadSize = 64u << 10;

bool IsLater(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

ByteTunnels::ByteTunnels()
    : loop_(ev_loop_new(EVBACKEND_EPOLL)),
      queue_(std::make_shared<TaskQueue>(loop_)),
      thread_([this] { ev_run(loop_, 0); }) {}

ByteTunnels::~ByteTunnels() {
  EndAll();
  queue_->Post([this] { ev_break(loop_, EVBREAK_ALL); });
  thread_.join();
  queue_->Close();
  ev_loop_destroy(loop_);
}

void ByteTunnels::EndAll() {
  queue_->Post([this] {
    is_ending_ = true;
    for (const auto& tunnel : std::exchange(tunnels_, {})) tunnel->Close();
  });
}

bool ByteTunnels::Add(std::shared_ptr<ByteTunnel> tunnel) {
  if (is_ending_) return false;
  tunnels_.insert(std::move(tunnel));
  return true;
}

ByteTunnel::ByteTunnel(CompletionThread* thread, ByteTunnels* tunnels)
    : user_(thread), tunnels_(tunnels), queue_(tunnels->queue()) {
  ev_init(&io_, [](struct ev_loop*, ev_io* io, int events) {
    const auto self = static_cast<ByteTunnel*>(io->data)->shared_from_this();
    self->OnSocket(events);
  });
  io_.data = this;
}

ByteTunnel::~ByteTunnel() {
  if (fd_ >= 0) close(fd_);  // it never began, or nobody closed it
}

void ByteTunnel::Begin(int fd) {
  fd_ = fd;
  if (is_closed_) return;
  is_reading_ = true;
  StartRead(&in_, read_.Start());
  Watch();
}

void ByteTunnel::Close() {
  if (std::exchange(is_closed_, true)) return;
  ev_io_stop(tunnels_->loop(), &io_);
  if (fd_ >= 0) close(std::exchange(fd_, -1));
  Cancel();
  tunnels_->Remove(shared_from_this());
}

// --- The socket.

void ByteTunnel::OnSocket(int events) {
  if ((events & EV_WRITE) != 0 && !WriteSocket()) return;
  if ((events & EV_READ) != 0 && !is_writing_ && !socket_ended_) ReadSocket();
}

void ByteTunnel::ReadSocket() {
  std::string* const content = out_.mutable_content();
  content->resize(kReadSize);
  const ssize_t got = read(fd_, content->data(), content->size());
  if (got < 0 && IsLater(errno)) return;
  if (got <= 0) return EndOfSocket();
  content->resize(static_cast<size_t>(got));
  is_writing_ = true;
  StartWrite(out_, write_.Start());
  Watch();
}

void ByteTunnel::EndOfSocket() {
  socket_ended_ = true;
  if (FinishInOrder()) {
    Watch();
  } else {
    Close();
  }
}

bool ByteTunnel::WriteSocket() {
  const std::string& content = in_.content();
  while (in_written_ < content.size()) {
    const ssize_t wrote = send(fd_, content.data() + in_written_, content.size() - in_written_, MSG_NOSIGNAL);
    if (wrote < 0 && IsLater(errno)) break;
    if (wrote <= 0) {
      // Nobody reads it any more; what it has said may still be on its way to the other end.
      in_written_ = content.size();
      break;
    }
    in_written_ += static_cast<size_t>(wrote);
  }
  if (in_written_ == content.size() && !is_reading_) {
    is_reading_ = true;
    StartRead(&in_, read_.Start());
  }
  Watch();
  return true;
}

void ByteTunnel::Watch() {
  if (is_closed_ || fd_ < 0) return;
  const bool reads = !is_writing_ && !socket_ended_;
  const bool writes = !is_reading_ && in_written_ < in_.content().size();
  const int events = (reads ? EV_READ : 0) | (writes ? EV_WRITE : 0);
  if (ev_is_active(&io_) && (io_.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(tunnels_->loop(), &io_);
  if (events == 0) return;
  ev_io_set(&io_, fd_, events);
  ev_io_start(tunnels_->loop(), &io_);
}

// --- The stream.

void ByteTunnel::ReadDone(bool ok) {
  PostSelf([this, ok] { OnRead(ok); });
}

void ByteTunnel::WriteDone(bool ok) {
  PostSelf([this, ok] { OnWritten(ok); });
}

void ByteTunnel::OnRead(bool ok) {
  is_reading_ = false;
  if (is_closed_) return;
  if (!ok) return Close();
  in_written_ = 0;
  WriteSocket();
}

void ByteTunnel::OnWritten(bool ok) {
  is_writing_ = false;
  if (is_closed_) return;
  if (!ok) return Close();
  Watch();
}

}  // namespace dormouse
