#include "statekeeper/runtime/hub/output_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

OutputGate::Handled Handled(uint64_t sequence) {
  return {event::FromGateway{.gateway = 1, .sequence = sequence}, {}, {}};
}
uint64_t SequenceOf(const OutputGate::Handled& handled) {
  return std::get<event::FromGateway>(handled.event).sequence;
}
HubState::Change Writes(const std::string& key, const std::string& value) {
  HubState::Change change;
  change.writes.push_back({key, value});
  return change;
}
std::vector<uint64_t> TakeDurable(OutputGate* gate, uint64_t commit) {
  std::vector<uint64_t> taken;
  while (const auto handled = gate->TakeDurable(commit)) taken.push_back(SequenceOf(*handled));
  return taken;
}

TEST(OutputGateTest, OutputLeavesInOrderWhenItsCommitIsDurable) {
  OutputGate gate;
  EXPECT_TRUE(gate.IsOpen());
  EXPECT_TRUE(gate.Hold(Handled(1), Writes("a", "1"))) << "a commit is to be taken";
  EXPECT_FALSE(gate.Hold(Handled(2), Writes("b", "1"))) << "that is known";
  EXPECT_FALSE(gate.IsOpen());
  EXPECT_FALSE(gate.Hold(Handled(3), {})) << "it writes nothing, and may have read what is not durable";
  EXPECT_EQ(gate.TakeCommit("test/hub").number, 1u);
  EXPECT_TRUE(gate.Hold(Handled(4), Writes("a", "2")));
  EXPECT_EQ(gate.TakeCommit("test/hub").number, 2u);
  EXPECT_THAT(TakeDurable(&gate, 0), IsEmpty());
  EXPECT_THAT(TakeDurable(&gate, 1), ElementsAre(1, 2, 3));
  EXPECT_FALSE(gate.IsIdle());
  EXPECT_THAT(TakeDurable(&gate, 2), ElementsAre(4));
  EXPECT_TRUE(gate.IsIdle());
}

TEST(OutputGateTest, TheWritesOfATurnAreOneCommitWithTheLastValueOfEach) {
  OutputGate gate;
  gate.Hold(Handled(1), Writes("a", "1"));
  HubState::Change change = Writes("a", "2");
  change.next_due = 77;
  gate.Hold(Handled(2), std::move(change));
  gate.Hold(Handled(3), Writes("b", "1"));
  EXPECT_EQ(gate.rows_to_commit(), 2u);
  const OutputGate::Commit commit = gate.TakeCommit("test/hub");
  EXPECT_EQ(commit.writes.hub, "test/hub");
  ASSERT_EQ(commit.writes.rows.size(), 2u);
  EXPECT_EQ(commit.writes.rows[0].value, "2");
  EXPECT_EQ(commit.writes.alarm_due_ms, 77);
  EXPECT_EQ(gate.rows_to_commit(), 0u);
  gate.Hold(Handled(4), Writes("c", "1"));
  EXPECT_FALSE(gate.TakeCommit("test/hub").writes.alarm_due_ms.has_value());
}

TEST(OutputGateTest, NoEventBeginsWhileMuchIsOnItsWayToTheStore) {
  OutputGate gate;
  gate.Hold(Handled(1), Writes("a", std::string(OutputGate::kMaxBytesInFlight - 2, 'x')));
  EXPECT_FALSE(gate.IsFull());
  gate.TakeCommit("test/hub");
  gate.Hold(Handled(2), Writes("b", "x"));
  EXPECT_TRUE(gate.IsFull());
  EXPECT_THAT(TakeDurable(&gate, 1), ElementsAre(1));
  EXPECT_FALSE(gate.IsFull());
}

TEST(OutputGateTest, AFailedCommitTakesBackAllThatWasHandledOnTopOfIt) {
  OutputGate gate;
  gate.Hold(Handled(1), Writes("a", "1"));
  gate.TakeCommit("test/hub");
  gate.Hold(Handled(2), {});
  gate.Hold(Handled(3), Writes("a", "2"));
  EXPECT_FALSE(gate.Fail(0)) << "nothing needs it";
  EXPECT_TRUE(gate.Fail(1));
  EXPECT_TRUE(gate.has_failed());
  EXPECT_FALSE(gate.in_doubt());
  const auto taken = gate.RollBack();
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(SequenceOf(taken[0].handled), 1u);
  EXPECT_TRUE(taken[0].wrote);
  EXPECT_FALSE(taken[1].wrote);
  EXPECT_TRUE(taken[2].wrote);
  EXPECT_FALSE(gate.has_failed());
  EXPECT_TRUE(gate.in_doubt());
  EXPECT_TRUE(gate.IsOpen());
  EXPECT_FALSE(gate.IsFull());
  EXPECT_THAT(gate.TakeCommit("test/hub").writes.rows, IsEmpty()) << "its writes are dropped";
  EXPECT_FALSE(gate.Fail(2)) << "what needed it was taken back already";
  gate.OnReadAnew();
  EXPECT_FALSE(gate.in_doubt());
}

}  // namespace
}  // namespace dormouse
