#include "common/tls/tls_session.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace dormouse {
namespace {

bool IsNumeric(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

// A BIO that leads to the session: with what was fed, and with what the socket did not take.
BIO_METHOD* TlsSession::Socket() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket of a session");
    BIO_meth_set_read(made, [](BIO* bio, char* buffer, int size) {
      BIO_clear_retry_flags(bio);
      const int got = static_cast<TlsSession*>(BIO_get_data(bio))->Receive(buffer, size);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
      return got;
    });
    BIO_meth_set_write(made, [](BIO* bio, const char* bytes, int size) {
      BIO_clear_retry_flags(bio);
      return static_cast<TlsSession*>(BIO_get_data(bio))->Send(bytes, size);
    });
    BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
      if (command == BIO_CTRL_EOF) return static_cast<TlsSession*>(BIO_get_data(bio))->has_ended_ ? 1 : 0;
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  return method;
}

TlsSession::TlsSession(const TlsContext& context, int fd, const std::string& host)
    : ssl_(SSL_new(context.get())), fd_(fd) {
  BIO* const bio = ssl_ == nullptr ? nullptr : BIO_new(Socket());
  if (bio == nullptr) {
    SSL_free(ssl_);
    throw std::bad_alloc();
  }
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (context.role() == TlsContext::Role::kServer) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  if (host.empty()) return;
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (IsNumeric(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str());
  } else {
    SSL_set1_host(ssl_, host.c_str());
    SSL_set_tlsext_host_name(ssl_, host.c_str());
  }
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

// --- The socket. As a BIO has it: -1 with errno.

int TlsSession::Receive(char* buffer, int size) {
  if (!fed_.empty()) {
    const size_t got = fed_.copy(buffer, static_cast<size_t>(size));
    if (got == fed_.size()) {
      std::string().swap(fed_);
    } else {
      fed_.erase(0, got);
    }
    return static_cast<int>(got);
  }
  // What one call brings may be as long as OpenSSL's buffer.
  if (left_to_take_ == 0 || (left_to_take_ < kMaxTaken && room_ < kReadRoom)) {
    errno = EAGAIN;
    return -1;
  }
  const size_t asked = std::min(static_cast<size_t>(size), left_to_take_);
  const ssize_t got = recv(fd_, buffer, asked, MSG_DONTWAIT);
  if (got == 0) has_ended_ = true;
  // A socket that gave less has no more now.
  if (got > 0) left_to_take_ = static_cast<size_t>(got) < asked ? 0 : left_to_take_ - asked;
  return static_cast<int>(got);
}

int TlsSession::Send(const char* bytes, int size) {
  size_t sent = 0;
  const auto all = static_cast<size_t>(size);
  if (unsent_ == nullptr) {
    const ssize_t taken = send(fd_, bytes, all, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0 && errno != EAGAIN && errno != EINTR) return -1;
    sent = static_cast<size_t>(std::max<ssize_t>(taken, 0));
    if (sent == all) return size;
    unsent_ = std::make_unique<std::string>();
  }
  if (unsent_->size() + all - sent > kMaxUnsent) {
    errno = ENOBUFS;
    return -1;
  }
  unsent_->append(bytes + sent, all - sent);
  return size;
}

TlsSession::State TlsSession::Flush() {
  while (unsent_ != nullptr) {
    const ssize_t taken = send(fd_, unsent_->data(), unsent_->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0 && (errno == EAGAIN || errno == EINTR)) return State::kWantsWrite;
    if (taken < 0) {
      error_ = std::strerror(errno);
      return State::kFailed;
    }
    unsent_->erase(0, static_cast<size_t>(taken));
    if (unsent_->empty()) unsent_.reset();
  }
  return State::kDone;
}

// --- The session.

TlsSession::State TlsSession::Handshake() {
  if (const State state = Flush(); state != State::kDone) return state;
  if (SSL_is_init_finished(ssl_) != 1) {
    ERR_clear_error();
    left_to_take_ = room_ = kMaxTaken;
    if (const State state = Judge(SSL_do_handshake(ssl_)); state != State::kDone && unsent_ == nullptr)
      return state;
    if (!error_.empty()) return State::kFailed;
  }
  return unsent_ == nullptr ? State::kDone : State::kWantsWrite;
}

TlsSession::Result TlsSession::Read(char* buffer, size_t size) { return ReadWhile(buffer, size, false); }

TlsSession::Result TlsSession::ReadOnce(char* buffer, size_t size) { return ReadWhile(buffer, size, true); }

TlsSession::Result TlsSession::ReadWhile(char* buffer, size_t size, bool once) {
  ERR_clear_error();
  left_to_take_ = kMaxTaken;
  Result result;
  while (result.size < size) {
    size_t got = 0;
    room_ = size - result.size;
    result.state = Judge(SSL_read_ex(ssl_, buffer + result.size, size - result.size, &got));
    result.size += got;
    if (result.state != State::kDone || (once && !has_more())) break;
  }
  return result;
}

TlsSession::Result TlsSession::Write(std::string_view bytes) {
  Result result;
  ERR_clear_error();
  while ((result.state = Flush()) == State::kDone && !bytes.empty()) {
    const std::string_view record = bytes.substr(0, kMaxRecord);
    size_t taken = 0;
    result.state = Judge(SSL_write_ex(ssl_, record.data(), record.size(), &taken));
    if (result.state == State::kEnded) {  // an end that was read before hides that the socket is broken
      error_ = std::strerror(errno);
      result.state = State::kFailed;
    }
    if (result.state != State::kDone) return result;
    result.size += taken;
    bytes.remove_prefix(taken);
  }
  return result;
}

TlsSession::State TlsSession::Shutdown() {
  if (!said_farewell_) {
    said_farewell_ = true;
    ERR_clear_error();
    SSL_shutdown(ssl_);  // is kept like anything else where the socket is full
    ERR_clear_error();
  }
  return Flush();
}

bool TlsSession::PeerCarries(const std::string& name) const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  return certificate != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK &&
         X509_check_host(certificate, name.data(), name.size(),
                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS, nullptr) == 1;
}

TlsSession::State TlsSession::Judge(int result) {
  if (result > 0) return State::kDone;
  const int system_error = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return State::kWantsRead;
    case SSL_ERROR_WANT_WRITE:
      return State::kWantsWrite;
    case SSL_ERROR_ZERO_RETURN:
      if (SSL_is_init_finished(ssl_) == 1) return State::kEnded;
      break;
    default:
      break;
  }
  error_ = has_ended_ && SSL_is_init_finished(ssl_) != 1 ? "it went during the handshake"
                                                         : WhyFailed(system_error);
  ERR_clear_error();
  return State::kFailed;
}

std::string TlsSession::WhyFailed(int system_error) const {
  // The first of those that led to the failure: the others say less and less.
  const unsigned long error = ERR_peek_error();
  if (error == 0) return system_error == 0 ? "it broke off" : std::strerror(system_error);
  if (ERR_SYSTEM_ERROR(error)) return std::strerror(ERR_GET_REASON(error));
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK)
    return std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict);
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "unknown" : reason;
}

}  // namespace dormouse
