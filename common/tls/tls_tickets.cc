#include "common/tls/tls_tickets.h"

#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

#include "common/auth/secrets.h"

namespace dormouse {
namespace {

constexpr size_t kKeySize = 32;

std::string NewSecret() {
  std::string secret(kKeySize, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), kKeySize) != 1)
    throw std::runtime_error("there is no randomness");
  return secret;
}

TlsTickets::Key KeyOf(const std::string& secret, int64_t period) {
  const std::string when = std::to_string(period);
  return {.name = MacOf(secret, "name of tickets " + when).substr(0, TlsTickets::kNameSize),
          .cipher = MacOf(secret, "cipher of tickets " + when),
          .mac = MacOf(secret, "mac of tickets " + when)};
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
