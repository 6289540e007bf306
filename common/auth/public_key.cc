#include "common/auth/public_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "common/json/strict_json.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 8192;
// A token that names no key is tried with each.
constexpr size_t kMaxKeys = 32;
constexpr size_t kP256Bytes = 32;

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeOpenSsl>;

OwnedKey FromParameters(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return OwnedKey(key);
}

Owned<BIGNUM> NumberOf(std::string_view bytes) {
  return Owned<BIGNUM>(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                 static_cast<int>(bytes.size()), nullptr));
}

// A member that is base64url (RFC 7518, 2).
std::optional<std::string> BytesOf(const rapidjson::Value& key, std::string_view name) {
  const auto text = FindString(key, name);
  return text.has_value() ? DecodeBase64Url(*text) : std::nullopt;
}

// RFC 7518, 6.3.1
OwnedKey RsaOf(const rapidjson::Value& jwk) {
  const auto modulus = BytesOf(jwk, "n");
  const auto exponent = BytesOf(jwk, "e");
  if (!modulus.has_value() || !exponent.has_value() || modulus->size() > kMaxRsaBits / 8 ||
      exponent->size() > 8) {
    return nullptr;
  }
  const Owned<BIGNUM> n = NumberOf(*modulus);
  const Owned<BIGNUM> e = NumberOf(*exponent);
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return FromParameters("RSA", builder.get());
}

// RFC 7518, 6.2.1. OpenSSL refuses a point that is not on the curve.
OwnedKey EcOf(const rapidjson::Value& jwk) {
  const auto x = BytesOf(jwk, "x");
  const auto y = BytesOf(jwk, "y");
  if (!x.has_value() || !y.has_value() || x->size() != kP256Bytes || y->size() != kP256Bytes) return nullptr;
  const std::string point = "\x04" + *x + *y;
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return FromParameters("EC", builder.get());
}

// Whether a key of a set is meant for this; RFC 7517, 4.
bool IsFor(const rapidjson::Value& jwk, TokenAlgorithm algorithm) {
  const bool rsa = algorithm == TokenAlgorithm::kRs256;
  if (FindString(jwk, "kty") != (rsa ? "RSA" : "EC")) return false;
  if (!rsa && FindString(jwk, "crv") != "P-256") return false;
  if (FindMember(jwk, "use") != nullptr && FindString(jwk, "use") != "sig") return false;
  if (FindMember(jwk, "alg") != nullptr && FindString(jwk, "alg") != NameOf(algorithm)) return false;
  const rapidjson::Value* uses = FindMember(jwk, "key_ops");
  return uses == nullptr ||
         (uses->IsArray() && std::ranges::any_of(uses->GetArray(), [](const rapidjson::Value& use) {
            return use.IsString() && TextOf(use) == "verify";
          }));
}

std::vector<PublicKey> ReadKeySet(std::string_view text, TokenAlgorithm algorithm, std::string* wrong) {
  const auto set = ParseStrictObject(text);
  const rapidjson::Value* keys = set != nullptr ? FindMember(*set, "keys") : nullptr;
  if (keys == nullptr || !keys->IsArray()) {
    *wrong = "is no JSON Web Key Set: an object with an array \"keys\"";
    return {};
  }
  std::vector<PublicKey> found;
  for (rapidjson::SizeType i = 0; i < keys->Size(); ++i) {
    const rapidjson::Value& jwk = (*keys)[i];
    if (!jwk.IsObject() || !IsFor(jwk, algorithm)) continue;
    OwnedKey key = algorithm == TokenAlgorithm::kRs256 ? RsaOf(jwk) : EcOf(jwk);
    const std::string unfit = key == nullptr ? "is incomplete or malformed" : WhyUnfit(key.get(), algorithm);
    if (!unfit.empty()) {
      SPDLOG_WARN("auth-key: key number {} of the key set is left out: it {}", i + 1, unfit);
      continue;
    }
    found.push_back({std::string(FindString(jwk, "kid").value_or("")), std::move(key)});
  }
  if (found.empty()) *wrong = "has no key that verifies " + std::string(NameOf(algorithm)) + " signatures";
  return found;
}

std::vector<PublicKey> ReadPem(std::string_view text, TokenAlgorithm algorithm, std::string* wrong) {
  const Owned<BIO> in(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::vector<PublicKey> found;
  while (OwnedKey key{PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr)}) {
    if (*wrong = WhyUnfit(key.get(), algorithm); !wrong->empty()) return {};
    found.push_back({"", std::move(key)});
  }
  if (found.empty())
    *wrong = "holds no public key in PEM (\"-----BEGIN PUBLIC KEY-----\") and no JSON Web Key Set";
  return found;
}

// The two numbers of an ES256 signature as OpenSSL wants them; empty: they are none.
std::string ToDer(std::string_view signature) {
  if (signature.size() != 2 * kP256Bytes) return "";
  const Owned<ECDSA_SIG> numbers(ECDSA_SIG_new());
  ECDSA_SIG_set0(numbers.get(), NumberOf(signature.substr(0, kP256Bytes)).release(),
                 NumberOf(signature.substr(kP256Bytes)).release());
  std::string der(static_cast<size_t>(std::max(i2d_ECDSA_SIG(numbers.get(), nullptr), 0)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(numbers.get(), &out);
  return der;
}

}  // namespace

bool Verifies(EVP_PKEY* key, TokenAlgorithm algorithm, std::string_view text, std::string_view signature) {
  const std::string der = algorithm == TokenAlgorithm::kEs256 ? ToDer(signature) : "";
  if (algorithm == TokenAlgorithm::kEs256) signature = der;
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool good = !signature.empty() &&
                    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                    EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                                     signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size()) == 1;
  ERR_clear_error();
  return good;
}

std::string WhyUnfit(const EVP_PKEY* key, TokenAlgorithm algorithm) {
  if (algorithm == TokenAlgorithm::kRs256) {
    const int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= kMinRsaBits && bits <= kMaxRsaBits) return "";
    return "is no RSA key of 2,048 to 8,192 bits, which RS256 needs";
  }
  char curve[64] = "";
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve), nullptr) == 1 &&
      std::string_view(curve) == SN_X9_62_prime256v1) {
    return "";
  }
  return "is no EC key on the curve P-256, which ES256 needs";
}

std::vector<PublicKey> ReadPublicKeys(std::string_view text, TokenAlgorithm algorithm, std::string* wrong) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != text.npos && text[first] == '{';
  std::vector<PublicKey> keys = json ? ReadKeySet(text, algorithm, wrong) : ReadPem(text, algorithm, wrong);
  ERR_clear_error();
  if (keys.size() > kMaxKeys) {
    *wrong = "holds more than " + std::to_string(kMaxKeys) + " keys";
    return {};
  }
  return keys;
}

}  // namespace dormouse
