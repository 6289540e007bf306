#include "deploy/ctl/stored_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "deploy/ctl/failure.h"
#include "statekeeper/runtime/row_names.h"

namespace dormouse {
namespace {

using Rows = std::map<std::string, std::string>;

// Change 4 has made `b`, 5 has changed `a` and set an alarm, 6 has removed `c` and its timer.
Rows Example() {
  Rows rows;
  stored::HubMeta meta;
  meta.set_alarm_due_ms(5'000);
  meta.set_alarm_failures(2);
  meta.add_gateways()->set_gateway(7);
  rows[kMetaRow] = meta.SerializeAsString();
  rows[UserRow("a")] = "new";
  rows[UserRow("b")] = "1";
  stored::PastChange change;
  change.add_rows()->set_key("b");
  rows[PastRow(4)] = change.SerializeAsString();
  change.mutable_rows(0)->set_key("a");
  change.mutable_rows(0)->set_value("old");
  change.mutable_timers();
  rows[PastRow(5)] = change.SerializeAsString();
  change.mutable_rows(0)->set_key("c");
  change.mutable_rows(0)->set_value("");
  change.mutable_timers()->set_alarm_due_ms(5'000);
  change.mutable_timers()->add_timers()->set_name("t");
  rows[PastRow(6)] = change.SerializeAsString();
  stored::Past past;
  past.set_next(7);
  for (int i = 0; i < 3; ++i) past.add_bytes(1);
  rows[kPastRow] = past.SerializeAsString();
  return rows;
}

TEST(StoredHubTest, GoesBackToEachOfItsStates) {
  StoredHub hub("echo/attic", Example());
  EXPECT_EQ(hub.first_state(), 3u);
  EXPECT_EQ(hub.last_change, 6u);
  hub.GoBack(6);
  EXPECT_EQ(hub.rows, (Rows{{"a", "new"}, {"b", "1"}}));
  EXPECT_EQ(hub.meta.alarm_failures(), 2u);
  hub.GoBack(5);
  EXPECT_EQ(hub.rows, (Rows{{"a", "new"}, {"b", "1"}, {"c", ""}}));
  EXPECT_EQ(hub.meta.alarm_due_ms(), 5'000);
  EXPECT_EQ(hub.meta.alarm_failures(), 0u);
  EXPECT_EQ(hub.meta.timers_size(), 1);
  hub.GoBack(4);
  EXPECT_EQ(hub.rows, (Rows{{"a", "old"}, {"b", "1"}, {"c", ""}}));
  EXPECT_EQ(hub.meta.alarm_due_ms(), 0);
  EXPECT_EQ(hub.meta.timers_size(), 0);
  hub.GoBack(3);
  EXPECT_EQ(hub.rows, (Rows{{"a", "old"}, {"c", ""}}));
  EXPECT_TRUE(hub.changes.empty());
}

TEST(StoredHubTest, SaysWhatItCanGoBackTo) {
  for (const uint64_t to : {2u, 7u}) {
    StoredHub hub("echo/attic", Example());
    try {
      hub.GoBack(to);
      FAIL() << to;
    } catch (const Failure& failure) {
      EXPECT_THAT(failure.what(), testing::HasSubstr("changes 3 to 6"));
    }
  }
  StoredHub without("echo/attic", {{UserRow("a"), "1"}});
  try {
    without.GoBack(0);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_THAT(failure.what(), testing::HasSubstr("hub-history"));
  }
}

}  // namespace
}  // namespace dormouse
