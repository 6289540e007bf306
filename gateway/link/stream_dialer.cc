#include "gateway/link/stream_dialer.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/host_port.h"
#include "common/rpc/link_opening.h"
#include "common/rpc/tcp_dial.h"
#include "common/rpc/tls_bytes.h"
#include "proto/link.pb.h"

namespace dormouse {
namespace {

constexpr int64_t kStreamLookupMs = 1000;

// What is said first on a connection, and the bytes that follow. `stream` is told if that cannot be.
void Begin(int fd, const LinkCredentials* credentials, uint32_t lane, FramedStream* stream) {
  const bool has_certificates = credentials != nullptr && credentials->certificates() != nullptr;
  std::unique_ptr<StreamBytes> bytes;
  if (has_certificates) {
    std::string wrong;
    auto context = credentials->OfStreams(TlsContext::Role::kClient, &wrong);
    if (context == nullptr) {
      close(fd);
      return stream->Failed(wrong);
    }
    bytes = std::make_unique<TlsBytes>(std::move(context), fd);
  } else {
    bytes = PlainBytes::OfTcp(fd);
  }
  const std::string mark = LinkMark(has_certificates);
  send(fd, mark.data(), mark.size(), MSG_NOSIGNAL);  // there is room: it is the first
  link::StreamOpening opening;
  opening.set_lane(lane);
  if (credentials != nullptr) opening.set_authorization(credentials->NewAuthorization());
  stream->Connected(std::move(bytes), PrintOpening(opening));
}

}  // namespace

StreamDialer::StreamDialer(const std::string& address, std::shared_ptr<const LinkCredentials> credentials)
    : credentials_(std::move(credentials)) {
  const std::optional<HostPort> parsed = HostPort::Parse(address);
  if (!parsed.has_value()) return;
  host_ = parsed->host;
  port_ = std::to_string(parsed->port);
  if (IsNumericAddress(host_)) addresses_ = {host_};
}

bool StreamDialer::CanDial(const std::string& address) {
  return address.find('/') == std::string::npos && address.find(':') != std::string::npos;
}

std::shared_ptr<LinkStream> StreamDialer::Open(uint32_t lane, const grpc::ByteBuffer& greeting, bool again,
                                               int64_t steady_ms, const std::shared_ptr<StreamInbox>& inbox) {
  auto stream = FramedStream::Begin(greeting, inbox);
  const bool is_old = addresses_.empty() || (again && steady_ms >= looked_up_ms_ + kStreamLookupMs);
  if (is_old && lookup_ == nullptr && !IsNumericAddress(host_)) LookUp(inbox->loop(), steady_ms);
  if (lookup_ != nullptr) {
    waiting_.emplace_back(stream, lane);
  } else {
    Dial(inbox->loop(), stream, lane);
  }
  return stream;
}

void StreamDialer::LookUp(struct ev_loop* loop, int64_t steady_ms) {
  looked_up_ms_ = steady_ms;
  lookup_ = std::make_unique<HostLookup>(
      loop, host_, [this, loop](std::vector<std::string> addresses, const std::string& error) {
        OnFound(loop, std::move(addresses), error);
      });
}

void StreamDialer::OnFound(struct ev_loop* loop, std::vector<std::string> addresses,
                           const std::string& error) {
  lookup_.reset();
  addresses_ = std::move(addresses);
  for (const auto& [waiting, lane] : std::exchange(waiting_, {})) {
    const std::shared_ptr<FramedStream> stream = waiting.lock();
    if (stream == nullptr) continue;
    if (addresses_.empty()) {
      stream->Failed(host_ + " cannot be looked up: " + error);
    } else {
      Dial(loop, stream, lane);
    }
  }
}

void StreamDialer::Dial(struct ev_loop* loop, const std::shared_ptr<FramedStream>& stream, uint32_t lane) {
  // The stream owns the dial.
  stream->set_connecting(std::make_shared<TcpDial>(
      loop, addresses_, port_,
      [to = std::weak_ptr(stream), credentials = credentials_, lane](int fd, const std::string& why) {
        const std::shared_ptr<FramedStream> dialing = to.lock();
        if (fd >= 0) {
          Begin(fd, credentials.get(), lane, dialing.get());
        } else {
          dialing->Failed(why);
        }
      }));
}

}  // namespace dormouse
