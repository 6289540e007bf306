#include "common/http/front_door.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/clock.h"
#include "common/http/proxy_header.h"

namespace dormouse {
namespace {

constexpr int64_t kTickMs = 64;
constexpr size_t kSlots = 128;
constexpr size_t kReadSize = TlsSession::kReadRoom;
constexpr size_t kMaxTurnedAway = 256;

constexpr char kTlsHandshake = 0x16;  // the first byte of a client's hello

// The alert access_denied (RFC 8446, 6), in the clear.
constexpr std::string_view kDenied("\x15\x03\x01\x00\x02\x02\x31", 7);

// A method's first character, or of an empty line before it (RFC 9112, 2.2).
bool CanBeginRequest(char c) { return c == '\r' || c == '\n' || (c > ' ' && c < 0x7f); }

}  // namespace

FrontDoor::FrontDoor(struct ev_loop* loop, Limits limits, Handler* handler)
    : loop_(loop),
      limits_(limits),
      handler_(handler),
      timers_(loop, kTickMs, kSlots, [this](TimerNode* node) { CutOff(static_cast<Visitor*>(node)); }) {
  ev_check_init(&shaking_, [](struct ev_loop*, ev_check* check, int) {
    static_cast<FrontDoor*>(check->data)->ShakeSome();
  });
  shaking_.data = this;
  ev_idle_init(&keep_turning_, [](struct ev_loop*, ev_idle*, int) {});
}

FrontDoor::~FrontDoor() {
  while (!visitors_.empty()) Remove(&visitors_.front(), true);
  ev_check_stop(loop_, &shaking_);
  ev_idle_stop(loop_, &keep_turning_);
}

void FrontDoor::ForEachWaiting(const std::function<void(const Waiting&)>& visit) {
  for (auto it = visitors_.rbegin(); it != visitors_.rend(); ++it) {
    if (!it->can_move()) continue;
    visit({.fd = it->socket.fd,
           .peer = it->peer,
           .seat = &it->socket.seat,
           .bytes = it->bytes,
           .how = it->how,
           .deadline_ms = it->due_ms});
  }
}

void FrontDoor::ForgetWaiting() {
  for (auto it = visitors_.begin(); it != visitors_.end();) {
    Visitor* const visitor = &*it++;
    if (visitor->can_move()) Remove(visitor, true);
  }
}

void FrontDoor::Restore(const Waiting& waiting) {
  Visitor* const visitor = Add({.fd = waiting.fd, .seat = {}, .tls = nullptr});
  visitor->peer = waiting.peer;
  if (waiting.seat != nullptr) visitor->socket.seat = std::move(*waiting.seat);
  visitor->how = waiting.how;
  visitor->bytes = waiting.bytes;
  timers_.Schedule(visitor, waiting.deadline_ms);
  Watch(visitor, EV_READ);
}

FrontDoor::Visitor* FrontDoor::Add(ClientSocket socket) {
  if (visitors_.size() >= limits_.max_visitors) CutOff(&visitors_.back());
  Visitor* visitor = &visitors_.emplace_front();
  visitor->self = visitors_.begin();
  visitor->door = this;
  visitor->socket = std::move(socket);
  ev_io_init(
      &visitor->io,
      [](struct ev_loop*, ev_io* io, int) {
        auto* ready = static_cast<Visitor*>(io->data);
        ready->door->OnIo(ready);
      },
      visitor->socket.fd, EV_READ);
  visitor->io.data = visitor;
  PostponeDeadline(visitor);
  handler_->OnVisitors(visitors_.size());
  return visitor;
}

void FrontDoor::Admit(int fd, const IpAddress& peer, AddressLimit::Seat seat, Arrival how) {
  Visitor* visitor = Add({.fd = fd, .seat = std::move(seat), .tls = nullptr, .is_pair = how.is_pair});
  visitor->peer = peer;
  visitor->how = how;
  Read(visitor);  // under load the request is there already
}

void FrontDoor::TurnAway(int fd, const HttpReply& reply, bool tls) {
  if (turned_away_ == kMaxTurnedAway) {
    close(fd);
    return;
  }
  Visitor* visitor = Add({.fd = fd, .seat = {}, .tls = nullptr});
  visitor->turned_away = true;
  visitor->how.tls = tls;
  ++turned_away_;
  Answer(visitor, reply, true);
}

void FrontDoor::Finish(ClientSocket socket, const HttpReply& reply, bool with_body) {
  Answer(Add(std::move(socket)), reply, with_body);
}

void FrontDoor::Readmit(ClientSocket socket, const IpAddress& peer, std::string_view rest) {
  Visitor* visitor = Add(std::move(socket));
  visitor->peer = peer;
  visitor->how.tls = visitor->socket.tls != nullptr;
  visitor->was_answered = true;
  visitor->bytes = rest;
  Judge(visitor);
}

void FrontDoor::SeeOut(ClientSocket socket) { EndOutput(Add(std::move(socket))); }

void FrontDoor::OnIo(Visitor* visitor) {
  switch (visitor->state) {
    case Visitor::State::kReading:
      Read(visitor);
      break;
    case Visitor::State::kShaking:
      ShakeLater(visitor);
      break;
    case Visitor::State::kWriting:
      Write(visitor);
      break;
    case Visitor::State::kLingering:
      Linger(visitor);
      break;
  }
}

void FrontDoor::Read(Visitor* visitor) {
  char buffer[kReadSize];
  const ssize_t size = visitor->socket.Read(buffer, sizeof(buffer));
  if (size <= 0) {
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      Watch(visitor, EV_READ);
    } else {
      Remove(visitor, true);
    }
    return;
  }
  visitor->bytes.append(buffer, static_cast<size_t>(size));
  Take(visitor);
}

