#include "proto/testing/test_trust.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

std::shared_ptr<EVP_PKEY> NewKey() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void Extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  if (extension == nullptr) throw std::runtime_error("OpenSSL takes no " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Good for an hour, with a random number, which is in the subject's name, too: authorities are known by that.
// Not signed.
std::shared_ptr<X509> NewCertificate(const std::string& kind, EVP_PKEY* key) {
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  uint32_t number = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof(number));
  const std::string subject = kind + " " + std::to_string(number);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), static_cast<long>(number >> 1));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

template <typename Write>
std::string ToPem(const Write& write) {
  BIO* out = BIO_new(BIO_s_mem());
  write(out);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(out);
  return pem;
}

std::string ToPem(X509* certificate) {
  return ToPem([certificate](BIO* out) { PEM_write_bio_X509(out, certificate); });
}

}  // namespace

std::shared_ptr<const LinkCredentials> TestTrust::Of(LinkRole role) const {
  std::string wrong;
  auto credentials = LinkCredentials::Read(FilesOf(role), role, &wrong);
  if (credentials == nullptr) throw std::runtime_error(wrong);
  return credentials;
}

std::shared_ptr<const LinkGate> TestTrust::NewGate(prometheus::Registry* registry,
                                                   const std::string& admin_key) const {
  std::string wrong;
  std::shared_ptr<const SharedSecret> key;
  if (!admin_key.empty()) {
    key = SharedSecret::Read("admin-key", admin_key, &wrong);
    if (key == nullptr) throw std::runtime_error(wrong);
  }
  return std::make_shared<const LinkGate>(Of(LinkRole::kStatekeeper), std::move(key), registry);
}

LinkCredentials::Files TestSecret::FilesOf(LinkRole) const {
  return {{"cluster-secret", files().Path("secret")}, {}};
}

TestAuthority::TestAuthority() : key_(NewKey()), certificate_(NewCertificate("test authority", key_.get())) {
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  Extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate_.get(), key_.get(), EVP_sha256());
}

TestAuthority::Signed TestAuthority::Sign(const std::vector<std::string>& names) const {
  const auto key = NewKey();
  const auto certificate = NewCertificate("test process", key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  std::string alternatives;
  for (const std::string& name : names) alternatives += (alternatives.empty() ? "DNS:" : ",DNS:") + name;
  if (!names.empty()) Extend(certificate.get(), NID_subject_alt_name, alternatives);
  X509_sign(certificate.get(), key_.get(), EVP_sha256());
  return {ToPem(certificate.get()), ToPem([&key](BIO* out) {
            PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

std::string TestAuthority::pem() const { return ToPem(certificate_.get()); }

void TestCertificates::Renew(LinkRole role, const std::vector<std::string>& names) const {
  const std::string name(NameOf(role));
  const TestAuthority::Signed made = authority_.Sign(names.empty() ? std::vector{name} : names);
  files().Write(name + ".key", made.key);
  files().Write(name + ".pem", made.certificate);
}

LinkCredentials::Files TestCertificates::FilesOf(LinkRole role) const {
  const std::string name(NameOf(role));
  return {{},
          {{"link-certificate", files().Path(name + ".pem")},
           {"link-key", files().Path(name + ".key")},
           {"link-ca", files().Path("ca.pem")}}};
}

}  // namespace dormouse
