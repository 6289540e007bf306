#include "statekeeper/apps/deployments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dormouse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DeploymentsTest : public testing::Test {
 protected:
  static app::Version VersionOf(const std::string& content, uint64_t bytes = 1'000) {
    app::Version version;
    version.set_hash(BundleHash(content));
    version.set_version(BundleName(version.hash()));
    version.set_bytes(bytes);
    version.set_by("somebody");
    return version;
  }
  grpc::Status Begin(const std::string& token, const app::Version& version, const std::string& name = "chat",
                     bool rename = false) {
    admin::BeginDeploymentRequest request;
    request.set_token(token);
    request.set_name(name);
    request.set_rename(rename);
    *request.mutable_version() = version;
    return BeginDeployment(request, now_ms_, {}, &record_, &garbage_);
  }
  grpc::Status End(const std::string& token, bool activate = true) {
    admin::EndDeploymentRequest request;
    request.set_token(token);
    request.set_activate(activate);
    return EndDeployment(request, now_ms_, &record_, &garbage_);
  }
  grpc::Status Store(const std::string& token) {
    admin::StoreVersionRequest request;
    request.set_token(token);
    return StoreVersion(request, &record_, &garbage_);
  }
  void Deploy(const std::string& content, uint64_t bytes = 1'000) {
    ASSERT_TRUE(Begin(content, VersionOf(content, bytes)).ok());
    ASSERT_TRUE(End(content).ok());
  }
  std::vector<std::string> Versions() const {
    std::vector<std::string> names;
    for (const app::Version& version : record_.versions()) names.push_back(version.version());
    return names;
  }
  std::vector<std::string> Garbage() const {
    std::vector<std::string> names;
    for (const app::Version& version : garbage_) names.push_back(version.version());
    return names;
  }
  static std::string Name(const std::string& content) { return BundleName(BundleHash(content)); }

  int64_t now_ms_ = 1'000'000;
  app::Record record_;
  std::vector<app::Version> garbage_;
};

TEST_F(DeploymentsTest, IsCurrentOnceItHasEnded) {
  ASSERT_TRUE(Begin("t", VersionOf("a")).ok());
  EXPECT_EQ(record_.current(), "");
  ASSERT_TRUE(End("t").ok());
  EXPECT_EQ(record_.current(), Name("a"));
  EXPECT_EQ(record_.name(), "chat");
  EXPECT_EQ(record_.versions(0).deployed_ms(), now_ms_);
  EXPECT_EQ(record_.versions(0).by(), "somebody");
  EXPECT_FALSE(record_.has_under_way());
  EXPECT_THAT(garbage_, IsEmpty());
}

TEST_F(DeploymentsTest, OneIsUnderWayAndTheOtherHearsWhose) {
  ASSERT_TRUE(Begin("t", VersionOf("a")).ok());
  const grpc::Status refused = Begin("u", VersionOf("b"));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr(Name("a") + " by somebody"));
  EXPECT_FALSE(End("u").ok());
  EXPECT_TRUE(Begin("t", VersionOf("a")).ok()) << "it goes on";
  EXPECT_TRUE(End("t").ok());
  EXPECT_TRUE(Begin("u", VersionOf("b")).ok());
}

TEST_F(DeploymentsTest, WhoSaysNothingForLongIsGivenUpWithWhatItHasUploaded) {
  ASSERT_TRUE(Begin("t", VersionOf("a")).ok());
  now_ms_ += kDeploymentMs - 1;
  EXPECT_FALSE(Begin("u", VersionOf("b")).ok());
  ASSERT_TRUE(Begin("t", VersionOf("a")).ok());
  now_ms_ += kDeploymentMs;
  ASSERT_TRUE(Begin("u", VersionOf("b")).ok());
  EXPECT_THAT(Garbage(), ElementsAre(Name("a")));
  const grpc::Status late = End("t");
  EXPECT_FALSE(late.ok());
  EXPECT_THAT(late.error_message(), HasSubstr(Name("b")));
  EXPECT_TRUE(End("u").ok());
}

TEST_F(DeploymentsTest, TheSameContentOfAnotherIsNotThrownAway) {
  ASSERT_TRUE(Begin("t", VersionOf("a")).ok());
  now_ms_ += kDeploymentMs;
  ASSERT_TRUE(Begin("u", VersionOf("a")).ok());
  EXPECT_THAT(garbage_, IsEmpty());
}

TEST_F(DeploymentsTest, OneThatIsGivenUpChangesNothing) {
  Deploy("a");
  ASSERT_TRUE(Begin("t", VersionOf("b")).ok());
  ASSERT_TRUE(End("t", false).ok());
  EXPECT_EQ(record_.current(), Name("a"));
  EXPECT_THAT(Versions(), ElementsAre(Name("a")));
  EXPECT_THAT(Garbage(), ElementsAre(Name("b")));
  ASSERT_TRUE(Begin("u", VersionOf("a")).ok());
  ASSERT_TRUE(End("u", false).ok());
  EXPECT_THAT(Garbage(), ElementsAre(Name("b"))) << "what is live stays";
  EXPECT_TRUE(End("nobody's", false).ok());
}

