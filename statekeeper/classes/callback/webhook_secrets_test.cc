#include "statekeeper/classes/callback/webhook_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace dormouse {
namespace {

using testing::HasSubstr;

class WebhookSecretsTest : public testing::Test {
 protected:
  ~WebhookSecretsTest() override { std::remove(path_.c_str()); }
  std::unique_ptr<const WebhookSecrets> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return WebhookSecrets::Read(path_, &wrong_);
  }

  const std::string path_ = testing::TempDir() + "/webhook-secrets-" + std::to_string(getpid());
  std::string wrong_;
};

// The example of https://github.com/standard-webhooks/standard-webhooks: spec and reference libraries agree on it.
TEST_F(WebhookSecretsTest, SignsAsStandardWebhooksSays) {
  const auto secrets = Read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
  ASSERT_NE(secrets, nullptr) << wrong_;
  EXPECT_EQ(secrets->Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_F(WebhookSecretsTest, EachSecretSignsWhileOneIsReplaced) {
  const auto one = Read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_NE(one, nullptr);
  const std::string signature = one->Sign("id", 1, "body");
  const auto both =
      Read("# new\nthe text of a secret, long enough\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
  ASSERT_NE(both, nullptr) << wrong_;
  const std::string signatures = both->Sign("id", 1, "body");
  EXPECT_THAT(signatures, HasSubstr(" " + signature));
  EXPECT_TRUE(signatures.starts_with("v1,"));
}

TEST_F(WebhookSecretsTest, RefusesWhatIsNoSecret) {
  EXPECT_EQ(Read(""), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("no secret"));
  EXPECT_EQ(Read("short"), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("less than 24 bytes"));
  EXPECT_EQ(Read("whsec_!!!"), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("not base64"));
}

}  // namespace
}  // namespace dormouse
