#include "common/auth/testing/token_maker.h"

#include <absl/strings/escaping.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

std::string TakeText(BIO* bio) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio, &text);
  std::string result(text, static_cast<size_t>(size));
  BIO_free(bio);
  return result;
}

std::string NumberBytes(const BIGNUM* number, size_t width) {
  std::string bytes(width, '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(width));
  return bytes;
}

std::string Parameter(const EVP_PKEY* key, const char* name, size_t width = 0) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  std::string bytes = NumberBytes(number, width != 0 ? width : static_cast<size_t>(BN_num_bytes(number)));
  BN_free(number);
  return Base64Url(bytes);
}

// RFC 7518, 3.4: the two numbers, each in 32 bytes.
std::string Flat(const std::string& der) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<int>(der.size()));
  std::string flat =
      NumberBytes(ECDSA_SIG_get0_r(signature), 32) + NumberBytes(ECDSA_SIG_get0_s(signature), 32);
  ECDSA_SIG_free(signature);
  return flat;
}

std::shared_ptr<EVP_PKEY> Shared(EVP_PKEY* key) {
  if (key == nullptr) throw std::runtime_error("OpenSSL made no key");
  return {key, EVP_PKEY_free};
}

}  // namespace

TestKey TestKey::Rsa(int bits) {
  TestKey key;
  key.key_ = Shared(EVP_RSA_gen(bits));
  return key;
}

TestKey TestKey::Ec(const char* curve) {
  TestKey key;
  key.key_ = Shared(EVP_EC_gen(curve));
  return key;
}

TestKey TestKey::Secret(std::string secret) {
  TestKey key;
  key.secret_ = std::move(secret);
  return key;
}

TestKey TestKey::NewFor(TokenAlgorithm algorithm) {
  if (algorithm == TokenAlgorithm::kHs256) return Secret("8c1f0e7d6b5a49382716f5e4d3c2b1a0");
  return algorithm == TokenAlgorithm::kRs256 ? Rsa() : Ec();
}

std::string TestKey::Sign(std::string_view text) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::string signature(EVP_MAX_MD_SIZE, '\0');
  if (key_ == nullptr) {
    unsigned size = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), bytes, text.size(),
         reinterpret_cast<unsigned char*>(signature.data()), &size);
    signature.resize(size);
    return signature;
  }
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
  size_t size = static_cast<size_t>(EVP_PKEY_get_size(key_.get()));
  signature.resize(size);
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes,
                 text.size());
  signature.resize(size);
  return EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_EC ? Flat(signature) : signature;
}

std::string TestKey::PublicPem() const {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(out, key_.get());
  return TakeText(out);
}

std::string TestKey::PrivatePem(const std::string& passphrase) const {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key_.get(), passphrase.empty() ? nullptr : EVP_aes_128_cbc(),
                           reinterpret_cast<const unsigned char*>(passphrase.data()),
                           static_cast<int>(passphrase.size()), nullptr, nullptr);
  return TakeText(out);
}

std::string TestKey::Jwk(std::string_view kid, std::string_view more) const {
  std::string jwk = "{";
  if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA) {
    jwk += R"("kty":"RSA","n":")" + Parameter(key_.get(), OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
           Parameter(key_.get(), OSSL_PKEY_PARAM_RSA_E) + "\"";
  } else {
    jwk += R"("kty":"EC","crv":"P-256","x":")" + Parameter(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32) +
           R"(","y":")" + Parameter(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32) + "\"";
  }
  if (!kid.empty()) jwk.append(R"(,"kid":")").append(kid).append("\"");
  if (!more.empty()) jwk.append(",").append(more);
  return jwk + "}";
}

std::string Base64Url(std::string_view bytes) {
  return absl::WebSafeBase64Escape({bytes.data(), bytes.size()});
}

Claims GoodClaims(int64_t now_ms, const std::string& actor) {
  return {{"iss", "\"signal-hub\""},
          {"sub", "\"user-1\""},
          {"actorId", "\"" + actor + "\""},
          {"iat", std::to_string(now_ms / 1000)},
          {"exp", std::to_string(now_ms / 1000 + 3600)}};
}

std::string ToJson(const Claims& claims) {
  std::string json;
  for (const auto& [name, value] : claims) {
    json.append(json.empty() ? "{\"" : ",\"").append(name).append("\":").append(value);
  }
  return json + "}";
}

std::string MakeToken(const TestKey& key, TokenAlgorithm algorithm, const Claims& claims,
                      const std::string& header) {
  return MakeRawToken(key, R"({"alg":")" + std::string(NameOf(algorithm)) + R"(","typ":"JWT")" + header + "}",
                      ToJson(claims));
}

std::string MakeRawToken(const TestKey& key, std::string_view header, std::string_view payload) {
  const std::string text = Base64Url(header) + "." + Base64Url(payload);
  return text + "." + Base64Url(key.Sign(text));
}

std::string KeyDirectory::Write(const std::string& name, std::string_view text) const {
  const std::string beside = Path(name + ".new");
  std::ofstream(beside, std::ios::binary) << text;
  std::filesystem::permissions(beside,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::rename(beside, Path(name));
  return Path(name);
}

}  // namespace dormouse
