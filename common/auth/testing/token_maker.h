// For tests: keys, and tokens of every kind, good and bad. Built on OpenSSL alone, so that what it makes does
// not depend on what is tested.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/auth/public_key.h"
#include "common/auth/token_algorithm.h"
#include "common/temp_dir.h"

namespace dormouse {

// A key that can sign.
class TestKey {
 public:
  // New ones; RSA takes a moment.
  static TestKey Rsa(int bits = 2048);
  static TestKey Ec(const char* curve = "P-256");
  static TestKey Secret(std::string secret);
  static TestKey NewFor(TokenAlgorithm algorithm);

  // The signature's bytes as a token has them.
  std::string Sign(std::string_view text) const;

  const std::string& secret() const { return secret_; }
  std::string PublicPem() const;
  std::string PrivatePem(const std::string& passphrase = "") const;
  // {"kty":...}; `more`: further members, such as R"("use":"sig")".
  std::string Jwk(std::string_view kid, std::string_view more = "") const;

 private:
  std::string secret_;
  std::shared_ptr<EVP_PKEY> key_;
};

std::string Base64Url(std::string_view bytes);

// Claims as JSON by name; changed and erased at will.
using Claims = std::map<std::string, std::string>;
// All that is required, issued now and good for an hour.
Claims GoodClaims(int64_t now_ms, const std::string& actor = "browser/alice");
std::string ToJson(const Claims& claims);

// In compact form. `header`: members behind alg.
std::string MakeToken(const TestKey& key, TokenAlgorithm algorithm, const Claims& claims,
                      const std::string& header = "");
// The same of any two texts.
std::string MakeRawToken(const TestKey& key, std::string_view header, std::string_view payload);

// A directory of key files, which nobody else can read.
class KeyDirectory {
 public:
  std::string Path(const std::string& name) const { return directory_ / name; }
  // Puts a whole file in the place of what was there. Returns its path.
  std::string Write(const std::string& name, std::string_view text) const;

 private:
  TempDir directory_;
};

}  // namespace dormouse
