#include "common/auth/shared_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "common/auth/testing/token_maker.h"

namespace dormouse {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kNow = 1'700'000'000'500;
const char kSecret[] = "2f4c0b1d9e8a7f6c5b4a39281706f5e4";

const char kRole[] = "dormouse-operator";

class SharedSecretTest : public testing::Test {
 protected:
  std::unique_ptr<const SharedSecret> Read(const std::string& secret = kSecret) const {
    std::string wrong;
    auto read = SharedSecret::Read("key", files_.Write("key", secret + "\n"), &wrong);
    EXPECT_NE(read, nullptr) << wrong;
    return read;
  }
  static Claims Good() {
    return {{"iss", "\"dormouse-operator\""},
            {"aud", "\"dormouse-operator\""},
            {"iat", std::to_string(kNow / 1000)},
            {"exp", std::to_string(kNow / 1000 + 60)}};
  }
  // Empty: it is good, and says so as whom.
  static std::string Why(const SharedSecret& secret, const std::string& token, int64_t now_ms = kNow) {
    std::string why;
    const auto role = secret.RoleOf(token, now_ms, &why);
    EXPECT_EQ(role.has_value(), why.empty());
    EXPECT_EQ(role.value_or(kRole), kRole);
    return why;
  }
  std::string Why(const Claims& claims) const {
    return Why(*Read(), MakeToken(TestKey::Secret(kSecret), TokenAlgorithm::kHs256, claims));
  }
  KeyDirectory files_;
};

TEST_F(SharedSecretTest, ItsTokensAreGoodForAMinute) {
  const auto secret = Read();
  const std::string token = secret->NewToken(kRole, kNow);
  EXPECT_EQ(Why(*secret, token, kNow), "");
  EXPECT_EQ(Why(*secret, token, kNow + 58'000), "");
  EXPECT_EQ(Why(*secret, token, kNow - 29'000), "");
  EXPECT_THAT(Why(*secret, token, kNow + 60'000), HasSubstr("expired"));
  EXPECT_THAT(Why(*secret, token, kNow - 40'000), HasSubstr("future"));
}

TEST_F(SharedSecretTest, RefusesOtherTokens) {
  EXPECT_EQ(Why(Good()), "");
  const std::string other = Read("00000000000000000000000000000000")->NewToken(kRole, kNow);
  EXPECT_THAT(Why(*Read(), other), HasSubstr("secret of key"));
  EXPECT_THAT(Why(*Read(), other), Not(HasSubstr(other.substr(0, 12))));
  EXPECT_NE(Why(*Read(), ""), "");
  for (const char* claim : {"iss", "aud"}) {
    Claims claims = Good();
    claims[claim] = "\"dormouse-gateway\"";
    EXPECT_THAT(Why(claims), HasSubstr("as whom"));
    claims.erase(claim);
    EXPECT_THAT(Why(claims), HasSubstr("as whom"));
  }
  Claims claims = Good();
  claims["exp"] = std::to_string(kNow / 1000 + 3600);
  EXPECT_THAT(Why(claims), HasSubstr("longer than a minute"));
  claims.erase("exp");
  EXPECT_THAT(Why(claims), HasSubstr("exp"));
}

TEST_F(SharedSecretTest, ReadsItsFileAgainWhenItChanges) {
  const auto secret = Read();
  const std::string before = secret->NewToken(kRole, kNow);
  files_.Write("key", "00000000000000000000000000000000");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (secret->NewToken(kRole, kNow) == before && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_THAT(Why(*secret, before), HasSubstr("secret of key"));
  const std::string after = secret->NewToken(kRole, kNow);
  files_.Write("key", "too short");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // it has been looked at since
  EXPECT_EQ(Why(*secret, after), "");
}

TEST_F(SharedSecretTest, SaysWhatIsWrongWithAFile) {
  std::string wrong;
  EXPECT_EQ(SharedSecret::Read("key", files_.Path("none"), &wrong), nullptr);
  EXPECT_THAT(wrong, HasSubstr("--key: " + files_.Path("none") + " does not exist"));
  EXPECT_EQ(SharedSecret::Read("key", files_.Write("short", "hush-hush"), &wrong), nullptr);
  EXPECT_THAT(wrong, HasSubstr("32 bytes"));
  EXPECT_THAT(wrong, Not(HasSubstr("hush")));
  const std::string open = files_.Write("open", kSecret);
  std::filesystem::permissions(open, std::filesystem::perms::others_write,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(SharedSecret::Read("key", open, &wrong), nullptr);
  EXPECT_THAT(wrong, HasSubstr("chmod 600"));
}

}  // namespace
}  // namespace dormouse
