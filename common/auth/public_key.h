// Public keys that verify tokens: RSA of 2,048-8,192 bits for RS256, EC P-256 for ES256. Read from PEM
// (RFC 7468, "BEGIN PUBLIC KEY") or from a JSON Web Key Set (RFC 7517). Pure functions.
//
// Signatures are verified here and not by libjwt, which reads the PEM again for every token: that costs ten
// times what an RSA signature does.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/token_algorithm.h"

namespace dormouse {

struct PublicKey {
  std::string kid;                // empty: it has no name
  std::shared_ptr<EVP_PKEY> key;  // unchanging; any thread
};

// The keys of either form that fit the algorithm. Those of a key set that are for something else (use,
// key_ops, alg, kty) are left out without a word, those that cannot be used with a warning (RFC 7517, 5).
// Empty: `*wrong` says why, as the end of a sentence that begins with the name of the file.
std::vector<PublicKey> ReadPublicKeys(std::string_view text, TokenAlgorithm algorithm, std::string* wrong);

// Whether the key made a signature as tokens have it (RFC 7518, 3.3 and 3.4): its bytes, for these.
bool Verifies(EVP_PKEY* key, TokenAlgorithm algorithm, std::string_view text, std::string_view signature);

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using OwnedKey = std::unique_ptr<EVP_PKEY, FreeKey>;

// Empty where a key, public or private, may serve the algorithm; else why not, as such an end.
std::string WhyUnfit(const EVP_PKEY* key, TokenAlgorithm algorithm);

}  // namespace dormouse
