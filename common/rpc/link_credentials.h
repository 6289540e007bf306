// By what a process or an operator shows over TCP that it belongs to a cluster: a certificate (mutual TLS, so
// that links are encrypted, too), else tokens of a secret, made anew for each call and stream. Whoever has
// neither talks to unix sockets alone.
//
// One object for a process, made in main. Files are read again when they change. Any thread.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <mutex>
#include <string>

#include "common/auth/shared_secret.h"
#include "common/config/options.h"
#include "common/rpc/link_certificates.h"
#include "common/rpc/link_role.h"
#include "common/tls/tls_context.h"

namespace dormouse {

// How a process without credentials is helped to some; for sentences.
inline constexpr char kHowToTrust[] =
    "Make a secret (openssl rand -hex 32 > FILE; chmod 600 FILE) and give it to all processes with "
    "--cluster-secret FILE, or give them certificates with --link-certificate, --link-key and --link-ca";

class LinkCredentials {
 public:
  // Paths may be empty: of the secret's, or of all three of the certificate's.
  struct Files {
    LinkCertificates::File secret;
    LinkCertificates::Files certificates;
  };
  static Files FilesOf(const Options& options);

  // `self`: as whom. nullptr: a file that is named cannot be used; `*wrong` is a sentence.
  static std::shared_ptr<const LinkCredentials> Read(Files files, LinkRole self, std::string* wrong);

  // Whether there are any.
  bool any() const { return certificates_ != nullptr || secret_ != nullptr; }

  // For calls to HOST:PORT. The other end must be a statekeeper, where that is by certificates.
  std::shared_ptr<grpc::ChannelCredentials> OfChannel() const;
  // What one such call carries as `authorization`; empty: nothing.
  std::string NewAuthorization() const;

  // For the TLS of streams of our own, where there are certificates. nullptr: the certificate is not valid now; `*wrong` is
  // a sentence.
  std::shared_ptr<const TlsContext> OfStreams(TlsContext::Role role, std::string* wrong) const;

  // For the other end. nullptr: there is none.
  const LinkCertificates* certificates() const { return certificates_.get(); }
  const SharedSecret* secret() const { return secret_.get(); }

 private:
  explicit LinkCredentials(LinkRole self) : self_(self) {}

  const LinkRole self_;
  std::unique_ptr<const LinkCertificates> certificates_;
  std::unique_ptr<const SharedSecret> secret_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::shared_ptr<const LinkCertificates::Pem> pem_;
  mutable std::shared_ptr<grpc::ChannelCredentials> of_channel_;  // of pem_: channels share connections by it
  struct Streams {
    std::shared_ptr<const LinkCertificates::Pem> pem;
    std::shared_ptr<const TlsContext> context;  // of pem
  };
  mutable Streams of_clients_;
  mutable Streams of_servers_;
};

}  // namespace dormouse
