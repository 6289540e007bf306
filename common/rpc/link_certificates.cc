#include "common/rpc/link_certificates.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/key_file.h"
#include "common/auth/pem.h"
#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

using Store = std::unique_ptr<X509_STORE, decltype(&X509_STORE_free)>;
using Verification = std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)>;
using Chain = std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)>;

bool Carries(X509* certificate, LinkRole role) {
  const std::string_view name = NameOf(role);
  return X509_check_host(certificate, name.data(), name.size(),
                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS, nullptr) == 1;
}

// What OpenSSL has against the first certificate, when it is to come from one of `authorities`. Empty:
// nothing.
std::string WhyUntrusted(const std::vector<OwnedCertificate>& certificates,
                         const std::vector<OwnedCertificate>& authorities) {
  const Store store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN);
  for (const OwnedCertificate& authority : authorities) X509_STORE_add_cert(store.get(), authority.get());
  const Chain chain(sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (const OwnedCertificate& certificate : certificates) sk_X509_push(chain.get(), certificate.get());
  const Verification verification(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(verification.get(), store.get(), certificates[0].get(), chain.get());
  const bool trusted = X509_verify_cert(verification.get()) == 1;
  ERR_clear_error();
  return trusted ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(verification.get()));
}

// Empty: the three will do.
std::string WhyUnfit(const LinkCertificates::Files& files, const LinkCertificates::Pem& pem, LinkRole self) {
  const auto sentence = [](const LinkCertificates::File& file, const std::string& end) {
    return KeyFileSentence(file.option, file.path, end);
  };
  const std::vector<OwnedCertificate> certificates = ReadCertificates(pem.certificate);
  const std::vector<OwnedCertificate> authorities = ReadCertificates(pem.ca);
  if (certificates.empty()) return sentence(files.certificate, "holds no certificate in PEM");
  if (authorities.empty()) return sentence(files.ca, "holds no certificate in PEM");
  const OwnedKey key = ReadPrivateKey(pem.key);
  if (key == nullptr) return sentence(files.key, "holds no private key in PEM without a passphrase");
  X509* const own = certificates[0].get();
  const bool fits = X509_check_private_key(own, key.get()) == 1;
  ERR_clear_error();
  if (!fits) return sentence(files.key, "does not belong to the certificate in " + files.certificate.path);
  if (!Carries(own, self) && !Carries(own, LinkRole::kStatekeeper)) {
    return sentence(files.certificate,
                    fmt::format("lacks the name {} among its subject alternative names", NameOf(self)));
  }
  const bool serves = self == LinkRole::kStatekeeper;
  if (X509_check_purpose(own, X509_PURPOSE_SSL_CLIENT, 0) != 1 ||
      (serves && X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1)) {
    return sentence(files.certificate, fmt::format("is not for {}: its key usage says otherwise",
                                                   serves ? "servers and clients" : "clients"));
  }
  if (const std::string why = WhyUntrusted(certificates, authorities); !why.empty()) {
    return sentence(files.certificate,
                    "is not trusted with the authorities in " + files.ca.path + ": " + why);
  }
  return "";
}

std::shared_ptr<const LinkCertificates::Pem> ReadAll(const LinkCertificates::Files& files, LinkRole self,
                                                     std::string* wrong) {
  const auto certificate = ReadKeyFile(files.certificate.option, files.certificate.path, wrong);
  if (!certificate.has_value()) return nullptr;
  const auto key = ReadSecretFile(files.key.option, files.key.path, wrong);
  if (!key.has_value()) return nullptr;
  const auto ca = ReadKeyFile(files.ca.option, files.ca.path, wrong);
  if (!ca.has_value()) return nullptr;
  auto pem = std::make_shared<const LinkCertificates::Pem>(LinkCertificates::Pem{*certificate, *key, *ca});
  *wrong = WhyUnfit(files, *pem, self);
  return wrong->empty() ? pem : nullptr;
}

}  // namespace

LinkCertificates::LinkCertificates(Files files, LinkRole self, Watches watches,
                                   std::shared_ptr<const Pem> pem)
    : files_(std::move(files)),
      self_(self),
      watches_(std::move(watches)),
      looked_ms_(SteadyMs()),
      pem_(std::move(pem)) {}

std::unique_ptr<const LinkCertificates> LinkCertificates::Read(Files files, LinkRole self,
                                                               std::string* wrong) {
  // Before they are read, so that what changes meanwhile is seen.
  Watches watches{FileWatch(files.certificate.path), FileWatch(files.key.path), FileWatch(files.ca.path)};
  auto pem = ReadAll(files, self, wrong);
  if (pem == nullptr) return nullptr;
  return std::unique_ptr<const LinkCertificates>(
      new LinkCertificates(std::move(files), self, std::move(watches), std::move(pem)));
}

std::shared_ptr<const LinkCertificates::Pem> LinkCertificates::Current() const {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = SteadyMs();
  if (now_ms < looked_ms_ + kFileLookIntervalMs) return pem_;
  looked_ms_ = now_ms;
  bool changed = false;
  for (FileWatch& watch : watches_) changed |= watch.Changed();
  if (!changed && unfit_.empty()) return pem_;
  std::string wrong;
  if (auto pem = ReadAll(files_, self_, &wrong)) {
    pem_ = std::move(pem);
    SPDLOG_INFO("the certificate for links was read again from {}", files_.certificate.path);
  } else if (wrong != unfit_) {
    SPDLOG_WARN("{}; what was read before stays in force", wrong);
  }
  unfit_ = std::move(wrong);
  return pem_;
}

}  // namespace dormouse
