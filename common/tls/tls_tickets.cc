#include "common/tls/tls_tickets.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

namespace dormouse {
namespace {

constexpr size_t kKeySize = 32;

std::string NewSecret() {
  std::string secret(kKeySize, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), kKeySize) != 1)
    throw std::runtime_error("there is no randomness");
  return secret;
}

std::string Derive(const std::string& secret, const std::string& purpose) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(), out, &size);
  return {reinterpret_cast<const char*>(out), size};
}

TlsTickets::Key KeyOf(const std::string& secret, int64_t period) {
  const std::string when = std::to_string(period);
  return {.name = Derive(secret, "name of tickets " + when).substr(0, TlsTickets::kNameSize),
          .cipher = Derive(secret, "cipher of tickets " + when),
          .mac = Derive(secret, "mac of tickets " + when)};
}

}  // namespace

TlsTickets::TlsTickets(Secret shared) : shared_(std::move(shared)), own_(NewSecret()) {}

std::string TlsTickets::SharedSecret() const {
  std::string secret = shared_ == nullptr ? "" : shared_();
  return secret.size() < kKeySize ? own_ : secret;
}

TlsTickets::Key TlsTickets::New(bool in_common, int64_t wall_ms) const {
  return KeyOf(in_common ? SharedSecret() : own_, wall_ms / kPeriodMs);
}

std::optional<TlsTickets::Key> TlsTickets::Find(std::string_view name, int64_t wall_ms) const {
  for (const std::string& secret : {SharedSecret(), own_}) {
    // The next, too: the clocks of two hosts differ by a little.
    for (const int64_t age : {0, 1, -1}) {
      Key key = KeyOf(secret, wall_ms / kPeriodMs - age);
      if (key.name != name) continue;
      key.is_old = age == 1;
      return key;
    }
  }
  return std::nullopt;
}

}  // namespace dormouse
