// Certificates for tests: an authority that certifies whom it is told to, in a directory of its own. Keys are
// EC P-256, all files PEM.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/temp_dir.h"

namespace dormouse {

struct CertificateFiles {
  std::string certificate;
  std::string key;
};

class TestAuthority {
 public:
  // Two of the same name are taken for each other until their signatures are looked at.
  explicit TestAuthority(const std::string& name = "Test authority");
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  // Its own certificate.
  std::string file() const { return directory_ / "ca.pem"; }

  // Certifies `name` for hosts as OpenSSL writes them ("DNS:localhost,IP:127.0.0.1"; empty: for none), until
  // so many seconds from now. The files are named after `name` and replace those of before.
  CertificateFiles Certify(const std::string& name, const std::string& hosts, int64_t seconds = 3600);

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

  // Signed by us; null issuer: by itself.
  Certificate Make(const std::string& name, const std::string& hosts, int64_t seconds, EVP_PKEY* key,
                   X509* issuer) const;

  TempDir directory_;
  const Key key_;
  const Certificate certificate_;
};

}  // namespace dormouse
