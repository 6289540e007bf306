// What the TLS sessions of one end have in common: its certificate, whom it believes, and the rules. TLS 1.2 and 1.3
// with forward secrecy and authenticated ciphers alone; no renegotiation, no early data, no compression (RFC 9325).
//
// Immutable; new certificates make a new one (tls_files.h), and sessions that have begun stay with theirs. Any thread.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/tls/tls_tickets.h"

namespace dormouse {

class TlsContext {
 public:
  enum class Role { kServer, kClient };
  struct Settings {
    Role role = Role::kServer;
    // The other end has to show a certificate of one of `ca`'s authorities.
    bool verifies_peer = false;
    // What is spoken above (ALPN, RFC 7301), such as "http/1.1". A client offers it; a server refuses clients that offer
    // others alone, and takes those that offer none. Empty: nothing is said about it.
    std::string protocol = {};
    // Of a server. nullptr: each session begins with a whole handshake. So it is with `verifies_peer`, whatever this is:
    // a certificate that has been withdrawn or has expired is not to live on in a ticket.
    std::shared_ptr<const TlsTickets> tickets = nullptr;
  };
  struct Pem {
    std::string certificate;  // with those between it and the authority, if there are any, behind it
    std::string key;          // a client may have neither
    std::string ca;           // empty: this host's, where they are needed
  };
  // What is wrong with which of them, as the end of a sentence that begins with its name.
  struct Complaint {
    enum class Of { kCertificate, kKey, kCa };
    Of of = Of::kCertificate;
    std::string what;
  };

  // nullptr: `*complaint` says why. A certificate that is not valid now is refused.
  static std::shared_ptr<const TlsContext> New(const Settings& settings, const Pem& pem,
                                               Complaint* complaint);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* get() const { return context_; }
  Role role() const { return settings_.role; }
  // When its own certificate expires, in ms since 1970; 0: it has none.
  int64_t expires_ms() const { return expires_ms_; }

 private:
  explicit TlsContext(Settings settings);
  void SetRules();
  bool UseCertificate(const Pem& pem, Complaint* complaint);
  bool UseAuthorities(const Pem& pem, Complaint* complaint);

  const Settings settings_;
  SSL_CTX* const context_;
  int64_t expires_ms_ = 0;
};

}  // namespace dormouse
