#include "gateway/edge/fallback/fallback_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/http/http_request.h"
#include "gateway/edge/fallback/event_text.h"
#include "gateway/edge/frames/close_frame.h"

namespace dormouse::edge {
namespace {

constexpr size_t kMaxAnswer = 256u << 10;
constexpr size_t kForwardAtOnce = 64u << 10;
// What an event costs beside its text.
constexpr size_t kEventCost = 64;

}  // namespace

FallbackConnection::FallbackConnection(const Parts& parts, std::string id, int fd)
    : parts_(parts), id_(std::move(id)) {
  ev_io_init(
      &io_,
      [](struct ev_loop*, ev_io* io, int events) {
        static_cast<FallbackConnection*>(io->data)->OnIo(events);
      },
      fd, EV_READ);
  io_.data = this;
  ev_io_start(parts_.loop, &io_);
}

FallbackConnection::~FallbackConnection() {
  TimerWheel::Cancel(this);
  CloseFd();
  *parts_.held_bytes -= held_bytes_;
}

void FallbackConnection::CloseFd() {
  ev_io_stop(parts_.loop, &io_);
  if (io_.fd >= 0) close(io_.fd);
  ev_io_set(&io_, -1, 0);
}

void FallbackConnection::OnIo(int events) {
  if ((events & EV_WRITE) != 0) {
    Flush();
    if (to_edge_.empty() && is_open()) parts_.owner->OnInputForwarded(this);
  }
  if ((events & EV_READ) != 0 && (io_.events & EV_READ) != 0 && io_.fd >= 0) return Read();
  UpdateWatcher();
}

// --- Down.

void FallbackConnection::Read() {
  const ssize_t size = recv(io_.fd, parts_.buffer.data(), parts_.buffer.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return OnEnd();
  const std::string_view bytes(parts_.buffer.data(), static_cast<size_t>(size));
  if (state_ == State::kOpening) {
    if (!OnOpening(bytes)) return;
  } else {
    OnFrames(bytes);
  }
  UpdateWatcher();
}

void FallbackConnection::OnEnd() {
  CloseFd();
  if (state_ == State::kOpening) {
    state_ = State::kRefused;
    return parts_.owner->OnUpgradeAnswered(this);
  }
  state_ = State::kEnded;
  if (has_ended()) return;
  Keep(CloseEvent(last_event() + 1, kBrokenCloseCode, ""));
  close_event_ = last_event();
  parts_.owner->OnOutput(this);
}

bool FallbackConnection::OnOpening(std::string_view bytes) {
  const size_t looked_at = answer_.size();
  answer_.append(bytes);
  if (!answer_.starts_with("HTTP/1.1 101 ")) {
    if (answer_.size() <= kMaxAnswer) return true;
    OnEnd();
    return false;
  }
  const size_t end = FindHeadEnd(answer_, looked_at);
  if (end == 0) return true;
  const std::string first = answer_.substr(end);
  answer_.resize(end);
  state_ = State::kOpen;
  OnFrames(first);
  UpdateWatcher();
  parts_.owner->OnUpgradeAnswered(this);
  return false;
}

void FallbackConnection::OnFrames(std::string_view bytes) {
  const uint64_t before = last_event();
  const bool asked = asks();
  for (;;) {
    const ServerFrames::Step step = frames_.Next(&bytes);
    if (!step.whole) break;
    switch (step.opcode) {
      case Opcode::kPing:
        // A later one asks for everything that an earlier one did.
        ping_ = step.payload;
        asked_at_ = last_event();
        AnswerPing();
        break;
      case Opcode::kPong:
        break;
      case Opcode::kClose: {
        const CloseFrame close = ReadCloseFrame(step.payload).value_or(CloseFrame{});
        close_answer_ = step.payload;
        if (has_ended()) break;
        Keep(CloseEvent(last_event() + 1, close.code, close.reason));
        close_event_ = last_event();
        break;
      }
      default:
        Keep(MessageEvent(last_event() + 1, step.opcode == Opcode::kBinary, step.payload));
    }
  }
  Flush();
  if ((last_event() != before || asks() != asked) && is_open() && state_ == State::kOpen)
    parts_.owner->OnOutput(this);
}

void FallbackConnection::Keep(std::string event) {
  held_bytes_ += event.size() + kEventCost;
  *parts_.held_bytes += event.size() + kEventCost;
  events_.push_back(std::move(event));
}

void FallbackConnection::Confirm(uint64_t number) {
  if (number <= confirmed_) return;
  uint64_t freed = 0;
  for (; confirmed_ < number; ++confirmed_) {
    std::string& event = events_[first_++];
    freed += event.size() + kEventCost;
    event = {};
  }
  held_bytes_ -= freed;
  *parts_.held_bytes -= freed;
  if (first_ == events_.size()) {
    events_ = {};
    first_ = 0;
  } else if (first_ > events_.size() / 2) {
    events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  AnswerPing();
  if (has_ended() && confirmed_ >= close_event_) {
    if (state_ == State::kOpen) to_edge_ += ClientControlFrame(Opcode::kClose, close_answer_);
    return Leave();
  }
  Flush();
  UpdateWatcher();
}

void FallbackConnection::AnswerPing() {
  if (asks() || ping_.empty()) return;
  to_edge_ += ClientControlFrame(Opcode::kPong, ping_);
  ping_ = {};
}

// --- Up.

FallbackConnection::Taken FallbackConnection::Take(Posted* posted, std::string_view* body) {
  for (;;) {
    if (to_edge_.size() >= kForwardAtOnce) {
      Flush();
      if (!to_edge_.empty()) {
        UpdateWatcher();
        return Taken::kFull;
      }
    }
    const PostedMessages::Step step = posted->messages.Next(body);
    switch (step.kind) {
      case PostedMessages::Kind::kMore:
        Flush();
        UpdateWatcher();
        return Taken::kAll;
      case PostedMessages::Kind::kBad:
        Flush();
        UpdateWatcher();
        return Taken::kBad;
      case PostedMessages::Kind::kBegin:
        posted->binary = step.binary;
        posted->repeated = posted->next <= received_;
        posted->skip = posted->repeated ? step.length : std::min(partial_bytes_, step.length);
        break;
      case PostedMessages::Kind::kPiece: {
        const size_t skipped = std::min<uint64_t>(posted->skip, step.piece.size());
        posted->skip -= skipped;
        const std::string_view fresh = step.piece.substr(skipped);
        if (!posted->repeated && (step.last || !fresh.empty())) {
          const Opcode opcode = posted->binary ? Opcode::kBinary : Opcode::kText;
          Forward(partial_begun_ ? Opcode::kContinuation : opcode, step.last, fresh);
          partial_begun_ = !step.last;
          partial_bytes_ = step.last ? 0 : partial_bytes_ + fresh.size();
          if (step.last) ++received_;
        }
        if (step.last) ++posted->next;
        break;
      }
    }
  }
}

void FallbackConnection::Forward(Opcode opcode, bool final, std::string_view payload) {
  if (state_ != State::kOpen) return;  // as what is sent to a socket that is closed
  char header[kMaxClientHeader];
  to_edge_.append(header, WriteClientHeader(opcode, final, payload.size(), header)).append(payload);
}

void FallbackConnection::Flush() {
  size_t sent = 0;
  while (sent < to_edge_.size() && io_.fd >= 0) {
    const ssize_t size =
        send(io_.fd, to_edge_.data() + sent, to_edge_.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) break;
    if (size < 0 && errno != EINTR) {  // the edge has ended it, which is yet to be read
      sent = to_edge_.size();
      break;
    }
    sent += static_cast<size_t>(std::max<ssize_t>(size, 0));
  }
  if (io_.fd < 0 || sent == to_edge_.size()) {
    to_edge_ = {};
  } else {
    to_edge_.erase(0, sent);
  }
}

// --- The end.

void FallbackConnection::Close(uint16_t code, std::string_view reason) {
  const std::string close = ClientControlFrame(Opcode::kClose, CloseFramePayload(code, reason));
  if (kept() > 0) return LeaveUnconfirmed(close);
  to_edge_ += close;
  Leave();
}

void FallbackConnection::Lose() {
  if (kept() > 0) return LeaveUnconfirmed("");
  Leave();
}

// One that closes answers no ping, and ends by itself: the edge waits for its close frame's answer in vain.
void FallbackConnection::LeaveUnconfirmed(std::string_view last_frame) {
  awaits_pong_ = true;
  if (!has_ended()) to_edge_.append(ClientControlFrame(Opcode::kPing, "")).append(last_frame);
  Leave();
}

void FallbackConnection::Leave() {
  state_ = State::kLeaving;
  *parts_.held_bytes -= std::exchange(held_bytes_, 0);
  confirmed_ = last_event();
  events_ = {};
  first_ = 0;
  asked_at_ = 0;
  Flush();
  UpdateWatcher();
  if (!awaits_pong_) EndOutput();
}

void FallbackConnection::EndOutput() {
  if (io_.fd >= 0 && to_edge_.empty() && !std::exchange(output_ended_, true)) shutdown(io_.fd, SHUT_WR);
}

bool FallbackConnection::IsGone() {
  if (io_.fd < 0) return true;
  pollfd end{io_.fd, POLLIN, 0};
  if (poll(&end, 1, 0) > 0 && (end.revents & (POLLHUP | POLLERR)) != 0) return true;
  if (!awaits_pong_ || (!has_ended() && (end.revents & POLLIN) != 0)) EndOutput();
  return false;
}

void FallbackConnection::UpdateWatcher() {
  if (io_.fd < 0) return;
  const bool is_full = held_bytes_ >= kMaxHeldBytes || kept() >= kMaxHeldEvents;
  const bool reads = state_ == State::kOpening || (state_ == State::kOpen && !is_full);
  const int events = (reads ? EV_READ : 0) | (to_edge_.empty() ? 0 : EV_WRITE);
  if (ev_is_active(&io_) && (io_.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(parts_.loop, &io_);
  ev_io_set(&io_, io_.fd, events);
  if (events != 0) ev_io_start(parts_.loop, &io_);
}

}  // namespace dormouse::edge
