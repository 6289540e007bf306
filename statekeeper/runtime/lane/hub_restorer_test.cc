#include "statekeeper/runtime/lane/hub_restorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "statekeeper/runtime/testing/hosted_lane.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HubRestorerTest : public testing::Test {
 protected:
  HubRestorerTest() { lane_.Serve(); }
  static HubRestore Whole(uint64_t run) {
    HubRestore restore;
    restore.hub = "test/a";
    restore.run = run;
    restore.replace = restore.first = restore.last = true;
    restore.rows = {{"u/row", "restored"}};
    return restore;
  }
  RestoreOutcome Restore(HubRestore restore) {
    RestoreOutcome outcome = RestoreOutcome::kUnreadable;
    lane_.host().restorer().Restore(std::make_shared<HubRestore>(std::move(restore)),
                                    [&](OperatorStatus status, RestoreOutcome said) {
                                      EXPECT_EQ(status, OperatorStatus::kOk);
                                      outcome = said;
                                    });
    lane_.Settle();
    return outcome;
  }

  HostedLane lane_;
};

TEST_F(HubRestorerTest, AHubInMemoryForgetsWhatItKnew) {
  lane_.Open("test/a");
  lane_.Say("test/a", "put");
  lane_.Settle();
  EXPECT_EQ(lane_.store->hubs["test/a"]["u/row"], "value");
  EXPECT_EQ(Restore(Whole(1)), RestoreOutcome::kDone);
  EXPECT_EQ(lane_.store->hubs["test/a"]["u/row"], "restored");
  lane_.Say("test/a", "put");
  lane_.Settle();
  EXPECT_EQ(lane_.store->hubs["test/a"]["u/row"], "restored") << "its sender is not known any more";
}

TEST_F(HubRestorerTest, WhatExistsIsReplacedOnRequestOnlyAndOnce) {
  EXPECT_EQ(Restore(Whole(1)), RestoreOutcome::kDone);
  EXPECT_EQ(Restore(Whole(1)), RestoreOutcome::kAlready);
  HubRestore careful = Whole(2);
  careful.replace = false;
  EXPECT_EQ(Restore(careful), RestoreOutcome::kExists);
  EXPECT_EQ(Restore(Whole(2)), RestoreOutcome::kDone);
}

TEST_F(HubRestorerTest, AHubInPartsServesNobodyUntilTheLast) {
  HubRestore first = Whole(1);
  first.last = false;
  EXPECT_EQ(Restore(first), RestoreOutcome::kDone);
  lane_.Open("test/a");
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), IsEmpty());
  stored::HubMeta meta;
  meta.ParseFromString(lane_.store->hubs["test/a"][kMetaRow]);
  EXPECT_EQ(meta.restoring(), 1u);
  HubRestore next = Whole(1);
  next.first = false;
  next.rows = {{"u/more", "restored"}};
  HubRestore stranger = next;
  stranger.run = 2;
  EXPECT_EQ(Restore(stranger), RestoreOutcome::kNotBegun);
  EXPECT_EQ(Restore(next), RestoreOutcome::kDone);
  lane_.Open("test/a");
  lane_.Say("test/a", "hello");
  lane_.Settle();
  EXPECT_THAT(lane_.Sent(), ElementsAre("hello"));
}

TEST_F(HubRestorerTest, AnswersThatAreKeptForIdempotencyKeysComeAlong) {
  HubRestore restore = Whole(1);
  restore.rows = {{std::string(kKeptAnswerRows) + "order-1", "answer"},
                  {std::string(kKeptKeyRows) + "0000000000000000", "key"},
                  {kKeptAnswersRow, "which"}};
  EXPECT_EQ(Restore(restore), RestoreOutcome::kDone);
  for (const RowWrite& row : restore.rows) EXPECT_EQ(lane_.store->hubs["test/a"][row.key], *row.value);
}

TEST_F(HubRestorerTest, RowsThatNoHubHasAreRefused) {
  HubRestore restore = Whole(1);
  restore.rows = {{"elsewhere", "x"}};
  EXPECT_EQ(Restore(restore), RestoreOutcome::kBadRow);
  EXPECT_EQ(lane_.store->hubs.count("test/a"), 0u);
}

}  // namespace
}  // namespace dormouse
