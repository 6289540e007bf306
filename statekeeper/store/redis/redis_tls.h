// TLS on a connection to Redis: who the server is (its certificate is of a trusted authority and for the host
// that the URL, a sentinel or the cluster named) and who we are, where the server asks. At least TLS 1.2.
//
// On a socket that does not block. One thread.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "statekeeper/store/redis_files.h"

namespace dormouse {

// Why there is no connection.
struct RedisTrouble {
  std::string text;      // part of a sentence, which says what to do where something can be done
  bool refused = false;  // trying again will not help
};

class RedisTls {
 public:
  // Reads the files. Null: `*trouble` says what is wrong with them.
  static std::unique_ptr<RedisTls> New(const RedisFiles& files, const std::string& host,
                                       RedisTrouble* trouble);

  enum class Result { kDone, kLater, kEnded };

  // First of all, once. The socket stays the caller's, and outlives the object.
  void Attach(int socket);
  // Until it is done nothing else may be called. kLater: when the socket is readable or, if wants_write(),
  // writable.
  Result Handshake();
  // How many bytes; none: later, as above. Nothing: the connection has ended.
  std::optional<size_t> Read(char* buffer, size_t size);
  std::optional<size_t> Write(std::string_view bytes);

  bool wants_write() const { return SSL_want_write(ssl_.get()); }
  // There is more than was read, of which the socket does not tell.
  bool HasUnread() const { return SSL_has_pending(ssl_.get()) == 1; }
  // Why it ended.
  const RedisTrouble& trouble() const { return trouble_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  RedisTls(SSL* ssl, RedisFiles files, std::string host)
      : ssl_(ssl), files_(std::move(files)), host_(std::move(host)) {}

  // kEnded: and `trouble_` is set.
  Result Judge(int result);
  RedisTrouble WhyUntrusted(long verdict) const;
  RedisTrouble WhyEnded(unsigned long error) const;

  const std::unique_ptr<SSL, Free> ssl_;
  const RedisFiles files_;
  const std::string host_;
  RedisTrouble trouble_;
};

}  // namespace dormouse
