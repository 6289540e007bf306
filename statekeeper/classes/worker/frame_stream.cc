#include "statekeeper/classes/worker/frame_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace dormouse {
namespace {

constexpr size_t kReadAtOnce = 256u << 10;
// Frames of one turn; then others get one.
constexpr size_t kReadPerTurn = 1u << 20;
constexpr size_t kLengthBytes = 4;
constexpr size_t kKeptWritten = 1u << 20;

size_t LengthAt(const char* at) {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(at);
  return bytes[0] | (bytes[1] << 8) | (bytes[2] << 16) | (static_cast<size_t>(bytes[3]) << 24);
}

}  // namespace

FrameStream::FrameStream(struct ev_loop* loop, int fd, Callbacks callbacks)
    : loop_(loop), fd_(fd), callbacks_(std::move(callbacks)) {
  ev_io_init(&readable_, &FrameStream::OnReadable, fd_, EV_READ);
  ev_io_init(&writable_, &FrameStream::OnWritable, fd_, EV_WRITE);
  readable_.data = writable_.data = this;
  ev_io_start(loop_, &readable_);
}

FrameStream::~FrameStream() {
  ev_io_stop(loop_, &readable_);
  ev_io_stop(loop_, &writable_);
  close(fd_);
}

void FrameStream::AppendLength(size_t size) {
  for (size_t i = 0; i < kLengthBytes; ++i) output_.push_back(static_cast<char>(size >> (8 * i)));
}

void FrameStream::Flush() {
  while (written_ < output_.size()) {
    const ssize_t sent =
        send(fd_, output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (!ev_is_active(&writable_)) ev_io_start(loop_, &writable_);
      // Who reads on and on, but never all, leaves no more than twice of what waits.
      if (written_ >= kKeptWritten && written_ >= backlog()) {
        output_.erase(0, written_);
        written_ = 0;
      }
      return;
    }
    if (sent < 0) break;  // reading tells of the end
    written_ += static_cast<size_t>(sent);
  }
  ev_io_stop(loop_, &writable_);
  written_ = 0;
  if (output_.capacity() > (1u << 20)) {
    output_ = std::string();
  } else {
    output_.clear();
  }
}

void FrameStream::OnWritable(struct ev_loop*, ev_io* watcher, int) {
  static_cast<FrameStream*>(watcher->data)->Flush();
}

void FrameStream::OnReadable(struct ev_loop*, ev_io* watcher, int) {
  static_cast<FrameStream*>(watcher->data)->Read();
}

void FrameStream::Read() {
  for (size_t read = 0; read < kReadPerTurn;) {
    const size_t before = input_.size();
    input_.resize(before + kReadAtOnce);
    const ssize_t got = recv(fd_, input_.data() + before, kReadAtOnce, MSG_DONTWAIT);
    input_.resize(before + static_cast<size_t>(got > 0 ? got : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return End(got == 0 ? "it has closed its connection" : std::strerror(errno));
    read += static_cast<size_t>(got);
    if (!TakeFrames()) return;
    if (static_cast<size_t>(got) < kReadAtOnce) return;
  }
}

bool FrameStream::TakeFrames() {
  size_t at = 0;
  while (input_.size() - at >= kLengthBytes) {
    const size_t size = LengthAt(input_.data() + at);
    if (size > kMaxFrame) {
      End("a frame is larger than 64 MiB");
      return false;
    }
    if (input_.size() - at - kLengthBytes < size) break;
    if (!callbacks_.on_frame(std::string_view(input_).substr(at + kLengthBytes, size))) {
      End("a frame cannot be understood");
      return false;
    }
    at += kLengthBytes + size;
  }
  input_.erase(0, at);
  if (input_.empty() && input_.capacity() > (1u << 20)) input_ = std::string();
  return true;
}

void FrameStream::End(const std::string& why) {
  ev_io_stop(loop_, &readable_);
  ev_io_stop(loop_, &writable_);
  callbacks_.on_end(why);  // this object may be gone now
}

}  // namespace dormouse
