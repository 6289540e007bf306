#include "statekeeper/classes/signal/state/sent_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse::signal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SentLogTest : public testing::Test {
 protected:
  void Record(int64_t now_ms, const std::string& id, const std::vector<ConnectionId>& to,
              const std::string& tail) {
    std::vector<Context::HeadedRecipient> recipients;
    recipients.reserve(to.size());
    for (const ConnectionId& each : to) recipients.push_back({each, "to:"});
    log_.Record(now_ms, id, std::move(recipients), tail);
  }
  std::vector<std::string> After(const std::string& id, const ConnectionId& connection, int64_t now_ms = 0) {
    std::vector<std::string> frames;
    log_.ForEachAfter(id, connection, now_ms, [&](const std::string& frame) { frames.push_back(frame); });
    return frames;
  }

  SentLog log_;
  const ConnectionId alice_{1, 1};
  const ConnectionId bob_{1, 2};
};

TEST_F(SentLogTest, GivesARecipientWhatCameAfter) {
  Record(0, "1", {alice_, bob_}, "both");
  Record(0, "2", {bob_}, "bob");
  Record(0, "3", {alice_}, "alice");
  EXPECT_THAT(After("", alice_), ElementsAre("to:both", "to:alice"));
  EXPECT_THAT(After("1", alice_), ElementsAre("to:alice"));
  EXPECT_THAT(After("3", alice_), IsEmpty());
  EXPECT_THAT(After("", {1, 3}), IsEmpty());
}

TEST_F(SentLogTest, ForgetsAfterAMinute) {
  Record(0, "1", {alice_}, "old");
  Record(1, "2", {alice_}, "new");
  EXPECT_THAT(After("", alice_, SentLog::kMaxAgeMs + 1), ElementsAre("to:new"));
  Record(SentLog::kMaxAgeMs + 1, "3", {alice_}, "newer");
  EXPECT_THAT(After("", alice_), ElementsAre("to:new", "to:newer")) << "the old one takes no more room";
}

TEST_F(SentLogTest, KnowsFromWhereOnNothingIsMissing) {
  EXPECT_FALSE(log_.Covers("5", 0)) << "nobody knows what was sent before";
  log_.RecordAgain(0, "1", alice_, "again");
  EXPECT_FALSE(log_.Covers("5", 0));
  Record(0, "6", {bob_}, "first");
  EXPECT_FALSE(log_.Covers("5", 0));
  EXPECT_TRUE(log_.Covers("6", 0));
  Record(1, "7", {alice_}, "second");
  Record(2, "8", {alice_}, "third");
  EXPECT_TRUE(log_.Covers("6", 2));
  EXPECT_FALSE(log_.Covers("6", SentLog::kMaxAgeMs + 2)) << "the second is too old";
  EXPECT_TRUE(log_.Covers("7", SentLog::kMaxAgeMs + 2));
  Record(SentLog::kMaxAgeMs + 2, "9", {alice_}, std::string(SentLog::kMaxBytes, 'x'));
  EXPECT_FALSE(log_.Covers("8", SentLog::kMaxAgeMs + 2)) << "it was too large";
  EXPECT_TRUE(log_.Covers("9", SentLog::kMaxAgeMs + 2));
}

TEST_F(SentLogTest, HoldsSoManyBytes) {
  const std::string third(SentLog::kMaxBytes / 3, 'x');
  for (int i = 0; i < 5; ++i) Record(0, std::to_string(i), {alice_}, third);
  EXPECT_EQ(After("", alice_).size(), 2u);
  Record(0, "9", {alice_}, std::string(SentLog::kMaxBytes, 'y'));
  EXPECT_EQ(After("", alice_).size(), 2u) << "one that is too large takes nobody's place";
}

}  // namespace
}  // namespace dormouse::signal
