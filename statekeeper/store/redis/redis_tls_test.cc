// Which servers the store trusts over TLS, and what it says of the others. That it works is in
// store_contract_test.cc.
#include "statekeeper/store/redis/redis_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "common/clock.h"
#include "statekeeper/open_store.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RedisTlsTest : public testing::Test {
 protected:
  // Speaks for these hosts, and asks for a certificate or not.
  RedisServer& Serve(const std::string& hosts, bool asks_clients = false, long seconds = 3600) {
    return server_.emplace(RedisServer::Options{
        .tcp = true,
        .tls = RedisServerTls{authority_.Certify("redis", hosts, seconds), authority_.file(), asks_clients}});
  }
  std::string UrlAt(const std::string& host) const {
    return "rediss://" + host + ":" + std::to_string(server_->port());
  }
  StoreConfig ConfigFor(const std::string& url) const {
    StoreConfig config = TestConfig(url);
    config.redis.ca = authority_.file();
    return config;
  }
  // Nothing: it opens.
  static std::string WhyRefused(const StoreConfig& config) {
    const int64_t begin_ms = SteadyMs();
    std::string error;
    const bool opens = OpenStore(config, &error) != nullptr;
    EXPECT_LT(SteadyMs() - begin_ms, 4'000) << "is refused at once, not after the timeout";
    return opens ? "" : error;
  }

  TestAuthority authority_;
  std::optional<RedisServer> server_;
};

TEST_F(RedisTlsTest, ItsCertificateMustBeForTheHostOfTheUrl) {
  Serve("DNS:localhost,DNS:*.redis.test");
  EXPECT_EQ(WhyRefused(ConfigFor(UrlAt("localhost"))), "");
  EXPECT_THAT(WhyRefused(ConfigFor(UrlAt("127.0.0.1"))),
              HasSubstr("its certificate is for other hosts than 127.0.0.1: name the host as the certificate "
                        "does (subjectAltName), or have one made for 127.0.0.1"));
  Serve("IP:127.0.0.1");
  EXPECT_EQ(WhyRefused(ConfigFor(UrlAt("127.0.0.1"))), "");
  EXPECT_THAT(WhyRefused(ConfigFor(UrlAt("localhost"))), HasSubstr("for other hosts than localhost"));
}

TEST_F(RedisTlsTest, ItsCertificateMustBeOfTheAuthority) {
  Serve("DNS:localhost");
  // Of the same name, as when a new one has been made.
  const TestAuthority other;
  StoreConfig config = ConfigFor(UrlAt("localhost"));
  config.redis.ca = other.file();
  EXPECT_THAT(WhyRefused(config),
              AllOf(HasSubstr("its certificate is not of an authority that is in " + other.file()),
                    HasSubstr("give the certificate of its authority with store-ca")));
  config.redis.ca.clear();
  EXPECT_THAT(WhyRefused(config), HasSubstr("not of an authority that this host trusts"));
}

TEST_F(RedisTlsTest, AnExpiredCertificateIsRefused) {
  Serve("DNS:localhost", false, -60);
  EXPECT_THAT(WhyRefused(ConfigFor(UrlAt("localhost"))),
              HasSubstr("its certificate is not valid now (certificate has expired): renew it"));
}

TEST_F(RedisTlsTest, AServerMayAskForACertificate) {
  Serve("DNS:localhost", true);
  StoreConfig config = ConfigFor(UrlAt("localhost"));
  EXPECT_THAT(WhyRefused(config),
              HasSubstr("it asks for a client certificate: give one with store-certificate "
                        "and store-key"));
  const auto use = [&config](const CertificateFiles& files) {
    config.redis.certificate = files.certificate;
    config.redis.key = files.key;
  };
  use(authority_.Certify("dormouse", ""));
  EXPECT_EQ(WhyRefused(config), "");
  TestAuthority other("Another authority");
  use(other.Certify("dormouse", ""));
  EXPECT_THAT(WhyRefused(config),
              HasSubstr("it does not take the client certificate in " + config.redis.certificate));
}

TEST_F(RedisTlsTest, TlsWithAServerThatSpeaksNone) {
  server_.emplace(RedisServer::Options{.tcp = true});
  StoreConfig config = ConfigFor(UrlAt("localhost"));
  config.timeout = Duration(500);  // it waits for the rest of what it takes for a command
  EXPECT_THAT(WhyRefused(config), HasSubstr("write the URL without the s of rediss"));
}

TEST_F(RedisTlsTest, NoTlsWithAServerThatWantsIt) {
  Serve("DNS:localhost");
  StoreConfig config = TestConfig("redis://localhost:" + std::to_string(server_->port()));
  config.timeout = Duration(500);
  EXPECT_THAT(WhyRefused(config), HasSubstr("write rediss in place of redis in the URL"));
}

