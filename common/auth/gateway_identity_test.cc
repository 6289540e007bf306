#include "common/auth/gateway_identity.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(GatewayIdentityTest, IsAnotherForEachAndNamesItsGateway) {
  const std::string identity = NewGatewayIdentity();
  ASSERT_EQ(identity.size(), kGatewayIdentitySize);
  EXPECT_NE(identity, NewGatewayIdentity());
  const GatewayId id = GatewayIdOf(identity);
  EXPECT_EQ(id, GatewayIdOf(identity));
  EXPECT_EQ(ConnectionId({id, UuidLow(1)}).ToString()[14], '4');  // the version of a UUID
  std::string other = identity;
  other.back() = static_cast<char>(other.back() ^ 1);
  EXPECT_NE(id, GatewayIdOf(other));
}

TEST(GatewayIdentityTest, CannotBeReadOffTheGatewaysId) {
  // SHA-256 of 64 zeros begins 60 e0 5b d1 b1 95 af 2f.
  EXPECT_EQ(GatewayIdOf(std::string(kGatewayIdentitySize, '0')), UuidHigh(0x2faf'95b1'd15b'e060));
  const std::string identity = NewGatewayIdentity();
  const std::string seen = ConnectionId{GatewayIdOf(identity), 0}.ToString().substr(0, 8);
  EXPECT_EQ(identity.find(seen), std::string::npos);
}

}  // namespace
}  // namespace dormouse
