#include "common/auth/secrets.h"

#include <gtest/gtest.h>

#include "common/ids.h"

namespace dormouse {
namespace {

TEST(SecretsTest, Sha256OfTheStandardsExample) {
  const std::string digest = Sha256("abc");
  ASSERT_EQ(digest.size(), 32u);
  EXPECT_EQ(digest.substr(0, 4), "\xba\x78\x16\xbf");
  EXPECT_EQ(digest.substr(28), std::string("\xf2\x00\x15\xad", 4));
}

TEST(SecretsTest, SameSecretComparesAll) {
  const std::string secret = NewSecretHex(16);
  EXPECT_TRUE(SameSecret(secret, std::string(secret)));
  EXPECT_TRUE(SameSecret("", ""));
  EXPECT_FALSE(SameSecret(secret, secret + "0"));
  EXPECT_FALSE(SameSecret(secret, ""));
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string other = secret;
    other[i] ^= 1;
    EXPECT_FALSE(SameSecret(secret, other)) << i;
  }
}

}  // namespace
}  // namespace dormouse
