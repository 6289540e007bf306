// hub:queue_stats, and what it is measured with.
#include <gmock/gmock.h>

#include "statekeeper/classes/signal/state/throughput.h"
#include "statekeeper/classes/signal/testing/hub_stage.h"

namespace dormouse::signal {
namespace {

TEST(ThroughputTest, CountsTheLastTenSeconds) {
  Throughput throughput;
  EXPECT_EQ(throughput.PerSecond(5'000), 0);
  for (int64_t ms = 5'000; ms < 9'000; ms += 100) throughput.Count(ms);
  EXPECT_NEAR(throughput.PerSecond(9'000), 10, 0.1) << "since it began";
  EXPECT_NEAR(throughput.PerSecond(14'000), 40.0 / 9, 0.1);
  EXPECT_NEAR(throughput.PerSecond(16'000), 2, 0.1) << "what is older counts no more";
  EXPECT_EQ(throughput.PerSecond(1'000'000), 0);
  throughput.Count(1'000'000);
  EXPECT_NEAR(throughput.PerSecond(1'000'000), 0.1, 0.001) << "a slice is used again";
}

TEST(ThroughputTest, TheFirstMessageIsNoThousandASecond) {
  Throughput throughput;
  throughput.Count(7'000);
  EXPECT_EQ(throughput.PerSecond(7'000), 1);
}

class StatisticsTest : public testing::Test, protected HubStage {
 protected:
  StatisticsTest()
      : HubStage([] {
          Options options;
          options.outbound_pause_messages = 70;
          options.outbound_resume_messages = 30;
          return options;
        }()) {}
  std::string Stats(const std::string& field) {
    const Frame frame = Ask(client_, "hub:queue_stats", "c/1", "{}");
    EXPECT_EQ(frame.type(), "hub:queue_stats_response");
    return frame["payload." + field];
  }
  const ConnectionId client_ = Actor("c/1");
};

TEST_F(StatisticsTest, SaysTheMarksInForce) {
  EXPECT_EQ(Stats("pauseThreshold"), "70");
  EXPECT_EQ(Stats("resumeThreshold"), "30");
}

TEST_F(StatisticsTest, DepthIsWhatWaitsForCongestedConnections) {
  EXPECT_EQ(Stats("queueDepth"), "0");
  const ConnectionId slow = Actor("t/slow");
  hub().ClientFallsBehind(slow, true, {100, 1});
  hub().ClientFallsBehind(client_, true, {20, 1});
  EXPECT_EQ(Stats("queueDepth"), "120");
  hub().ClientFallsBehind(slow, true, {200, 1});
  hub().Sleep();
  EXPECT_EQ(Stats("queueDepth"), "220");
  hub().ClientFallsBehind(slow, false, {30, 1});
  EXPECT_EQ(Stats("queueDepth"), "20");
  hub().ClientFallsBehind(client_, false, {0, 0});
  EXPECT_EQ(Stats("queueDepth"), "0");
}

TEST_F(StatisticsTest, RateIsMeasured) {
  hub().Sleep();
  for (int i = 0; i < 49; ++i) {
    hub().Advance(100);
    hub().ClientSends(client_, Envelope("hub:heartbeat", "c/1", "{}"));
  }
  Frames(client_);
  hub().Advance(100);
  EXPECT_EQ(Stats("processingRate"), "10.2");
  hub().Sleep();
  EXPECT_EQ(Stats("processingRate"), "1.0") << "this one";
}

}  // namespace
}  // namespace dormouse::signal
