#include "gateway/edge/fallback/fallback_request.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/clock.h"

namespace dormouse::edge {
namespace {

bool KeepsAlive(const HttpRequest& request) {
  return request.minor_version > 0 && !request.HasToken("connection", "close");
}

}  // namespace

FallbackRequest::FallbackRequest(struct ev_loop* loop, Owner* owner, FallbackCall call,
                                 const HttpRequest& request, const FrontDoor::Visit& visit, uint64_t length)
    : loop_(loop),
      owner_(owner),
      call_(call),
      socket_(std::move(*visit.socket)),
      peer_(visit.peer),
      crowded_(visit.crowded),
      is_old_(request.minor_version == 0),
      keeps_alive_(KeepsAlive(request)),
      in_(visit.rest.substr(0, length)),
      body_left_(length - in_.size()),
      rest_(visit.rest.substr(in_.size())),
      moved_ms_(SteadyMs()) {
  ev_io_init(
      &io_,
      [](struct ev_loop*, ev_io* io, int events) { static_cast<FallbackRequest*>(io->data)->OnIo(events); },
      socket_.fd, EV_READ);
  io_.data = this;
  ev_io_start(loop_, &io_);
  ev_feed_event(loop_, &io_, EV_CUSTOM);
}

FallbackRequest::~FallbackRequest() {
  TimerWheel::Cancel(this);
  ev_io_stop(loop_, &io_);
  if (io_.fd >= 0) close(io_.fd);
}

FallbackRequest::Leaving FallbackRequest::Release() {
  TimerWheel::Cancel(this);
  ev_io_stop(loop_, &io_);
  io_.fd = -1;
  return {std::move(socket_), std::move(rest_)};
}

void FallbackRequest::OnIo(int events) {
  if ((events & EV_CUSTOM) != 0) return owner_->OnBegin(this);
  if ((events & EV_WRITE) != 0 && !Write()) return;
  if ((events & EV_READ) != 0 && !Read()) return;
  UpdateWatcher();
}

bool FallbackRequest::Read() {
  std::array<char, kReadSize> buffer;
  size_t wanted =
      body_left_ > 0 ? std::min<uint64_t>(buffer.size(), body_left_ + kMaxRest / 2) : kMaxRest / 2;
  if (socket_.tls != nullptr) wanted = std::max(wanted, TlsSession::kReadRoom);
  const ssize_t size = socket_.Read(buffer.data(), wanted);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) {
    owner_->OnLeft(this);
    return false;
  }
  std::string_view bytes(buffer.data(), static_cast<size_t>(size));
  const std::string_view body = bytes.substr(0, std::min<uint64_t>(body_left_, bytes.size()));
  rest_.append(bytes.substr(body.size()));
  if (body.empty()) return true;
  moved_ms_ = SteadyMs();
  body_left_ -= body.size();
  in_.erase(0, std::exchange(in_taken_, 0));
  in_.append(body);
  if (!reads_body_) return true;
  owner_->OnBody(this);
  return false;  // it has seen to all that follows
}

void FallbackRequest::Take(size_t bytes) {
  in_taken_ += bytes;
  if (in_taken_ < in_.size()) return;
  in_ = {};
  in_taken_ = 0;
}

void FallbackRequest::SetReading(bool on) {
  reads_body_ = on;
  moved_ms_ = SteadyMs();
  UpdateWatcher();
}

// --- The answer.

void FallbackRequest::Answer(int status, std::string_view content_type, std::string_view headers,
                             std::string_view body, std::string_view date) {
  // What is left of the body would be taken for the next request.
  if (body_left_ > 0) keeps_alive_ = false;
  is_begun_ = is_ending_ = true;
  out_ = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store, no-transform\r\n"
      "X-Content-Type-Options: nosniff\r\nDate: {}\r\n{}{}{}\r\n",
      status, StatusText(status), content_type, body.size(), date, cors, headers,
      keeps_alive_ ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
  out_ += body;
  written_bytes += out_.size();
  if (Write()) UpdateWatcher();
}

void FallbackRequest::AnswerAsIs(std::string answer) {
  keeps_alive_ = false;
  is_begun_ = is_ending_ = true;
  out_ = std::move(answer);
  written_bytes += out_.size();
  if (Write()) UpdateWatcher();
}

void FallbackRequest::Begin(std::string_view content_type, std::string_view headers, std::string_view date) {
  is_begun_ = true;
  is_chunked_ = !is_old_;
  if (is_old_) keeps_alive_ = false;
  out_ = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-store, no-transform\r\n"
      "X-Content-Type-Options: nosniff\r\nDate: {}\r\n{}{}{}{}\r\n",
      content_type, date, cors, headers, is_chunked_ ? "Transfer-Encoding: chunked\r\n" : "",
      keeps_alive_ ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
}

void FallbackRequest::Append(std::string_view text) {
  if (text.empty()) return;
  if (is_chunked_) {
    out_ += fmt::format("{:x}\r\n", text.size());
    out_.append(text).append("\r\n");
  } else {
    out_.append(text);
  }
  written_bytes += text.size();
  if (Write()) UpdateWatcher();
}

void FallbackRequest::LimitSilence(int64_t ms) {
  const auto timeout = static_cast<unsigned>(ms);
  setsockopt(io_.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

void FallbackRequest::End() {
  is_ending_ = true;
  if (is_chunked_) out_ += "0\r\n\r\n";
  if (Write()) UpdateWatcher();
}

// False: it is over.
bool FallbackRequest::Write() {
  const bool had_something = has_unwritten();
  size_t written = 0;
  while (written < out_.size() || !socket_.is_flushed()) {
    const ssize_t size = socket_.Write(std::string_view(out_).substr(written));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0) {
      owner_->OnLeft(this);
      return false;
    }
    written += static_cast<size_t>(size);
    moved_ms_ = SteadyMs();
  }
  out_.erase(0, written);
  if (has_unwritten()) return true;
  out_ = {};
  if (is_ending_) {
    owner_->OnFinished(this);
    return false;
  }
  if (had_something && is_begun_ && (io_.events & EV_WRITE) != 0) {
    UpdateWatcher();
    owner_->OnWritten(this);
    return false;
  }
  return true;
}

void FallbackRequest::UpdateWatcher() {
  const bool reads = (body_left_ > 0 ? reads_body_ && body().size() < kReadSize : rest_.size() < kMaxRest);
  const int events = (reads ? EV_READ : 0) | (has_unwritten() ? EV_WRITE : 0);
  if (ev_is_active(&io_) && (io_.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(loop_, &io_);
  ev_io_set(&io_, io_.fd, events);
  if (events != 0) ev_io_start(loop_, &io_);
}

}  // namespace dormouse::edge
