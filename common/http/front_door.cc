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
constexpr size_t kReadSize = 8192;
constexpr size_t kMaxTurnedAway = 256;

constexpr char kTlsHandshake = 0x16;  // the first byte of a client's hello

// A method's first character, or of an empty line before it (RFC 9112, 2.2).
bool CanBeginRequest(char c) { return c == '\r' || c == '\n' || (c > ' ' && c < 0x7f); }

}  // namespace

FrontDoor::FrontDoor(struct ev_loop* loop, Limits limits, Handler* handler)
    : loop_(loop),
      limits_(limits),
      handler_(handler),
      timers_(loop, kTickMs, kSlots, [this](TimerNode* node) { CutOff(static_cast<Visitor*>(node)); }) {}

FrontDoor::~FrontDoor() {
  while (!visitors_.empty()) Remove(&visitors_.front(), true);
}

FrontDoor::Visitor* FrontDoor::Add(int fd) {
  if (visitors_.size() >= limits_.max_visitors) CutOff(&visitors_.back());
  Visitor* visitor = &visitors_.emplace_front();
  visitor->self = visitors_.begin();
  visitor->door = this;
  visitor->fd = fd;
  ev_io_init(
      &visitor->io,
      [](struct ev_loop*, ev_io* io, int) {
        auto* ready = static_cast<Visitor*>(io->data);
        ready->door->OnIo(ready);
      },
      fd, EV_READ);
  visitor->io.data = visitor;
  PostponeDeadline(visitor);
  handler_->OnVisitors(visitors_.size());
  return visitor;
}

void FrontDoor::Admit(int fd, const IpAddress& peer, AddressLimit::Seat seat, Arrival how) {
  Visitor* visitor = Add(fd);
  visitor->peer = peer;
  visitor->seat = std::move(seat);
  visitor->how = how;
  Read(visitor);  // under load the request is there already
}

void FrontDoor::TurnAway(int fd, const HttpReply& reply) {
  if (turned_away_ == kMaxTurnedAway) {
    close(fd);
    return;
  }
  Visitor* visitor = Add(fd);
  visitor->turned_away = true;
  ++turned_away_;
  Answer(visitor, reply, true);
}

void FrontDoor::Finish(int fd, AddressLimit::Seat seat, const HttpReply& reply, bool with_body) {
  Visitor* visitor = Add(fd);
  visitor->seat = std::move(seat);
  Answer(visitor, reply, with_body);
}

void FrontDoor::Readmit(int fd, const IpAddress& peer, AddressLimit::Seat seat, std::string_view rest) {
  Visitor* visitor = Add(fd);
  visitor->peer = peer;
  visitor->seat = std::move(seat);
  visitor->was_answered = true;
  visitor->bytes = rest;
  Judge(visitor);
}

void FrontDoor::SeeOut(int fd, AddressLimit::Seat seat) {
  Visitor* visitor = Add(fd);
  visitor->seat = std::move(seat);
  EndOutput(visitor);
}

void FrontDoor::OnIo(Visitor* visitor) {
  switch (visitor->state) {
    case Visitor::State::kReading:
      Read(visitor);
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
  const ssize_t size = recv(visitor->fd, buffer, sizeof(buffer), 0);
  if (size <= 0) {
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      Watch(visitor, EV_READ);
    } else {
      Remove(visitor, true);
    }
    return;
  }
  visitor->bytes.append(buffer, static_cast<size_t>(size));
  if (!visitor->how.proxied || TakeProxyHeader(visitor)) Judge(visitor);
}

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
  const std::optional<HttpReply> refusal = handler_->OnProxied(visitor->peer, &visitor->seat);
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
  const Visit visit{visitor->fd,          visitor->peer,         &visitor->seat,
                    visitor->how.crowded, bytes.substr(0, head), bytes.substr(head)};
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
  handler_->OnAnswered(reply.status);
  visitor->bytes = Serialize(reply, with_body);
  visitor->state = Visitor::State::kWriting;
  Write(visitor);
}

void FrontDoor::Write(Visitor* visitor) {
  const std::string& bytes = visitor->bytes;
  while (visitor->written < bytes.size()) {
    const ssize_t size =
        send(visitor->fd, bytes.data() + visitor->written, bytes.size() - visitor->written, MSG_NOSIGNAL);
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
  shutdown(visitor->fd, SHUT_WR);
  visitor->state = Visitor::State::kLingering;
  Linger(visitor);
}

void FrontDoor::Linger(Visitor* visitor) {
  char buffer[kReadSize];
  const ssize_t size = recv(visitor->fd, buffer, sizeof(buffer), 0);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
    Remove(visitor, true);
  } else {
    Watch(visitor, EV_READ);
  }
}

void FrontDoor::Watch(Visitor* visitor, int events) {
  if (ev_is_active(&visitor->io) && (visitor->io.events & (EV_READ | EV_WRITE)) == events) return;
  ev_io_stop(loop_, &visitor->io);
  ev_io_set(&visitor->io, visitor->fd, events);
  ev_io_start(loop_, &visitor->io);
}

void FrontDoor::PostponeDeadline(Visitor* visitor) {
  timers_.Schedule(visitor, SteadyMs() + limits_.deadline_ms);
}

void FrontDoor::CutOff(Visitor* visitor) {
  const bool owes_request = !visitor->was_answered || !visitor->bytes.empty();
  if (visitor->state == Visitor::State::kReading && owes_request) handler_->OnCutOff();
  Remove(visitor, true);
}

void FrontDoor::Remove(Visitor* visitor, bool close_fd) {
  ev_io_stop(loop_, &visitor->io);
  LoopTimers::Cancel(visitor);
  if (close_fd) close(visitor->fd);
  if (visitor->turned_away) --turned_away_;
  visitors_.erase(visitor->self);
  handler_->OnVisitors(visitors_.size());
}

}  // namespace dormouse
