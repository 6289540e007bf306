#include "statekeeper/link/link_port.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/frame_head.h"
#include "common/rpc/link_opening.h"
#include "common/rpc/tls_bytes.h"

namespace dormouse {
namespace {

constexpr int64_t kPatienceMs = 5'000;
// Those who have not been passed on. It takes a stream some milliseconds, so thousands could come meanwhile.
constexpr size_t kMaxVisitors = 1024;
constexpr size_t kOpeningReadBytes = 16u << 10;
constexpr char kLinkPath[] = "/dormouse.link.Edge/Link";

size_t MaxVisitors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return std::clamp<size_t>(limit.rlim_cur / 4, 64, kMaxVisitors);
}

}  // namespace

struct LinkPort::Visitor {
  LinkPort* port = nullptr;
  std::list<Visitor>::iterator at = {};
  IpAddress from;
  int64_t deadline_ms = 0;
  ev_io io = {};
  int fd = -1;                              // until there are
  std::unique_ptr<StreamBytes> bytes = {};  // these
  TlsBytes* tls = nullptr;                  // the same, with TLS
  bool is_open = false;                     // the handshake is over, if there is one
  std::string received = {};

  void Await(int events) {
    if (io.events == events && ev_is_active(&io)) return;
    ev_io_stop(port->loop_, &io);
    ev_io_set(&io, fd >= 0 ? fd : bytes->fd(), events);
    ev_io_start(port->loop_, &io);
  }
};

std::unique_ptr<LinkPort> LinkPort::Listen(const std::string& address, std::shared_ptr<const LinkGate> gate,
                                           std::string* error) {
  std::unique_ptr<LinkPort> port(new LinkPort(std::move(gate)));
  *error = port->listener_.Listen(address, Listener::Sharing::kExclusive, "--listen");
  return error->empty() ? std::move(port) : nullptr;
}

LinkPort::LinkPort(std::shared_ptr<const LinkGate> gate)
    : gate_(std::move(gate)),
      max_visitors_(MaxVisitors()),
      loop_(ev_loop_new(EVBACKEND_EPOLL)),
      stop_(loop_, [this] { ev_break(loop_, EVBREAK_ALL); }),
      listener_(loop_, [this](int fd, const IpAddress& from, bool crowded) {
        return OnAccepted(fd, from, crowded);
      }) {
  ev_timer_init(
      &deadline_,
      [](struct ev_loop*, ev_timer* timer, int) { static_cast<LinkPort*>(timer->data)->OnDeadline(); }, 0, 0);
  deadline_.data = this;
}

LinkPort::~LinkPort() {
  if (thread_.joinable()) {
    stop_.Send();
    thread_.join();
  }
  listener_.Stop();
  while (!visitors_.empty()) Close(&visitors_.front());
  ev_timer_stop(loop_, &deadline_);
  stop_.Stop();
  ev_loop_destroy(loop_);
}

void LinkPort::Start(Hosts hosts) {
  hosts_ = std::move(hosts);
  thread_ = std::thread([this] { ev_run(loop_, 0); });
}

// --- Who comes, and who has to go.

bool LinkPort::OnAccepted(int fd, const IpAddress& from, bool crowded) {
  SetUpLinkSocket(fd);
  Visitor& visitor = visitors_.emplace_back();
  visitor.port = this;
  visitor.at = std::prev(visitors_.end());
  visitor.from = from;
  visitor.deadline_ms = SteadyMs() + kPatienceMs;
  visitor.fd = fd;
  ev_init(&visitor.io, [](struct ev_loop*, ev_io* io, int) {
    auto* const of = static_cast<Visitor*>(io->data);
    of->port->OnEvent(of);
  });
  visitor.io.data = &visitor;
  visitor.Await(EV_READ);
  // The oldest may be the newest, where many are passed on.
  if (visitors_.size() > max_visitors_ || crowded) CloseOldest("too many come at once");
  ArmDeadline();
  return true;
}

void LinkPort::Close(Visitor* visitor) {
  ev_io_stop(loop_, &visitor->io);
  if (visitor->fd >= 0) close(visitor->fd);
  visitors_.erase(visitor->at);
}

void LinkPort::CloseOldest(const char* why) {
  Visitor* const oldest = &visitors_.front();
  gate_->CountSilent();
  Say(*oldest, why);
  Close(oldest);
}

void LinkPort::OnDeadline() {
  const int64_t now_ms = SteadyMs();
  while (!visitors_.empty() && visitors_.front().deadline_ms <= now_ms) {
    CloseOldest("it has not said within five seconds who it is");
  }
  ArmDeadline();
}

void LinkPort::ArmDeadline() {
  if (ev_is_active(&deadline_) || visitors_.empty()) return;
  const int64_t left_ms = std::max<int64_t>(visitors_.front().deadline_ms - SteadyMs(), 1);
  ev_timer_set(&deadline_, static_cast<double>(left_ms) / 1000, 0);
  ev_timer_start(loop_, &deadline_);
}

void LinkPort::Say(const Visitor& visitor, const std::string& what) {
  uint64_t left_out = 0;
  if (log_limit_.Take(&left_out)) {
    SPDLOG_WARN("Refused a connection from {}: {} ({} more before)", visitor.from.ToString(), what, left_out);
  }
}

