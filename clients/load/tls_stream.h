// The client's side of TLS over a non-blocking socket that somebody else owns.
#pragma once

#include <openssl/ssl.h>
#include <sys/types.h>

#include <memory>
#include <string>

namespace dormouse::load {

// Whom to believe. Immutable once it is made; any thread.
class TlsContext {
 public:
  // `ca_file`: the certificates that are trusted, PEM; empty: the system's. `insecure`: whoever answers is
  // believed. Throws std::runtime_error.
  TlsContext(const std::string& ca_file, bool insecure);

  SSL_CTX* get() const { return context_.get(); }
  bool insecure() const { return insecure_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
  bool insecure_;
};

// One thread. The process has to ignore SIGPIPE.
class TlsStream {
 public:
  // The server has to show a certificate for `host`, a name or an address.
  TlsStream(const TlsContext& context, int fd, const std::string& host);

  enum class Progress { kDone, kGoesOn, kFailed };
  // Goes on with the handshake. When it has failed, trouble() says why.
  Progress Handshake();
  std::string trouble() const;

  // As recv and send on a non-blocking socket: -1 with EAGAIN where there is nothing to be done now.
  ssize_t Read(char* buffer, size_t size);
  ssize_t Write(const char* bytes, size_t size);

 private:
  ssize_t ResultOf(int done);

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace dormouse::load
