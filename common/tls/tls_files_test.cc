#include "common/tls/tls_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/auth/testing/certificates.h"

namespace dormouse {
namespace {

using ::testing::Test;

class TlsFilesTest : public Test {
 protected:
  void Put(const CertificateFiles& made) {
    std::filesystem::copy_file(made.certificate, directory_ / "tls.pem",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(made.key, directory_ / "tls.key",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(directory_ / "tls.key",
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  TlsFiles::Files Files() const {
    return {
        {"tls-cert", directory_ / "tls.pem"}, {"tls-key", directory_ / "tls.key"}, {"tls-client-ca", ca_}};
  }
  std::unique_ptr<const TlsFiles> Open() {
    wrong_.clear();
    return TlsFiles::Open({.verifies_peer = !ca_.empty()}, Files(), &wrong_);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ / name) << text;
  }

  TestAuthority authority_;
  TempDir directory_;
  std::string ca_;
  std::string wrong_;
};

TEST_F(TlsFilesTest, SaysWhichFileIsWrongAndWhy) {
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("tls-cert"), std::string::npos) << wrong_;
  const CertificateFiles made = authority_.Certify("server", "DNS:localhost");
  Put(made);
  EXPECT_NE(Open(), nullptr) << wrong_;

  Write("tls.pem", "nonsense");
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("holds no certificate"), std::string::npos) << wrong_;

  Put(made);
  Write("tls.key", "nonsense");
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("tls-key"), std::string::npos) << wrong_;

  Put({made.certificate, authority_.Certify("another", "").key});
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("does not belong"), std::string::npos) << wrong_;

  Put(authority_.Certify("old", "", -60));
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("expired at 20"), std::string::npos) << wrong_;

  Put(made);
  ca_ = directory_ / "ca.pem";
  Write("ca.pem", "nonsense");
  EXPECT_EQ(Open(), nullptr);
  EXPECT_NE(wrong_.find("tls-client-ca"), std::string::npos) << wrong_;
}

TEST_F(TlsFilesTest, ReadsAgainAndKeepsWhatItHasWhereThatCannotBeUsed) {
  Put(authority_.Certify("server", "DNS:localhost", 1'000));
  const auto files = Open();
  ASSERT_NE(files, nullptr) << wrong_;
  const auto first = files->Current();
  EXPECT_EQ(files->Current(), first);

  const CertificateFiles next = authority_.Certify("next", "DNS:localhost", 100'000);
  std::filesystem::copy_file(next.certificate, directory_ / "tls.pem",
                             std::filesystem::copy_options::overwrite_existing);
  files->ReadAgain();  // the key is missing yet
  EXPECT_EQ(files->Current(), first);

  Put(next);
  files->ReadAgain();
  const auto second = files->Current();
  EXPECT_NE(second, first);
  EXPECT_GT(second->expires_ms(), first->expires_ms());
}

}  // namespace
}  // namespace dormouse
