#include "statekeeper/store/redis/redis_handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "statekeeper/store/redis/redis_reply.h"

namespace dormouse {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// What hiredis makes of that answer.
RedisReply Parse(std::string_view answer) {
  redisReader* const reader = redisReaderCreate();
  redisReaderFeed(reader, answer.data(), answer.size());
  void* reply = nullptr;
  redisReaderGetReply(reader, &reply);
  redisReaderFree(reader);
  return RedisReply(static_cast<redisReply*>(reply));
}

class RedisHandshakeTest : public testing::Test {
 protected:
  RedisHandshakeTest() {
    config_.probe_key = "probe";
    config_.scripts = {"return 1"};
  }
  RedisHandshake::Progress Answer(const std::string& answer) { return handshake_.OnAnswer(*Parse(answer)); }
  // A server of that mode and process says yes to everything. The last that it was told.
  std::string Pass(const std::string& run_id, int client) {
    handshake_.Begin();
    Answer(Info("standalone", run_id));
    Answer(":0\r\n");  // the probe
    Answer(":" + std::to_string(client) + "\r\n");
    Answer("$3\r\nabc\r\n");
    const RedisHandshake::Progress progress = Answer("$3\r\ndef\r\n");
    EXPECT_TRUE(Answer(":0\r\n").done);
    return progress.commands.at(0);
  }
  static std::string Info(const std::string& mode, const std::string& run_id = "a") {
    const std::string text = "# Server\r\nredis_mode:" + mode + "\r\nrun_id:" + run_id + "\r\n";
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }

  RedisConfig config_;
  RedisHandshake handshake_{config_, {}};
};

TEST_F(RedisHandshakeTest, KillsTheConnectionBeforeWhereItIsOfTheSameServer) {
  EXPECT_THAT(Pass("a", 17), Not(HasSubstr("\r\n17\r\n")));
  EXPECT_THAT(Pass("a", 18), HasSubstr("\r\n17\r\n"));
  EXPECT_THAT(Pass("b", 1), Not(HasSubstr("\r\n18\r\n"))) << "started anew: the number is somebody else's";
  EXPECT_THAT(handshake_.script_hashes(), ElementsAre("abc"));
  EXPECT_THAT(handshake_.ProbeOfChanges("key"), HasSubstr("\r\ndef\r\n"));
}

TEST_F(RedisHandshakeTest, AServerOfAnotherKindIsRefusedWithWhatToWrite) {
  handshake_.Begin();
  const RedisHandshake::Progress sentinel = Answer(Info("sentinel"));
  ASSERT_TRUE(sentinel.trouble.has_value());
  EXPECT_TRUE(sentinel.trouble->refused);
  EXPECT_THAT(sentinel.trouble->text, HasSubstr("redis+sentinel://"));
  config_.server.kind = RedisUrl::Kind::kCluster;
  handshake_.Begin();
  EXPECT_THAT(Answer(Info("standalone")).trouble->text, HasSubstr("not a node of a Redis Cluster"));
}

TEST_F(RedisHandshakeTest, AServerThatWillServeLaterIsNoRefusal) {
  handshake_.Begin();
  EXPECT_FALSE(Answer("-LOADING it reads its file\r\n").trouble->refused);
  handshake_.Begin();
  EXPECT_TRUE(Answer("-WRONGPASS no\r\n").trouble->refused);
}

TEST_F(RedisHandshakeTest, LogsInWithThePasswordOfThisConnection) {
  handshake_.Prepare({}, "secret");
  EXPECT_THAT(handshake_.Begin(), Contains(HasSubstr("secret")));
  handshake_.Prepare({}, "");
  EXPECT_THAT(handshake_.Begin(), Not(Contains(HasSubstr("secret"))));
}

}  // namespace
}  // namespace dormouse