void FrontDoor::Take(Visitor* visitor) {
  if (visitor->how.proxied && !TakeProxyHeader(visitor)) return;
  if (visitor->how.tls && visitor->socket.tls == nullptr) {
    BeginTls(visitor);
  } else {
    Judge(visitor);
  }
}

// --- TLS.

void FrontDoor::BeginTls(Visitor* visitor) {
  if (visitor->bytes.empty()) return Watch(visitor, EV_READ);
  if (visitor->bytes.front() == kTlsHandshake) return ShakeLater(visitor);
  visitor->how.tls = false;
  Answer(visitor, {.status = 400, .body = "This port speaks TLS: use https:// or wss://.\n"}, true);
}

void FrontDoor::ShakeLater(Visitor* visitor) {
  ev_io_stop(loop_, &visitor->io);
  visitor->state = Visitor::State::kShaking;
  visitor->shake = due_.insert(due_.end(), visitor);
  visitor->is_due = true;
  ev_check_start(loop_, &shaking_);
  ev_idle_start(loop_, &keep_turning_);
}

void FrontDoor::ShakeSome() {
  const auto end = std::chrono::steady_clock::now() + kShakingTime;
  // What becomes due by this is for another turn.
  for (size_t left = due_.size(); left > 0 && !due_.empty(); --left) {
    Visitor* visitor = due_.front();
    due_.pop_front();
    visitor->is_due = false;
    Shake(visitor);
    if (std::chrono::steady_clock::now() >= end) break;
  }
  if (!due_.empty()) return;
  ev_check_stop(loop_, &shaking_);
  ev_idle_stop(loop_, &keep_turning_);
}

void FrontDoor::Shake(Visitor* visitor) {
  if (visitor->socket.tls == nullptr) {
    visitor->socket.tls = std::make_unique<TlsSession>(*tls_->Current(), visitor->socket.fd);
    visitor->socket.tls->Feed(std::exchange(visitor->bytes, {}));
  }
  switch (visitor->socket.tls->Handshake()) {
    case TlsSession::State::kDone:
      handler_->OnTls(visitor->socket.tls->resumed());
      visitor->state = Visitor::State::kReading;
      return Read(visitor);  // the request may have come along
    case TlsSession::State::kWantsRead:
      return Watch(visitor, EV_READ);
    case TlsSession::State::kWantsWrite:
      return Watch(visitor, EV_WRITE);
    default:
      break;
  }
  handler_->OnTlsFailed(visitor->peer, visitor->socket.tls->error());
  // It has been told by an alert.
  visitor->socket.tls.reset();
  PostponeDeadline(visitor);
  EndOutput(visitor);
}

// --- The request.

// False: the rest of it is to come yet, or the visitor has been dealt with.
bool FrontDoor::TakeProxyHeader(Visitor* visitor) {
  const ProxyHeader header = ReadProxyHeader(visitor->bytes);
  switch (header.state) {
    case ProxyHeader::State::kIncomplete:
      Watch(visitor, EV_READ);
      return false;
    case ProxyHeader::State::kBad:
      handler_->OnBadProxyHeader();
      Remove(visitor, true);
      return false;
    case ProxyHeader::State::kWhole:
      break;
  }
  visitor->how.proxied = false;
  visitor->bytes.erase(0, header.size);
  if (!header.client.has_value()) return true;
  visitor->peer = *header.client;
  const std::optional<HttpReply> refusal = handler_->OnProxied(visitor->peer, &visitor->socket.seat);
  if (refusal.has_value()) Answer(visitor, *refusal, true);
  return !refusal.has_value();
}