TEST_F(RedisTlsTest, FilesThatCannotBeUsedAreNamed) {
  Serve("DNS:localhost");
  const TempDir directory;
  const std::string empty = directory / "empty";
  std::ofstream(empty).put('\n');
  const CertificateFiles own = authority_.Certify("dormouse", "");
  const CertificateFiles other = authority_.Certify("other", "");

  StoreConfig config = ConfigFor(UrlAt("localhost"));
  config.redis.ca = "/no/such/file";
  EXPECT_THAT(WhyRefused(config),
              HasSubstr("the file of store-ca, /no/such/file, cannot be used: No such file or directory"));
  config.redis.ca = empty;
  EXPECT_THAT(WhyRefused(config), HasSubstr("the file of store-ca, " + empty + ", cannot be used"));
  config = ConfigFor(UrlAt("localhost"));
  config.redis.certificate = empty;
  config.redis.key = own.key;
  EXPECT_THAT(WhyRefused(config), HasSubstr("the file of store-certificate, " + empty));
  config.redis.certificate = own.certificate;
  config.redis.key = other.key;
  EXPECT_THAT(WhyRefused(config), HasSubstr("the file of store-key, " + other.key));
}

TEST_F(RedisTlsTest, OptionsThatContradictTheUrlAreRefused) {
  StoreConfig config = TestConfig("redis://localhost:1");
  config.redis.ca = authority_.file();
  EXPECT_THAT(WhyRefused(config), HasSubstr("write rediss in place of redis in --store"));
}

// As it is when an authority and all that it certified are replaced under a running process.
TEST_F(RedisTlsTest, FilesAreReadAnewForEachConnection) {
  const CertificateFiles served = authority_.Certify("redis", "DNS:localhost");
  Serve("DNS:localhost", true);
  StoreConfig config = ConfigFor(UrlAt("localhost"));
  const CertificateFiles shown = authority_.Certify("dormouse", "");
  config.redis.certificate = shown.certificate;
  config.redis.key = shown.key;
  std::string error;
  const std::unique_ptr<StoreFactory> factory = OpenStore(config, &error);
  ASSERT_NE(factory, nullptr) << error;
  TestLoop loop;
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  loop.RunUntil([&] { return store->healthy(); });

  TestAuthority other("Another authority");
  const auto replace = [](const std::string& file, const std::string& by) {
    std::filesystem::copy_file(by, file, std::filesystem::copy_options::overwrite_existing);
  };
  const CertificateFiles new_served = other.Certify("redis", "DNS:localhost");
  const CertificateFiles new_shown = other.Certify("dormouse", "");
  replace(authority_.file(), other.file());
  replace(served.certificate, new_served.certificate);
  replace(served.key, new_served.key);
  EXPECT_EQ(Get(loop, *store, "echo/room", {"key"}).first, StoreStatus::kOk) << "stands on its connection";
  server_->Stop();
  loop.RunUntil([&] { return !store->healthy(); });
  server_->Start();
  replace(shown.certificate, new_shown.certificate);
  replace(shown.key, new_shown.key);
  loop.RunUntil([&] { return store->healthy(); });
  EXPECT_EQ(Get(loop, *store, "echo/room", {"key"}).first, StoreStatus::kOk);
}

// Shards in all places, each taken, written and read.
void ExpectWorks(const StoreConfig& config) {
  std::string error;
  const std::unique_ptr<StoreFactory> factory = OpenStore(config, &error);
  ASSERT_NE(factory, nullptr) << error;
  TestLoop loop;
  const std::unique_ptr<Store> store = factory->NewStore(loop);
  const std::unique_ptr<ClusterStore> cluster = factory->NewClusterStore(loop);
  for (int i = 0; i < 20; ++i) {
    const std::string hub = "echo/" + std::to_string(i);
    const uint32_t epoch = Take(loop, *cluster, hub);
    EXPECT_EQ(Commit(loop, *store, Put(hub, epoch, "key", hub)), StoreStatus::kOk);
    EXPECT_EQ(Get(loop, *store, hub, {"key"}).second.at(0), hub);
  }
}

TEST(RedisTopologiesTlsTest, SentinelsAndTheMasterThatTheyName) {
  RedisSentinels sentinels(TestServerTls());
  ExpectWorks(TestTlsConfig(sentinels.url() + "?wait-replicas=1"));
  StoreConfig config = TestTlsConfig(sentinels.url());
  config.redis.certificate.clear();
  config.redis.key.clear();
  std::string error;
  config.timeout = Duration(1'000);
  EXPECT_EQ(OpenStore(config, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("the sentinel at 127.0.0.1:"));
}

TEST(RedisTopologiesTlsTest, AllNodesOfACluster) {
  RedisCluster cluster(0, TestServerTls());
  ExpectWorks(TestTlsConfig(cluster.url()));
}

}  // namespace
}  // namespace dormouse
