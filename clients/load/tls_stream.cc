#include "clients/load/tls_stream.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <stdexcept>

namespace dormouse::load {
namespace {

std::string LastError() {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof(text));
  return text;
}

}  // namespace

TlsContext::TlsContext(const std::string& ca_file, bool insecure)
    : context_(SSL_CTX_new(TLS_client_method())), insecure_(insecure) {
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
  // An idle connection keeps no buffers: there may be many.
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
  if (insecure) return;
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context_.get())
                         : SSL_CTX_load_verify_locations(context_.get(), ca_file.c_str(), nullptr);
  if (loaded != 1) throw std::runtime_error("cannot read certificates from " + ca_file + ": " + LastError());
}

TlsStream::TlsStream(const TlsContext& context, int fd, const std::string& host)
    : ssl_(SSL_new(context.get())) {
  SSL_set_fd(ssl_.get(), fd);
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) {
    if (!context.insecure()) X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    if (!context.insecure()) SSL_set1_host(ssl_.get(), host.c_str());
  }
}

TlsStream::Progress TlsStream::Handshake() {
  ERR_clear_error();
  const int done = SSL_connect(ssl_.get());
  if (done == 1) return Progress::kDone;
  const int why = SSL_get_error(ssl_.get(), done);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? Progress::kGoesOn : Progress::kFailed;
}

std::string TlsStream::trouble() const {
  const int64_t result = SSL_get_verify_result(ssl_.get());
  if (result != X509_V_OK) return X509_verify_cert_error_string(result);
  return ERR_peek_error() == 0 ? "the server broke off" : LastError();
}

ssize_t TlsStream::ResultOf(int done) {
  if (done > 0) return done;
  switch (SSL_get_error(ssl_.get(), done)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      if (errno == 0) return 0;
      return -1;
    default:
      errno = EPROTO;
      return -1;
  }
}

ssize_t TlsStream::Read(char* buffer, size_t size) {
  ERR_clear_error();
  return ResultOf(SSL_read(ssl_.get(), buffer, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

ssize_t TlsStream::Write(const char* bytes, size_t size) {
  ERR_clear_error();
  return ResultOf(SSL_write(ssl_.get(), bytes, static_cast<int>(std::min<size_t>(size, INT_MAX))));
}

}  // namespace dormouse::load
