#include "gateway/edge/hubs/hub_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace dormouse::edge {
namespace {

using testing::IsEmpty;
using testing::UnorderedElementsAre;

class HubSocketsTest : public testing::Test {
 protected:
  HubSocketsTest() {
    for (size_t i = 0; i < all_.size(); ++i) {
      all_[i].handle = i;
      all_[i].hub = i < 3 ? "room/a" : "room/b";
      sockets_.Add(&all_[i]);
    }
  }
  std::vector<uint64_t> Of(const std::string& hub) const {
    std::vector<uint64_t> handles;
    sockets_.ForEach(hub, [&](const Connection* connection) { handles.push_back(connection->handle); });
    return handles;
  }

  std::array<Connection, 5> all_;
  HubSockets sockets_;
};

TEST_F(HubSocketsTest, KnowsThoseOfEachHub) {
  EXPECT_THAT(Of("room/a"), UnorderedElementsAre(0, 1, 2));
  EXPECT_THAT(Of("room/b"), UnorderedElementsAre(3, 4));
  EXPECT_THAT(Of("room/c"), IsEmpty());
}

TEST_F(HubSocketsTest, ForgetsThemInAnyOrder) {
  for (const std::array<size_t, 3> order :
       {std::array<size_t, 3>{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}}) {
    sockets_.Remove(&all_[order[0]]);
    EXPECT_THAT(Of("room/a"), UnorderedElementsAre(order[1], order[2]));
    sockets_.Remove(&all_[order[1]]);
    EXPECT_THAT(Of("room/a"), UnorderedElementsAre(order[2]));
    sockets_.Remove(&all_[order[2]]);
    EXPECT_THAT(Of("room/a"), IsEmpty());
    EXPECT_EQ(sockets_.hubs(), 1u);
    for (const size_t i : order) sockets_.Add(&all_[i]);
    EXPECT_THAT(Of("room/a"), UnorderedElementsAre(0, 1, 2));
  }
  EXPECT_THAT(Of("room/b"), UnorderedElementsAre(3, 4));
}

}  // namespace
}  // namespace dormouse::edge
