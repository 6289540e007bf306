#include "common/auth/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "common/temp_dir.h"

namespace dormouse {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

const std::string kOne(32, 'a');
const std::string kTwo(40, 'b');

class ApiKeysTest : public testing::Test {
 protected:
  std::unique_ptr<const ApiKeys> Read(const std::string& text) {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), S_IRUSR | S_IWUSR);
    return ApiKeys::Read("api-key-file", path_, &wrong_);
  }

  const TempDir directory_;
  const std::string path_ = directory_ / "keys";
  std::string wrong_;
};

TEST_F(ApiKeysTest, AKeyHasItsNameOrItsLine) {
  const auto keys = Read("# of the shop\n\nshop:" + kOne + "\n" + kTwo + "\r\n");
  ASSERT_NE(keys, nullptr) << wrong_;
  EXPECT_THAT(keys->NameOf(kOne), Optional(std::string("shop")));
  EXPECT_THAT(keys->NameOf(kTwo), Optional(std::string("line 4")));
  EXPECT_EQ(keys->NameOf(kOne + "a"), std::nullopt);
  EXPECT_EQ(keys->NameOf(kOne.substr(1)), std::nullopt);
  EXPECT_EQ(keys->NameOf(""), std::nullopt);
  EXPECT_EQ(keys->NameOf("shop:" + kOne), std::nullopt);
}

TEST_F(ApiKeysTest, ShortOnesAreRefusedWithoutBeingRepeated) {
  EXPECT_EQ(Read("shop:secret\n"), nullptr);
  EXPECT_THAT(wrong_, AllOf(HasSubstr("--api-key-file"), HasSubstr("line 1"), Not(HasSubstr("secret"))));
  EXPECT_EQ(Read("# nothing\n"), nullptr);
  EXPECT_THAT(wrong_, HasSubstr("has no key"));
}

}  // namespace
}  // namespace dormouse
