#include "statekeeper/runtime/hub/hub_past.h"

#include <gtest/gtest.h>

#include <map>

#include "statekeeper/runtime/row_names.h"
#include "statekeeper/runtime/testing/hub_parts.h"

namespace dormouse {
namespace {

class HubPastTest : public testing::Test {
 protected:
  HubPastTest() {
    limits_.history = 3;
    limits_.history_bytes = 1'000;
  }
  void Apply(const std::vector<RowWrite>& writes) {
    for (const RowWrite& write : writes) {
      if (write.value) {
        rows_[write.key] = *write.value;
      } else {
        rows_.erase(write.key);
      }
    }
  }
  // A change of so many bytes.
  void Add(size_t bytes) {
    stored::PastChange change;
    auto* const row = change.add_rows();
    row->set_key("k");
    row->set_value(std::string(bytes, 'x'));
    Apply(HubPast(rows_[kPastRow]).Add(change, limits_));
  }
  std::vector<std::string> Kept() const {
    std::vector<std::string> kept;
    for (const auto& [key, value] : rows_) {
      if (key != kPastRow) kept.push_back(key);
    }
    return kept;
  }

  HubLimits limits_;
  std::map<std::string, std::string> rows_;
};

TEST_F(HubPastTest, KeepsSoManyOfTheLast) {
  for (int i = 0; i < 5; ++i) Add(1);
  EXPECT_EQ(Kept(), (std::vector{PastRow(3), PastRow(4), PastRow(5)}));
  limits_.history = 2;
  Add(1);
  EXPECT_EQ(Kept(), (std::vector{PastRow(5), PastRow(6)}));
}

TEST_F(HubPastTest, KeepsSoManyBytes) {
  for (int i = 0; i < 3; ++i) Add(400);
  EXPECT_EQ(Kept(), (std::vector{PastRow(2), PastRow(3)}));
}

TEST_F(HubPastTest, BeforeWhatIsTooLargeNothingCanBeTakenBack) {
  Add(1);
  Add(1'001);
  EXPECT_EQ(Kept(), std::vector<std::string>());
  Add(1);
  EXPECT_EQ(Kept(), std::vector{PastRow(3)});
  Apply(HubPast(rows_[kPastRow]).AddUnknown());
  Add(1);
  EXPECT_EQ(Kept(), std::vector{PastRow(5)});
}

TEST_F(HubPastTest, EndsWithoutATrace) {
  Add(1);
  Add(1);
  Apply(HubPast(rows_[kPastRow]).End());
  EXPECT_TRUE(rows_.empty());
}

// --- What a hub's state makes of it.

class StateWithPastTest : public testing::Test {
 protected:
  StateWithPastTest() { limits_.history = 10; }

  HubState NewState() {
    return HubState({parts_.name, parts_.host.reap_interval(), &limits_}, parts_.host.store(),
                    parts_.host.fibers(), &parts_.clock);
  }
  // One event's change, as the store gets it.
  void Change(const std::function<void(HubState*)>& write) {
    HubState state = NewState();
    parts_.host.fibers()->Run([&] {
      state.Load();
      write(&state);
      state.CountState(0);
    });
    parts_.host.hub_store.StepAll();
    for (const RowWrite& each : state.TakeChange().writes) {
      if (each.value) {
        Stored()[each.key] = *each.value;
      } else {
        Stored().erase(each.key);
      }
    }
  }
  std::map<std::string, std::string>& Stored() { return parts_.host.hub_store.hubs[parts_.name]; }
  size_t RowsOfPast() {
    size_t count = 0;
    for (const auto& [key, value] : Stored()) count += key.starts_with(kPastRows) ? 1 : 0;
    return count;
  }
  stored::PastChange Past(uint64_t number) {
    stored::PastChange change;
    change.ParseFromString(Stored()[PastRow(number)]);
    return change;
  }

  HubParts parts_;
  HubLimits limits_;
};

TEST_F(StateWithPastTest, NotesHowRowsAndTimersWereBefore) {
  Change([](HubState* state) {
    state->Put(UserRow("a"), "1");
    state->SetTimer("", 5'000);
  });
  Change([](HubState* state) {
    state->Put(UserRow("a"), "2");
    state->Put(UserRow("a"), "3");
    state->Put(UserRow("b"), "1");
  });
  ASSERT_EQ(RowsOfPast(), 2u);
  ASSERT_EQ(Past(1).rows_size(), 1);
  EXPECT_EQ(Past(1).rows(0).key(), "a");
  EXPECT_FALSE(Past(1).rows(0).has_value());
  EXPECT_TRUE(Past(1).has_timers());
  EXPECT_EQ(Past(1).timers().alarm_due_ms(), 0);
  ASSERT_EQ(Past(2).rows_size(), 2);
  EXPECT_EQ(Past(2).rows(0).value(), "1");
  EXPECT_FALSE(Past(2).rows(1).has_value());
  EXPECT_FALSE(Past(2).has_timers());
  Change([](HubState* state) { state->SetTimer("", 6'000); });
  EXPECT_EQ(Past(3).rows_size(), 0);
  EXPECT_EQ(Past(3).timers().alarm_due_ms(), 5'000);
}

TEST_F(StateWithPastTest, WhatIsOfConnectionsAloneIsNoChange) {
  Change([](HubState* state) { state->AddConnection({7, 8}, 1'000); });
  EXPECT_FALSE(Stored().contains(kPastRow));
}

TEST_F(StateWithPastTest, OfALargeHubTheValueThatNobodyHasReadIsFound) {
  for (int i = 0; i < 1'000; ++i) Stored()[UserRow("r" + std::to_string(i))] = std::to_string(i);
  Change([](HubState* state) { state->Put(UserRow("r999"), "new"); });
  ASSERT_EQ(Past(1).rows_size(), 1);
  EXPECT_EQ(Past(1).rows(0).value(), "999");
}

TEST_F(StateWithPastTest, WhereItIsOffNothingIsKept) {
  limits_.history = 0;
  Change([](HubState* state) { state->Put(UserRow("a"), "1"); });
  EXPECT_EQ(Stored().size(), 2u) << "the meta row, and that one";
  limits_.history = 10;
  Change([](HubState* state) { state->Put(UserRow("a"), "2"); });
  EXPECT_EQ(RowsOfPast(), 1u);
  // What is changed unseen would make the rest untrue.
  limits_.history = 0;
  Change([](HubState* state) { state->Put(UserRow("a"), "3"); });
  EXPECT_EQ(Stored().size(), 2u);
}

TEST_F(StateWithPastTest, WhatIsTakenBackWasNoChange) {
  HubState state = NewState();
  parts_.host.fibers()->Run([&] {
    state.Load();
    state.Put(UserRow("a"), "1");
  });
  parts_.host.hub_store.StepAll();
  state.RevertOpenChange();
  state.Put(UserRow("a"), "2");
  const HubState::Change change = state.TakeChange();
  EXPECT_TRUE(
      std::ranges::any_of(change.writes, [](const RowWrite& each) { return each.key == PastRow(1); }));
}

}  // namespace
}  // namespace dormouse
