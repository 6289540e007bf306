#include "common/rpc/link_credentials.h"

#include <utility>

#include "common/clock.h"

namespace dormouse {

LinkCredentials::Files LinkCredentials::FilesOf(const Options& options) {
  return {{"cluster-secret", options.cluster_secret},
          {{"link-certificate", options.link_certificate},
           {"link-key", options.link_key},
           {"link-ca", options.link_ca}}};
}

std::shared_ptr<const LinkCredentials> LinkCredentials::Read(Files files, LinkRole self, std::string* wrong) {
  const std::shared_ptr<LinkCredentials> read(new LinkCredentials(self));
  if (!files.secret.path.empty()) {
    read->secret_ = SharedSecret::Read(files.secret.option, files.secret.path, wrong);
    if (read->secret_ == nullptr) return nullptr;
  }
  if (!files.certificates.certificate.path.empty()) {
    read->certificates_ = LinkCertificates::Read(std::move(files.certificates), self, wrong);
    if (read->certificates_ == nullptr) return nullptr;
  }
  return read;
}

std::shared_ptr<grpc::ChannelCredentials> LinkCredentials::OfChannel() const {
  const std::lock_guard lock(mutex_);
  if (certificates_ == nullptr) {
    if (of_channel_ == nullptr) of_channel_ = grpc::InsecureChannelCredentials();
    return of_channel_;
  }
  auto pem = certificates_->Current();
  if (pem != pem_) {
    pem_ = std::move(pem);
    of_channel_ = grpc::SslCredentials({pem_->ca, pem_->key, pem_->certificate});
  }
  return of_channel_;
}

std::shared_ptr<const TlsContext> LinkCredentials::OfStreams(TlsContext::Role role,
                                                             std::string* wrong) const {
  const std::lock_guard lock(mutex_);
  Streams& streams = role == TlsContext::Role::kClient ? of_clients_ : of_servers_;
  auto pem = certificates_->Current();
  if (streams.context != nullptr && pem == streams.pem) return streams.context;
  TlsContext::Complaint complaint;
  auto context =
      TlsContext::New({.role = role, .verifies_peer = true, .protocol = "", .tickets = nullptr},
                      {.certificate = pem->certificate, .key = pem->key, .ca = pem->ca}, &complaint);
  if (context == nullptr) {
    *wrong = "the certificate for links cannot be used: it " + complaint.what;
    return nullptr;
  }
  streams = {std::move(pem), std::move(context)};
  return streams.context;
}

std::string LinkCredentials::NewAuthorization() const {
  if (certificates_ != nullptr || secret_ == nullptr) return "";
  return "Bearer " + secret_->NewToken(NameOf(self_), WallMs());
}

}  // namespace dormouse
