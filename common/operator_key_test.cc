#include "common/operator_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/token_maker.h"

namespace dormouse {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'700'000'000'500;
const char kSecret[] = "2f4c0b1d9e8a7f6c5b4a39281706f5e4";

class OperatorKeyTest : public testing::Test {
 protected:
  OperatorKey Key(const std::string& secret = kSecret) const {
    std::string wrong;
    auto key = OperatorKey::Read("key", files_.Write("key", secret + "\n"), &wrong);
    EXPECT_TRUE(key.has_value()) << wrong;
    return *key;
  }
  static Claims Good() {
    return {{"iss", "\"dormouse-admin\""},
            {"aud", "\"dormouse-admin\""},
            {"iat", std::to_string(kNow / 1000)},
            {"exp", std::to_string(kNow / 1000 + 60)}};
  }
  std::string Why(const Claims& claims) const {
    return Key().WhyRefused(MakeToken(TestKey::Secret(kSecret), TokenAlgorithm::kHs256, claims), kNow);
  }
  KeyDirectory files_;
};

TEST_F(OperatorKeyTest, ItsTokensAreGoodForAMinute) {
  const std::string token = Key().NewToken(kNow);
  EXPECT_EQ(Key().WhyRefused(token, kNow), "");
  EXPECT_EQ(Key().WhyRefused(token, kNow + 58'000), "");
  EXPECT_EQ(Key().WhyRefused(token, kNow - 29'000), "");
  EXPECT_THAT(Key().WhyRefused(token, kNow + 60'000), HasSubstr("expired"));
  EXPECT_THAT(Key().WhyRefused(token, kNow - 40'000), HasSubstr("future"));
}

TEST_F(OperatorKeyTest, RefusesOtherTokens) {
  EXPECT_EQ(Why(Good()), "");
  const std::string other = Key("00000000000000000000000000000000").NewToken(kNow);
  EXPECT_THAT(Key().WhyRefused(other, kNow), HasSubstr("admin-key"));
  EXPECT_THAT(Key().WhyRefused(other, kNow), Not(HasSubstr(other.substr(0, 12))));
  EXPECT_NE(Key().WhyRefused("", kNow), "");
  for (const char* claim : {"iss", "aud"}) {
    Claims claims = Good();
    claims[claim] = "\"signal-hub\"";
    EXPECT_THAT(Why(claims), HasSubstr("operators"));
    claims.erase(claim);
    EXPECT_THAT(Why(claims), HasSubstr("operators"));
  }
  Claims claims = Good();
  claims["exp"] = std::to_string(kNow / 1000 + 3600);
  EXPECT_THAT(Why(claims), HasSubstr("longer than a minute"));
  claims.erase("exp");
  EXPECT_THAT(Why(claims), HasSubstr("exp"));
}

TEST_F(OperatorKeyTest, SaysWhatIsWrongWithAFile) {
  std::string wrong;
  EXPECT_FALSE(OperatorKey::Read("key", files_.Path("none"), &wrong).has_value());
  EXPECT_THAT(wrong, HasSubstr("--key: " + files_.Path("none") + " does not exist"));
  EXPECT_FALSE(OperatorKey::Read("key", files_.Write("short", "hush-hush"), &wrong).has_value());
  EXPECT_THAT(wrong, HasSubstr("32 bytes"));
  EXPECT_THAT(wrong, Not(HasSubstr("hush")));
}

}  // namespace
}  // namespace dormouse
