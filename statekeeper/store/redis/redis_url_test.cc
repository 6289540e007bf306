#include "statekeeper/store/redis/redis_url.h"

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

TEST(RedisUrlTest, Sentinels) {
  const RedisUrl url =
      Parse("redis+sentinel://us:p%40w@one:1,two,[::1]:3/ro%20oms/4?sentinel-password=p%26q&sentinel-user=s");
  EXPECT_EQ(url.kind, RedisUrl::Kind::kSentinel);
  EXPECT_EQ(url.Address(), "one:1,two:26379,[::1]:3/ro oms");
  EXPECT_EQ(url.user, "us");
  EXPECT_EQ(url.password, "p@w");
  EXPECT_EQ(url.database, 4);
  EXPECT_EQ(url.sentinel_user, "s");
  EXPECT_EQ(url.sentinel_password, "p&q");
  EXPECT_EQ(Parse("redis+sentinel://one/rooms").database, 0);
}

TEST(RedisUrlTest, Cluster) {
  const RedisUrl url = Parse("redis+cluster://:pw@one:7001,two");
  EXPECT_EQ(url.kind, RedisUrl::Kind::kCluster);
  EXPECT_EQ(url.hosts, (std::vector<RedisAddress>{{"one", 7001}, {"two", 6379}}));
  EXPECT_EQ(url.password, "pw");
}

TEST(RedisUrlTest, OverTls) {
  EXPECT_FALSE(Parse("redis://host").tls);
  EXPECT_TRUE(Parse("rediss://user@host:6380/1").tls);
  EXPECT_EQ(Parse("rediss://user@host:6380/1").kind, RedisUrl::Kind::kServer);
  EXPECT_TRUE(Parse("rediss+cluster://one,two").tls);
  EXPECT_EQ(Parse("rediss+cluster://one,two").kind, RedisUrl::Kind::kCluster);
  EXPECT_TRUE(Parse("rediss+sentinel://one/rooms").tls);
  EXPECT_EQ(Parse("rediss+sentinel://one/rooms").kind, RedisUrl::Kind::kSentinel);
}

TEST(RedisUrlTest, AUserWhosePasswordIsElsewhere) {
  EXPECT_EQ(Parse("redis://us%40er@host").user, "us@er");
  EXPECT_EQ(Parse("redis://us%40er@host").password, "");
}

TEST(RedisUrlTest, WaitReplicas) {
  EXPECT_EQ(Parse("redis://host").wait_replicas, 0);
  EXPECT_EQ(Parse("redis://host:1/2?wait-replicas=1").wait_replicas, 1);
  EXPECT_EQ(Parse("redis+cluster://host?wait-replicas=2").wait_replicas, 2);
  EXPECT_EQ(Parse("redis+unix:///run/s.sock?wait-replicas=3").unix_path, "/run/s.sock");
}

TEST(RedisUrlTest, RefusesTheRestWithoutShowingThePassword) {
  for (const std::string url : {"http://host",
                                "redis://",
                                "redis://:secret@",
                                "redis://:secret@host:0",
                                "redis://:secret@host:65536",
                                "redis://:secret@host:12x",
                                "redis://:secret@host/x",
                                "redis://@host",
                                "redis://user:@host",
                                "redis://:secret%zz@host",
                                "redis://:secret%4@host",
                                "redis+unix://:secret@socket",
                                "redis+unix://",
                                "rediss+unix://:secret@/s.sock",
                                "redisss://:secret@host",
                                "rediss+tls://:secret@host",
                                "redis+tls://:secret@host",
                                "redis://:secret@one,two",
                                "redis+cluster://:secret@host/1",
                                "redis+cluster://:secret@",
                                "redis+cluster://:secret@one,,two",
                                "redis+sentinel://:secret@host",
                                "redis+sentinel://:secret@host//1",
                                "redis+sentinel://:secret@host/rooms/x",
                                "redis+sentinel://host/rooms?sentinel-password=",
                                "redis://:secret@host?wait-replicas=x",
                                "redis://:secret@host?wait-replicas=",
                                "redis://:secret@host?sentinel-password=secret",
                                "redis://host?password=secret"}) {
    std::string error;
    EXPECT_FALSE(ParseRedisUrl(url, &error).has_value()) << url;
    EXPECT_FALSE(error.empty()) << url;
    EXPECT_THAT(error, Not(HasSubstr("secret"))) << url;
  }
}

}  // namespace
}  // namespace dormouse
