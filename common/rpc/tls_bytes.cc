#include "common/rpc/tls_bytes.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/rpc/link_role.h"

namespace dormouse {

TlsBytes::TlsBytes(std::shared_ptr<const TlsContext> context, int fd)
    : context_(std::move(context)),
      fd_(fd),
      session_(
          *context_, fd,
          context_->role() == TlsContext::Role::kClient ? std::string(NameOf(LinkRole::kStatekeeper)) : "") {}

TlsBytes::~TlsBytes() { close(fd_); }

StreamBytes::Opening TlsBytes::Open() {
  switch (session_.Handshake()) {
    case TlsSession::State::kDone:
      has_more_ = session_.has_more();
      return Opening::kDone;
    case TlsSession::State::kWantsRead:
      return Opening::kReads;
    case TlsSession::State::kWantsWrite:
      return Opening::kWrites;
    case TlsSession::State::kEnded:
      set_why("the other end left in the handshake of TLS");
      return Opening::kFailed;
    case TlsSession::State::kFailed:
      break;
  }
  set_why("the handshake of TLS failed: " + session_.error());
  return Opening::kFailed;
}

ssize_t TlsBytes::Read(char* to, size_t size) {
  const TlsSession::Result got = session_.ReadOnce(to, size);
  const bool is_over = got.state == TlsSession::State::kEnded || got.state == TlsSession::State::kFailed;
  // What was read before the end comes first.
  has_more_ = is_over || (got.size == size && session_.has_more());
  if (got.size > 0) return static_cast<ssize_t>(got.size);
  if (got.state == TlsSession::State::kWantsRead || got.state == TlsSession::State::kWantsWrite) return 0;
  // In TLS 1.3 it is only after its own handshake that a client hears that its certificate was refused.
  set_why(got.state == TlsSession::State::kEnded ? "the other end is gone"
                                                 : "TLS broke off: " + session_.error());
  return -1;
}

ssize_t TlsBytes::Write(const iovec* parts, size_t count) {
  if (session_.unsent() > 0) {
    const TlsSession::State state = session_.Flush();
    if (state != TlsSession::State::kDone) return state == TlsSession::State::kWantsWrite ? 0 : -1;
  }
  if (count == 0) return 0;
  std::string_view bytes(static_cast<const char*>(parts[0].iov_base), parts[0].iov_len);
  std::array<char, TlsSession::kMaxRecord> record;
  if (count > 1) {  // small parts go together
    size_t filled = 0;
    for (size_t i = 0; i < count; ++i) {
      const size_t taken = std::min(parts[i].iov_len, record.size() - filled);
      std::copy_n(static_cast<const char*>(parts[i].iov_base), taken, record.data() + filled);
      filled += taken;
    }
    bytes = {record.data(), filled};
  }
  const TlsSession::Result written = session_.Write(bytes);
  if (written.state == TlsSession::State::kFailed || written.state == TlsSession::State::kEnded) return -1;
  return static_cast<ssize_t>(written.size);
}

std::vector<std::string> TlsBytes::PeerRoles() const {
  std::vector<std::string> names;
  for (const LinkRole role : {LinkRole::kGateway, LinkRole::kStatekeeper, LinkRole::kOperator}) {
    const std::string name(NameOf(role));
    if (session_.PeerCarries(name)) names.push_back(name);
  }
  return names;
}

}  // namespace dormouse
