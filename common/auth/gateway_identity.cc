#include "common/auth/gateway_identity.h"

#include <cstring>

#include "common/auth/secrets.h"

namespace dormouse {

std::string NewGatewayIdentity() { return NewSecretHex(kGatewayIdentitySize / 2); }

GatewayId GatewayIdOf(std::string_view identity) {
  uint64_t bits = 0;
  std::memcpy(&bits, Sha256(identity).data(), sizeof(bits));
  return UuidHigh(bits);
}

}  // namespace dormouse
