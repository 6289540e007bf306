// Certificates and private keys in PEM (RFC 7468). Pure functions; any thread.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "common/auth/public_key.h"

namespace dormouse {

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using OwnedCertificate = std::unique_ptr<X509, FreeCertificate>;

// All that are in it, in their order; what else is in it is left out.
std::vector<OwnedCertificate> ReadCertificates(const std::string& pem);

// Not encrypted: nobody is there to be asked for a passphrase. nullptr: there is none.
OwnedKey ReadPrivateKey(const std::string& pem);

}  // namespace dormouse
