#include "statekeeper/store/redis_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RedisUrl Parse(const std::string& url) {
  std::string error;
  const std::optional<RedisUrl> parsed = ParseRedisUrl(url, &error);
  EXPECT_TRUE(parsed.has_value()) << url << ": " << error;
  return parsed.value_or(RedisUrl{});
}

TEST(RedisUrlTest, HostPortAndDatabase) {
  const RedisUrl plain = Parse("redis://redis.example");
  EXPECT_EQ(plain.Address(), "redis.example:6379");
  EXPECT_EQ(plain.database, 0);
  EXPECT_TRUE(plain.password.empty());
  const RedisUrl full = Parse("redis://10.0.0.1:7001/3");
  EXPECT_EQ(full.Address(), "10.0.0.1:7001");
  EXPECT_EQ(full.database, 3);
  EXPECT_EQ(Parse("redis://host:1/").database, 0);
}

TEST(RedisUrlTest, Ipv6InBrackets) {
  EXPECT_EQ(Parse("redis://[::1]:7001/2").hosts.at(0).host, "::1");
  EXPECT_EQ(Parse("redis://[::1]").Address(), "[::1]:6379");
}

TEST(RedisUrlTest, LoginIsPercentDecoded) {
  const RedisUrl url = Parse("redis://us%40er:p%3a%2Fw@host:7001");
  EXPECT_EQ(url.user, "us@er");
  EXPECT_EQ(url.password, "p:/w");
  EXPECT_EQ(url.Address(), "host:7001");
  EXPECT_EQ(Parse("redis://:secret@host").user, "");
  EXPECT_EQ(Parse("redis://:secret@host").password, "secret");
}

TEST(RedisUrlTest, UnixSocket) {
  EXPECT_EQ(Parse("redis+unix:///run/redis%20x/s.sock").unix_path, "/run/redis x/s.sock");
  const RedisUrl url = Parse("redis+unix://user:pw@/run/s.sock");
  EXPECT_EQ(url.unix_path, "/run/s.sock");
  EXPECT_EQ(url.password, "pw");
}

TEST(RedisUrlTest, RefusesTheRestWithoutShowingThePassword) {
  for (const std::string url :
       {"http://host", "redis://", "redis://:secret@", "redis://:secret@host:0", "redis://:secret@host:65536",
        "redis://:secret@host:12x", "redis://:secret@host/x", "redis://secret@host", "redis://user:@host",
        "redis://:secret%zz@host", "redis://:secret%4@host", "redis+unix://:secret@socket",
        "redis+unix://"}) {
    std::string error;
    EXPECT_FALSE(ParseRedisUrl(url, &error).has_value()) << url;
    EXPECT_FALSE(error.empty()) << url;
    EXPECT_THAT(error, Not(HasSubstr("secret"))) << url;
  }
}

}  // namespace
}  // namespace dormouse
