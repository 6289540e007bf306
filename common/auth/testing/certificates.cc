#include "common/auth/testing/certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <stdexcept>

namespace dormouse {
namespace {

using File = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

void Check(bool ok) {
  if (!ok) throw std::runtime_error("cannot make a certificate");
}

File Open(const std::string& path) {
  File file(std::fopen(path.c_str(), "w"), std::fclose);
  Check(file != nullptr);
  return file;
}

void Add(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Check(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(Make(name, "", 3600, key_.get(), nullptr)) {
  Check(PEM_write_X509(Open(file()).get(), certificate_.get()) == 1);
}

TestAuthority::~TestAuthority() = default;

CertificateFiles TestAuthority::Certify(const std::string& name, const std::string& hosts, int64_t seconds) {
  CertificateFiles files = {directory_ / (name + ".pem"), directory_ / (name + ".key")};
  const Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Certificate certificate = Make(name, hosts, seconds, key.get(), certificate_.get());
  Check(PEM_write_X509(Open(files.certificate).get(), certificate.get()) == 1);
  Check(PEM_write_PrivateKey(Open(files.key).get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return files;
}

TestAuthority::Certificate TestAuthority::Make(const std::string& name, const std::string& hosts,
                                               int64_t seconds, EVP_PKEY* key, X509* issuer) const {
  Certificate certificate(X509_new(), X509_free);
  X509* made = certificate.get();
  X509_set_version(made, 2);
  uint32_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial);
  X509_gmtime_adj(X509_getm_notBefore(made), -7200);
  X509_gmtime_adj(X509_getm_notAfter(made), seconds);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer == nullptr ? made : issuer));
  X509_set_pubkey(made, key);
  Add(made, issuer == nullptr ? made : issuer, NID_basic_constraints,
      issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!hosts.empty()) Add(made, issuer, NID_subject_alt_name, hosts);
  Check(X509_sign(made, key_.get(), EVP_sha256()) > 0);
  return certificate;
}

}  // namespace dormouse