TEST_F(DeploymentsTest, EndsOnceThoughItIsSaidTwice) {
  Deploy("a");
  Deploy("b");
  ASSERT_TRUE(End("b").ok());
  EXPECT_EQ(record_.current(), Name("b"));
  EXPECT_FALSE(End("a").ok());
}

TEST_F(DeploymentsTest, ARollbackNeedsAVersionThatIsThere) {
  Deploy("a");
  Deploy("b");
  app::Version back;
  back.set_version(Name("a"));
  back.set_by("another");
  ASSERT_TRUE(Begin("t", back, "").ok());
  EXPECT_TRUE(record_.under_way().is_stored());
  ASSERT_TRUE(End("t").ok());
  EXPECT_THAT(Versions(), ElementsAre(Name("b"), Name("a")));
  EXPECT_EQ(record_.versions(1).by(), "another");
  EXPECT_EQ(record_.versions(1).hash(), BundleHash("a"));
  EXPECT_EQ(record_.name(), "chat");
  back.set_version("0123456789abcdef");
  EXPECT_EQ(Begin("u", back, "").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DeploymentsTest, TheLastTenAreKept) {
  for (int i = 0; i < kKeptVersions + 2; ++i) Deploy(std::to_string(i));
  EXPECT_EQ(record_.versions_size(), kKeptVersions);
  EXPECT_EQ(Versions().front(), Name("2"));
  EXPECT_THAT(Garbage(), ElementsAre(Name("0"), Name("1")));
}

TEST_F(DeploymentsTest, OfLargeOnesFewerButNeverLessThanTwo) {
  constexpr uint64_t kLarge = 30u << 20;
  for (const char* content : {"0", "1", "2", "3", "4", "5"}) Deploy(content, kLarge);
  EXPECT_EQ(record_.versions_size(), 4);
  BundleLimits larger;
  EXPECT_LE(larger.bytes, kKeptBytes / 2) << "two fit";
}

TEST_F(DeploymentsTest, AnotherAppNeedsToBeMeant) {
  Deploy("a");
  const grpc::Status refused = Begin("t", VersionOf("b"), "shop");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(refused.error_message(), HasSubstr("runs app chat"));
  ASSERT_TRUE(Begin("t", VersionOf("b"), "shop", true).ok());
  ASSERT_TRUE(End("t").ok());
  EXPECT_EQ(record_.name(), "shop");
}

TEST_F(DeploymentsTest, OneThatIsOnlyKeptComesBeforeTheCurrentOne) {
  ASSERT_TRUE(Begin("t", VersionOf("old")).ok());
  ASSERT_TRUE(Store("t").ok());
  EXPECT_EQ(record_.name(), "chat");
  EXPECT_EQ(record_.current(), "");
  EXPECT_FALSE(record_.has_under_way());
  Deploy("current");
  ASSERT_TRUE(Begin("u", VersionOf("older"), "shop", true).ok());
  EXPECT_EQ(Store("t").error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Store("u").ok());
  ASSERT_TRUE(Store("u").ok()) << "said again";
  EXPECT_THAT(Versions(), ElementsAre(Name("old"), Name("older"), Name("current")));
  EXPECT_EQ(record_.current(), Name("current"));
  EXPECT_EQ(record_.name(), "chat");
  // One that is kept already stays where it is.
  ASSERT_TRUE(Begin("v", VersionOf("old")).ok());
  ASSERT_TRUE(Store("v").ok());
  EXPECT_THAT(Versions(), ElementsAre(Name("old"), Name("older"), Name("current")));
  EXPECT_THAT(Garbage(), IsEmpty());
}

TEST_F(DeploymentsTest, OnesThatAreOnlyKeptNeverPushOutTheCurrentOne) {
  Deploy("current");
  for (int i = 0; i < 2 * kKeptVersions; ++i) {
    const std::string token = std::to_string(i);
    ASSERT_TRUE(Begin(token, VersionOf(token)).ok());
    ASSERT_TRUE(Store(token).ok());
  }
  EXPECT_EQ(record_.versions_size(), kKeptVersions);
  EXPECT_EQ(Versions().back(), Name("current"));
  EXPECT_EQ(Garbage().size(), static_cast<size_t>(kKeptVersions) + 1);
}

TEST_F(DeploymentsTest, WhatIsNoVersionIsRefused) {
  app::Version version = VersionOf("a");
  version.set_version("0123456789abcdef");
  EXPECT_EQ(Begin("t", version).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  version = VersionOf("a", 0);
  EXPECT_EQ(Begin("t", version).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  version = VersionOf("a", uint64_t{1} << 40);
  EXPECT_THAT(Begin("t", version).error_message(), HasSubstr("32 MiB"));
  EXPECT_EQ(Begin("", VersionOf("a")).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(record_.has_under_way());
}

}  // namespace
}  // namespace dormouse
