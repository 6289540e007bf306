// How the store follows the master that sentinels name. What it shares with the others is in
// store_contract_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "statekeeper/open_store.h"
#include "statekeeper/store/redis/store_redis.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kHub[] = "echo/room";

class RedisSentinelTest : public testing::Test {
 protected:
  void Open(const std::string& settings, Duration timeout = Duration(60'000)) {
    StoreConfig config = TestConfig(redis_.url() + settings);
    config.timeout = timeout;
    std::string error;
    factory_ = OpenStore(config, &error);
    ASSERT_NE(factory_, nullptr) << error;
    store_ = factory_->NewStore(loop_);
    epoch_ = Take(loop_, *factory_->NewClusterStore(loop_), kHub);
  }
  static std::string WhyRefused(const std::string& url) {
    StoreConfig config = TestConfig(url);
    config.timeout = Duration(3'000);
    std::string error;
    EXPECT_EQ(OpenStore(config, &error), nullptr);
    return error;
  }

  // Commits row "n" = n, n = 0, 1, ...; what was acknowledged are the first `acknowledged_`.
  void CommitNext() {
    const std::string number = std::to_string(sent_++);
    store_->Commit(Put(kHub, epoch_, number, number), [this, number](StoreStatus status) {
      EXPECT_EQ(status, StoreStatus::kOk);
      EXPECT_EQ(number, std::to_string(acknowledged_++)) << "in order";
    });
  }
  void CommitUntil(const std::function<bool()>& condition) {
    loop_.RunUntil([&] {
      if (sent_ - acknowledged_ < 20) CommitNext();
      return condition();
    });
  }
  void ExpectRows(int count) {
    for (int i = 0; i < count; i += 500) {
      std::vector<std::string> keys;
      for (int key = i; key < std::min(i + 500, count); ++key) keys.push_back(std::to_string(key));
      const auto [status, values] = Get(loop_, *store_, kHub, keys);
      ASSERT_EQ(status, StoreStatus::kOk);
      for (size_t key = 0; key < keys.size(); ++key) EXPECT_EQ(values[key], keys[key]);
    }
  }

  RedisSentinels redis_;
  TestLoop loop_;
  std::unique_ptr<StoreFactory> factory_;
  std::unique_ptr<Store> store_;
  uint32_t epoch_ = 0;
  int sent_ = 0;
  int acknowledged_ = 0;
};

TEST_F(RedisSentinelTest, AMasterThatIsKilledIsReplacedAndNothingAcknowledgedIsLost) {
  Open("?wait-replicas=1");
  redis_.AwaitReplicaKnown();
  CommitUntil([this] { return acknowledged_ >= 200; });
  redis_.master().Kill();
  CommitUntil([this] { return redis_.MasterPort() == redis_.replica().port(); });
  const int acknowledged = acknowledged_;
  // The new master has nobody that could confirm. The old one comes back as its replica.
  redis_.master().Start();
  redis_.master().Ask({"REPLICAOF", "127.0.0.1", std::to_string(redis_.replica().port())});
  CommitUntil([&] { return acknowledged_ >= acknowledged + 200; });
  loop_.RunUntil([this] { return acknowledged_ == sent_; });
  ExpectRows(sent_);
}

TEST_F(RedisSentinelTest, AMasterThatHangsIsLeftWhenTheSentinelsNameAnother) {
  Open("");
  redis_.AwaitReplicaKnown();
  CommitUntil([this] { return acknowledged_ >= 20; });
  loop_.RunUntil([this] { return acknowledged_ == sent_; });
  AwaitEvidence([this] {
    return redis_.replica().Ask({"ZCARD", "{test:" + std::to_string(ShardOf(kHub, kTestShards)) +
                                              "}:h:" + kHub}) == std::to_string(sent_);
  });
  redis_.master().Pause();
  CommitUntil([this] { return acknowledged_ >= 100; });
  EXPECT_EQ(redis_.MasterPort(), redis_.replica().port());
  loop_.RunUntil([this] { return acknowledged_ == sent_; });
  ExpectRows(sent_);
  redis_.master().Continue();
}

TEST_F(RedisSentinelTest, NothingIsAcknowledgedThatNoReplicaHas) {
  Open("?wait-replicas=1");
  redis_.replica().Pause();
  CommitNext();
  loop_.RunUntil([this] { return !store_->healthy(); });
  EXPECT_EQ(acknowledged_, 0);
  redis_.replica().Continue();
  loop_.RunUntil([this] { return acknowledged_ == 1; });
  EXPECT_TRUE(store_->healthy());
}

// Of what is read nobody is told that it will be there.
TEST_F(RedisSentinelTest, ReadsGoOnWhileReplicasAreLacking) {
  Open("?wait-replicas=1", Duration(3'000));
  CommitNext();
  loop_.RunUntil([this] { return acknowledged_ == 1; });
  redis_.replica().Kill();
  std::vector<StoreStatus> failed;
  for (int round = 0; round < 2; ++round) {  // the second on another connection
    store_->Commit(Put(kHub, epoch_, "x", "x"), [&](StoreStatus status) { failed.push_back(status); });
    loop_.RunUntil([this] { return !store_->healthy(); });
    for (int i = 0; i < 20; ++i) {
      const auto [status, values] = Get(loop_, *store_, kHub, {"0", "x"});
      ASSERT_EQ(status, StoreStatus::kOk);
      EXPECT_EQ(values[0], "0");
    }
    EXPECT_THAT(failed, SizeIs(round)) << "while the commit waits";
    loop_.RunUntil([&] { return failed.size() == static_cast<size_t>(round) + 1; });
    EXPECT_EQ(failed.back(), StoreStatus::kUnavailable);
    EXPECT_FALSE(store_->healthy());
  }
  redis_.replica().Start();
  redis_.replica().Ask({"REPLICAOF", "127.0.0.1", std::to_string(redis_.master().port())});
  loop_.RunUntil([this] { return store_->healthy(); });
  CommitNext();
  loop_.RunUntil([this] { return acknowledged_ == 2; });
}

TEST_F(RedisSentinelTest, RefusesWhatCannotWorkInASentence) {
  const std::string url = redis_.url();
  const std::string sentinel = url.substr(url.find(',') + 1, url.rfind('/') - url.find(',') - 1);
  EXPECT_THAT(WhyRefused("redis+sentinel://" + sentinel + "/other"), HasSubstr("knows no service \"other\""));
  EXPECT_THAT(WhyRefused("redis://" + sentinel), HasSubstr("write redis+sentinel://"));
  EXPECT_THAT(WhyRefused("redis+cluster://127.0.0.1:" + std::to_string(redis_.master().port())),
              HasSubstr("not a node of a Redis Cluster"));
  const std::string wrong = WhyRefused("redis+sentinel://" + sentinel + "/rooms?sentinel-password=wr0ng");
  EXPECT_THAT(wrong, HasSubstr("sentinel"));
  EXPECT_THAT(wrong, Not(HasSubstr("wr0ng")));
  StoreConfig config = TestConfig("redis+sentinel://" + sentinel + "/rooms");
  config.timeout = Duration(3'000);
  config.redis.sentinel_password = "/no/such/file";
  std::string error;
  EXPECT_EQ(OpenStore(config, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("the file of store-sentinel-password-file, /no/such/file, cannot be read"));
}

}  // namespace
}  // namespace dormouse
