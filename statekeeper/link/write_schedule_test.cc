#include "statekeeper/link/write_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(WriteScheduleTest, RunsWhatWasAddedAndWhatThatAdds) {
  struct ev_loop* const loop = ev_loop_new(0);
  {
    WriteSchedule schedule(loop, [] {});
    schedule.Add(1);
    schedule.Add(2);
    std::vector<GatewayId> written;
    const auto run = [&] {
      schedule.Run([&](GatewayId gateway) {
        written.push_back(gateway);
        if (gateway == 1) schedule.Add(3);
      });
    };
    run();
    run();
    EXPECT_THAT(written, testing::ElementsAre(1, 2, 3));
  }
  ev_loop_destroy(loop);
}

TEST(WriteScheduleTest, NotesAreDueOnceWhenTheyHaveWaited) {
  struct ev_loop* const loop = ev_loop_new(0);
  {
    int due = 0;
    WriteSchedule schedule(loop, [&] { ++due; });
    schedule.AddNotes();
    schedule.AddNotes();
    ev_run(loop, 0);  // until nothing waits
    EXPECT_EQ(due, 1);
  }
  ev_loop_destroy(loop);
}

}  // namespace
}  // namespace dormouse
