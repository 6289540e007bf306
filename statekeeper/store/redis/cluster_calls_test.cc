// Order and loss while slots move and masters die; what each store promises is in store_contract_test.cc.
#include "statekeeper/store/redis/cluster_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "statekeeper/store/redis/redis_command.h"
#include "statekeeper/store/testing/store_test_support.h"

namespace dormouse {
namespace {

using ::testing::Each;

// Appends to the list KEYS[1]; the second key, which is never there, makes a node turn it away while the slot
// moves (TRYAGAIN).
constexpr std::string_view kAppend =
    "redis.call('EXISTS', KEYS[2]) return redis.call('RPUSH', KEYS[1], ARGV[1])";

std::vector<int> Numbers(const std::string& lines) {
  std::vector<int> numbers;
  const char* at = lines.data();
  const char* const end = lines.data() + lines.size();
  for (int number = 0; std::from_chars(at, end, number).ec == std::errc();) {
    numbers.push_back(number);
    at = lines.data() + lines.find('\n', at - lines.data()) + 1;
  }
  return numbers;
}

class ClusterCallsTest : public testing::Test {
 protected:
  void Open(int replicas = 0, const std::string& settings = "", Duration timeout = Duration(60'000)) {
    cluster_.emplace(replicas);
    std::string error;
    const std::optional<RedisUrl> url = ParseRedisUrl(cluster_->url() + settings, &error);
    ASSERT_TRUE(url) << error;
    ev_now_update(loop_);
    RedisConfig config{*url, {}, "probe", {kAppend}, timeout};
    calls_.emplace(loop_, config);
    loop_.RunUntil([this] { return calls_->healthy(); });
  }

  // Numbers on from the last one.
  void Append(const std::string& list, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string number = std::to_string(sent_[list]++);
      const std::string hash = calls_->script_hashes().empty() ? "" : calls_->script_hashes().at(0);
      // Every other one needs one key only.
      std::string command = i % 2 == 0 && !hash.empty()
                                ? RedisCommand("EVALSHA", hash, "2", list, list + "-none", number)
                                : RedisCommand("RPUSH", list, number);
      calls_->Call(list, std::move(command), [this, number, list](StoreStatus status, const redisReply*) {
        answers_.push_back(status);
        EXPECT_EQ(std::to_string(acknowledged_[list]++), number) << "in order";
      });
      ++calls_made_;
    }
  }
  void Turn() { ev_run(loop_, EVRUN_NOWAIT); }
  void AwaitAnswers() {
    loop_.RunUntil([this] { return answers_.size() == calls_made_; });
    EXPECT_THAT(answers_, Each(StoreStatus::kOk));
  }
  std::vector<int> Stored(const std::string& list, size_t node) {
    return Numbers(cluster_->node(node).Ask({"LRANGE", list, "0", "-1"}));
  }
  static std::vector<int> UpTo(int end) {
    std::vector<int> numbers(static_cast<size_t>(end));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  std::optional<RedisCluster> cluster_;
  TestLoop loop_;
  std::optional<ClusterCalls> calls_;
  std::map<std::string, int> sent_;
  std::map<std::string, int> acknowledged_;
  std::vector<StoreStatus> answers_;
  size_t calls_made_ = 0;
};

TEST_F(ClusterCallsTest, OrderHoldsWhileASlotMovesUnderAStreamOfCommands) {
  Open();
  const std::vector<std::string> lists = {"{room}1", "{room}2", "{room}3"};
  for (const std::string& list : lists) Append(list, 10);
  AwaitAnswers();
  size_t owner = cluster_->OwnerOf("{room}");
  for (int round = 0; round < 6; ++round) {
    const size_t to = (owner + 1) % 3;
    const auto stream = [&] {
      for (int i = 0; i < 5; ++i) {
        for (const std::string& list : lists) Append(list, 7);
        Turn();
      }
    };
    stream();
    cluster_->BeginMove("{room}", owner, to);
    stream();
    if (round % 2 == 0) {
      // Turned away, and then no more: nothing may slip through between.
      cluster_->CancelMove("{room}", owner, to);
      stream();
      cluster_->BeginMove("{room}", owner, to);
    }
    do stream();
    while (cluster_->MoveOneKey("{room}", owner, to));
    cluster_->EndMove("{room}", owner, to);
    stream();
    owner = to;
  }
  AwaitAnswers();
  for (const std::string& list : lists) EXPECT_EQ(Stored(list, owner), UpTo(sent_[list])) << list;
}

TEST_F(ClusterCallsTest, WhileASlotMovesAKeyIsServedWhereItIs) {
  Open();
  const std::string list = "{room}1";
  Append(list, 10);
  AwaitAnswers();
  const size_t owner = cluster_->OwnerOf("{room}");
  const size_t to = (owner + 1) % 3;
  cluster_->BeginMove(list, owner, to);
  while (cluster_->MoveOneKey(list, owner, to)) {
  }
  int64_t length = 0;
  calls_->Call(list, RedisCommand("RPUSH", list, "10"), [&](StoreStatus status, const redisReply* reply) {
    ASSERT_EQ(status, StoreStatus::kOk);
    length = reply->integer;
  });
  loop_.RunUntil([&] { return length != 0; });
  EXPECT_EQ(length, 11);
  cluster_->EndMove(list, owner, to);
  EXPECT_EQ(Stored(list, to), UpTo(11));
}

TEST_F(ClusterCallsTest, AMasterThatDiesIsReplacedByItsReplicaAndNothingAcknowledgedIsLost) {
  Open(1);
  // The first master has the replica.
  std::string list = "{0}";
  for (int i = 0; cluster_->OwnerOf(list) != 0; ++i) list = "{" + std::to_string(i) + "}";
  Append(list, 200);
  AwaitAnswers();
  // Replication is asynchronous.
  AwaitEvidence([this] {
    const std::string info = cluster_->node(0).Ask({"INFO", "replication"});
    const size_t at = info.find("master_repl_offset:") + sizeof("master_repl_offset:") - 1;
    return info.find(",offset=" + info.substr(at, info.find('\r', at) - at) + ",") != std::string::npos;
  });
  cluster_->node(0).Kill();
  Append(list, 100);
  AwaitAnswers();
  const std::vector<int> stored = Stored(list, 3);
  EXPECT_EQ(stored, UpTo(sent_[list]));
  loop_.RunUntil([this] { return calls_->healthy(); });
}

// Most hubs work: that is not the same as none.
TEST_F(ClusterCallsTest, AMasterThatIsGoneIsAPart) {
  Open();
  for (size_t i = 0; i < cluster_->size(); ++i) {
    cluster_->node(i).Ask({"CONFIG", "SET", "cluster-require-full-coverage", "no"});
  }
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
  std::string list = "{0}";
  for (int i = 0; cluster_->OwnerOf(list) == 2; ++i) list = "{" + std::to_string(i) + "}";
  cluster_->node(2).Kill();
  loop_.RunUntil([this] { return calls_->state() != StoreState::kWell; });
  EXPECT_EQ(calls_->state(), StoreState::kPartly);
  EXPECT_NE(calls_->trouble().find(" of 16384 slots are not served (the node "), std::string::npos)
      << calls_->trouble();
  Append(list, 10);
  AwaitAnswers();
  cluster_->node(2).Start();
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
}

// It answers, and refuses: so do all, when each lacks room.
TEST_F(ClusterCallsTest, NodesThatRefuseChangesAreFoundOutOneByOne) {
  Open();
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
  for (size_t i = 0; i < cluster_->size(); ++i) {
    cluster_->node(i).Ask({"CONFIG", "SET", "maxmemory", "1"});
    const StoreState expected = i == 0 ? StoreState::kPartly : StoreState::kRefuses;
    std::string key = "{0}";
    for (int n = 0; cluster_->OwnerOf(key) != i; ++n) key = "{" + std::to_string(n) + "}";
    std::optional<StoreStatus> answer;
    calls_->Call(key, RedisCommand("SET", key, "value"),
                 [&](StoreStatus status, const redisReply*) { answer = status; });
    loop_.RunUntil([&] { return answer.has_value(); });
    EXPECT_EQ(answer, StoreStatus::kError);
    EXPECT_EQ(calls_->state(), expected) << i;
    EXPECT_NE(calls_->trouble().find("OOM "), std::string::npos) << calls_->trouble();
  }
  for (size_t i = 0; i < cluster_->size(); ++i) {
    cluster_->node(i).Ask({"CONFIG", "SET", "maxmemory", "0"});
  }
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
}

TEST_F(ClusterCallsTest, NodesThatRefuseAreFoundOutThoughNobodyCalls) {
  Open();
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
  cluster_->node(0).Ask({"CONFIG", "SET", "min-replicas-to-write", "9"});
  loop_.RunUntil([this] { return calls_->state() == StoreState::kPartly; });
  EXPECT_NE(calls_->trouble().find("NOREPLICAS "), std::string::npos) << calls_->trouble();
  for (size_t i = 1; i < cluster_->size(); ++i) {
    cluster_->node(i).Ask({"ACL", "SETUSER", "default", "-@scripting"});
  }
  loop_.RunUntil([this] { return calls_->state() == StoreState::kRefuses; });
  cluster_->node(0).Ask({"CONFIG", "SET", "min-replicas-to-write", "0"});
  for (size_t i = 1; i < cluster_->size(); ++i) {
    cluster_->node(i).Ask({"ACL", "SETUSER", "default", "+@scripting"});
  }
  loop_.RunUntil([this] { return calls_->state() == StoreState::kWell; });
  EXPECT_EQ(calls_->state(), StoreState::kWell);
}

}  // namespace
}  // namespace dormouse
