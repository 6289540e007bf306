#include "common/http/client_socket.h"

#include <sys/socket.h>

#include <cerrno>

namespace dormouse {
namespace {

// What a session did, as a system call says it.
ssize_t AsOfSocket(const TlsSession::Result& result) {
  if (result.size > 0) return static_cast<ssize_t>(result.size);
  switch (result.state) {
    case TlsSession::State::kDone:
    case TlsSession::State::kEnded:
      return 0;
    case TlsSession::State::kFailed:
      errno = EPROTO;
      return -1;
    default:
      errno = EAGAIN;
      return -1;
  }
}

}  // namespace

ssize_t ClientSocket::Read(char* buffer, size_t size) const {
  if (tls != nullptr) return AsOfSocket(tls->Read(buffer, size));
  return recv(fd, buffer, size, MSG_DONTWAIT);
}

ssize_t ClientSocket::Write(std::string_view bytes) const {
  if (tls != nullptr) return AsOfSocket(tls->Write(bytes));
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool ClientSocket::EndOutput() const {
  if (tls != nullptr && tls->Shutdown() == TlsSession::State::kWantsWrite) return false;
  shutdown(fd, SHUT_WR);
  return true;
}

}  // namespace dormouse
