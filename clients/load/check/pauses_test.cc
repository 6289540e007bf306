#include "clients/load/check/pauses.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace dormouse::load::check {
namespace {

using testing::ElementsAre;
using testing::Field;

constexpr Micros kMillisecond = 1000;
constexpr Micros kSecond = 1'000'000;

class PausesTest : public testing::Test {
 protected:
  OperationId Sends(Micros at, ClientId client, Kind kind = Kind::kSend) {
    const OperationId operation = history_.NextOperation();
    history_.Add(at, Sent{.operation = operation, .client = client, .target = 0, .kind = kind});
    return operation;
  }
  void Answers(Micros at, OperationId operation, ClientId client) {
    history_.Add(at, Answered{.operation = operation, .client = client});
  }
  void Mark(Micros at, const std::string& name) { history_.Add(at, Marked{history_.Words(name)}); }
  std::vector<Pause> Read() const { return Pauses(Ledger(history_)); }

  History history_{4, 2};
};

TEST_F(PausesTest, TakesTheLongestWaitOfEachConnectionAndHub) {
  Mark(0, kReady);
  Answers(kSecond, Sends(0, 0), 0);  // long ago
  Answers(8 * kSecond + kMillisecond, Sends(8 * kSecond, 0), 0);
  const OperationId under_way = Sends(20 * kSecond - 50 * kMillisecond, 0);
  Mark(20 * kSecond, "kill");
  const OperationId behind = Sends(21 * kSecond, 2);
  const OperationId of_another_hub = Sends(22 * kSecond, 1);
  Answers(22 * kSecond + kMillisecond, of_another_hub, 1);
  Answers(22 * kSecond, under_way, 0);
  Answers(26 * kSecond, behind, 2);
  Answers(40 * kSecond, Sends(31 * kSecond, 1), 1);  // too late to be of it
  const std::vector<Pause> pauses = Read();
  ASSERT_THAT(pauses, ElementsAre(Field(&Pause::mark, "baseline"), Field(&Pause::mark, "kill")));
  EXPECT_EQ(pauses[1].connections.count, 3U);
  EXPECT_EQ(pauses[1].connections.p50, 2050 * kMillisecond);
  EXPECT_EQ(pauses[1].connections.max, 5 * kSecond);
  EXPECT_EQ(pauses[1].hubs.count, 2U);
  EXPECT_EQ(pauses[1].hubs_over_100ms, 1U);
  EXPECT_EQ(pauses[1].hubs_over_500ms, 1U);
  EXPECT_EQ(pauses[1].hubs_over_4s, 1U);
}

TEST_F(PausesTest, ComparesWithTheTimeBeforeTheFirstMark) {
  Answers(10 * kSecond, Sends(0, 0), 0);
  Mark(11 * kSecond, kReady);
  Answers(12 * kSecond + kMillisecond, Sends(12 * kSecond, 0), 0);
  Mark(15 * kSecond, "kill");
  const std::vector<Pause> pauses = Read();
  EXPECT_EQ(pauses[0].connections.count, 1U);
  EXPECT_EQ(pauses[0].connections.max, kMillisecond);
}

TEST_F(PausesTest, WaitsForTheNextSessionWhereASocketIsLost) {
  Mark(0, kReady);
  Mark(10 * kSecond, "kill");
  Sends(11 * kSecond, 0);
  history_.Add(12 * kSecond, Closed{.client = 0, .code = 1006});
  history_.Add(14 * kSecond, Session{.client = 0, .resumed = true});
  Mark(30 * kSecond, "end");
  EXPECT_EQ(Read()[1].connections.max, 3 * kSecond);
}

TEST_F(PausesTest, WaitsUntilTheEndForWhatNobodyAnswers) {
  Mark(0, kReady);
  Mark(10 * kSecond, "kill");
  Sends(11 * kSecond, 0);
  Mark(30 * kSecond, "end");
  EXPECT_EQ(Read()[1].connections.max, 19 * kSecond);
}

TEST_F(PausesTest, LeavesOutWhatNoHubAnswers) {
  Mark(0, kReady);
  Mark(10 * kSecond, "kill");
  Answers(12 * kSecond, Sends(11 * kSecond, 0, Kind::kHeartbeat), 0);
  Sends(11 * kSecond, 0, Kind::kTell);
  EXPECT_EQ(Read()[1].connections.count, 0U);
  EXPECT_EQ(Latency(Ledger(history_), true).max, kSecond);
  EXPECT_EQ(Latency(Ledger(history_), false).count, 0U);
}

}  // namespace
}  // namespace dormouse::load::check