// Acts on what has been read, as far as it is clear what that is.
void FrontDoor::Judge(Visitor* visitor) {
  if (visitor->bytes.empty()) {
    Watch(visitor, EV_READ);
    return;
  }
  // A request's first line would be waited for in vain.
  if (const char first = visitor->bytes.front(); visitor->looked_at == 0 && !CanBeginRequest(first)) {
    return Answer(
        visitor,
        {.status = 400,
         .body = first == kTlsHandshake ? "This port speaks plain HTTP, without TLS: use http:// or ws://.\n"
                                        : "This is not an HTTP/1.1 request; send GET with a path.\n"},
        true);
  }
  const size_t head = FindHeadEnd(visitor->bytes, visitor->looked_at);
  visitor->looked_at = visitor->bytes.size();
  if (head > limits_.max_head || (head == 0 && visitor->bytes.size() > limits_.max_head)) {
    return Answer(visitor,
                  {.status = 431, .body = "The request's header is too large; send less than 16 KiB.\n"},
                  true);
  }
  if (head == 0) {
    Watch(visitor, EV_READ);
    return;
  }
  HttpRequest request;
  HttpReply refusal;
  const std::string_view bytes = visitor->bytes;
  if (!ParseHttpRequest(bytes.substr(0, head), &request, &refusal)) return Answer(visitor, refusal, true);
  ev_io_stop(loop_, &visitor->io);  // before the socket may get other watchers
  const Visit visit{&visitor->socket, visitor->peer, visitor->how.crowded, bytes.substr(0, head),
                    bytes.substr(head)};
  const bool with_body = request.method != "HEAD";
  if (const std::optional<HttpReply> reply = handler_->OnRequest(request, visit)) {
    Answer(visitor, *reply, with_body);
  } else {
    Remove(visitor, false);
  }
}

std::string FrontDoor::Serialize(const HttpReply& reply, bool with_body) {
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n"
      "X-Content-Type-Options: nosniff\r\nDate: {}\r\n",
      reply.status, StatusText(reply.status), reply.content_type, reply.body.size(), date_.At(WallMs()));
  bool upgrade = false;
  for (const auto& [name, value] : reply.headers) {
    out += fmt::format("{}: {}\r\n", name, value);
    upgrade |= EqualsIgnoringCase(name, "upgrade");
  }
  // Who is on the way takes out what Connection names, and would pass the header on else (RFC 9110, 7.8).
  out += upgrade ? "Connection: Upgrade, close\r\n\r\n" : "Connection: close\r\n\r\n";
  if (with_body) out += reply.body;
  return out;
}

void FrontDoor::Answer(Visitor* visitor, const HttpReply& reply, bool with_body) {
  const bool is_denied = visitor->how.tls && visitor->socket.tls == nullptr;  // it could not read it
  if (!is_denied) handler_->OnAnswered(reply.status);
  visitor->bytes = is_denied ? std::string(kDenied) : Serialize(reply, with_body);
  visitor->state = Visitor::State::kWriting;
  Write(visitor);
}

void FrontDoor::Write(Visitor* visitor) {
  const std::string_view bytes = visitor->bytes;
  while (visitor->written < bytes.size()) {
    const ssize_t size = visitor->socket.Write(bytes.substr(visitor->written));
    if (size < 0 && errno == EAGAIN) {
      Watch(visitor, EV_WRITE);
      return;
    }
    if (size < 0) {
      Remove(visitor, true);
      return;
    }
    visitor->written += static_cast<size_t>(size);
    PostponeDeadline(visitor);
  }
  EndOutput(visitor);
}

// Closing with something unread would make the kernel take the answer back: waits for the client's end.
void FrontDoor::EndOutput(Visitor* visitor) {
  if (!visitor->socket.EndOutput()) {
    visitor->state = Visitor::State::kWriting;
    return Watch(visitor, EV_WRITE);
  }
  visitor->state = Visitor::State::kLingering;
  Linger(visitor);
}

void FrontDoor::Linger(Visitor* visitor) {
  char buffer[kReadSize];
  const ssize_t size = recv(visitor->socket.fd, buffer, sizeof(buffer), 0);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
    Remove(visitor, true);
  } else {
    Watch(visitor, EV_READ);
  }
}

void FrontDoor::Watch(Visitor* visitor, int events) {
  if (ev_is_active(&visitor->io) && (visitor->io.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(loop_, &visitor->io);
  ev_io_set(&visitor->io, visitor->socket.fd, events);
  ev_io_start(loop_, &visitor->io);
}

void FrontDoor::PostponeDeadline(Visitor* visitor) {
  timers_.Schedule(visitor, SteadyMs() + limits_.deadline_ms);
}

void FrontDoor::CutOff(Visitor* visitor) {
  const bool owes_request = !visitor->was_answered || !visitor->bytes.empty();
  if (visitor->state <= Visitor::State::kShaking && owes_request) handler_->OnCutOff();
  Remove(visitor, true);
}

void FrontDoor::Remove(Visitor* visitor, bool close_fd) {
  ev_io_stop(loop_, &visitor->io);
  LoopTimers::Cancel(visitor);
  if (visitor->is_due) due_.erase(visitor->shake);
  if (close_fd) close(visitor->socket.fd);
  if (visitor->turned_away) --turned_away_;
  visitors_.erase(visitor->self);
  handler_->OnVisitors(visitors_.size());
}

}  // namespace dormouse
