#include "common/auth/pem.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace dormouse {
namespace {

using PemReader = std::unique_ptr<BIO, decltype(&BIO_free)>;

PemReader OpenPem(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

}  // namespace

std::vector<OwnedCertificate> ReadCertificates(const std::string& pem) {
  const PemReader in = OpenPem(pem);
  std::vector<OwnedCertificate> certificates;
  while (X509* certificate = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  ERR_clear_error();  // of the end
  return certificates;
}

OwnedKey ReadPrivateKey(const std::string& pem) {
  const PemReader in = OpenPem(pem);
  OwnedKey key(PEM_read_bio_PrivateKey(
      in.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  ERR_clear_error();
  return key;
}

}  // namespace dormouse