// --- What they say.

void LinkPort::OnEvent(Visitor* visitor) {
  if (visitor->bytes == nullptr && !ReadMark(visitor)) return;
  if (!visitor->is_open && !ShakeHands(visitor)) return;
  ReadOpening(visitor);
}

bool LinkPort::ReadMark(Visitor* visitor) {
  std::array<char, kLinkMarkBytes> mark;
  // gRPC is to read its first bytes itself.
  const bool is_first = visitor->received.empty();
  const ssize_t got = recv(visitor->fd, mark.data(), is_first ? 1 : mark.size() - visitor->received.size(),
                           is_first ? MSG_PEEK : 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    Close(visitor);
    return false;
  }
  const std::string_view said(mark.data(), static_cast<size_t>(got));
  LinkOpening opening = Recognize(visitor->received + std::string(said));
  if (opening == LinkOpening::kGrpc) {
    const int fd = std::exchange(visitor->fd, -1);
    ev_io_stop(loop_, &visitor->io);
    Close(visitor);
    hosts_.grpc(fd);
    return false;
  }
  if (is_first && opening == LinkOpening::kUnfinished) {
    visitor->received.push_back(mark[0]);
    recv(visitor->fd, mark.data(), 1, 0);
    return ReadMark(visitor);
  }
  if (opening == LinkOpening::kUnfinished) {
    visitor->received.append(said);
    return false;
  }
  visitor->received.clear();
  const bool has_certificates = gate_->credentials().certificates() != nullptr;
  if (opening == LinkOpening::kNonsense || (opening == LinkOpening::kTls && !has_certificates)) {
    gate_->CountSilent();
    Say(*visitor, opening == LinkOpening::kTls ? "it comes with TLS, and this statekeeper has no certificates"
                                               : "it speaks another language");
    Close(visitor);
    return false;
  }
  if (opening == LinkOpening::kPlain) {
    visitor->bytes = PlainBytes::OfTcp(std::exchange(visitor->fd, -1));
    visitor->is_open = true;
    if (!has_certificates) return true;
    gate_->CountFailedHandshake();
    Say(*visitor, "it comes without TLS, and this statekeeper asks for certificates");
    Refuse(visitor, {grpc::StatusCode::UNAUTHENTICATED,
                     "This statekeeper asks for a certificate: start who calls it with --link-certificate, "
                     "--link-key and --link-ca, too."});
    return false;
  }
  std::string wrong;
  auto context = gate_->credentials().OfStreams(TlsContext::Role::kServer, &wrong);
  if (context == nullptr) {
    Say(*visitor, wrong);
    Close(visitor);
    return false;
  }
  auto tls = std::make_unique<TlsBytes>(std::move(context), std::exchange(visitor->fd, -1));
  visitor->tls = tls.get();
  visitor->bytes = std::move(tls);
  return true;
}

bool LinkPort::ShakeHands(Visitor* visitor) {
  switch (visitor->bytes->Open()) {
    case StreamBytes::Opening::kDone:
      visitor->is_open = true;
      visitor->Await(EV_READ);
      return true;
    case StreamBytes::Opening::kReads:
      visitor->Await(EV_READ);
      return false;
    case StreamBytes::Opening::kWrites:
      visitor->Await(EV_WRITE);
      return false;
    case StreamBytes::Opening::kFailed:
      break;
  }
  gate_->CountFailedHandshake();
  Say(*visitor, visitor->bytes->why());
  Close(visitor);
  return false;
}

void LinkPort::ReadOpening(Visitor* visitor) {
  std::array<char, kOpeningReadBytes> buffer;
  const ssize_t got = visitor->bytes->Read(buffer.data(), buffer.size());
  if (got < 0) return Close(visitor);
  visitor->received.append(buffer.data(), static_cast<size_t>(got));
  bool broken = false;
  const auto opening = TakeOpening(&visitor->received, &broken);
  if (broken) {
    gate_->CountSilent();
    Say(*visitor, "its stream does not begin as it should");
    return Refuse(visitor, {grpc::StatusCode::INVALID_ARGUMENT, "The stream does not begin as it should."});
  }
  if (opening.has_value()) PassOn(visitor, *opening);
}

void LinkPort::PassOn(Visitor* visitor, const link::StreamOpening& opening) {
  LinkGate::Call call{.path = kLinkPath, .authorization = opening.authorization(), .names = {}};
  if (visitor->tls != nullptr) call.names = visitor->tls->PeerRoles();
  // Where it is refused it has been counted and logged.
  if (const grpc::Status status = gate_->Judge(call); !status.ok()) return Refuse(visitor, status);
  ev_io_stop(loop_, &visitor->io);
  const grpc::Status status = hosts_.lane(opening.lane(), &visitor->bytes, std::move(visitor->received));
  if (!status.ok()) return Refuse(visitor, status);
  Close(visitor);
}

void LinkPort::Refuse(Visitor* visitor, const grpc::Status& why) {
  const std::string end = PrintStreamEnd(why);
  const iovec all{const_cast<char*>(end.data()), end.size()};
  visitor->bytes->Write(&all, 1);  // there is room: nothing else was said
  Close(visitor);
}

}  // namespace dormouse
