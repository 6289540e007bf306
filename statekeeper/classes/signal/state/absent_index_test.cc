#include "statekeeper/classes/signal/state/absent_index.h"

#include <gtest/gtest.h>

namespace dormouse::signal {
namespace {

constexpr ConnectionId kHolder{1, 1};
constexpr ConnectionId kPlace{1, 2};
constexpr ConnectionId kOther{1, 3};

TEST(AbsentIndexTest, EachPlaceLeadsToItsHolder) {
  AbsentIndex index;
  EXPECT_EQ(index.HolderOf(kPlace), nullptr);
  index.Add(kHolder, kHolder, false);
  index.Add(kPlace, kHolder, false);
  EXPECT_EQ(*index.HolderOf(kPlace), kHolder);
  EXPECT_FALSE(index.Contains(kOther));
  EXPECT_EQ(index.CountSessions(), 1u);
  EXPECT_EQ(index.CountPlaces(), 2u);
}

TEST(AbsentIndexTest, WhatHasEndedIsNeitherAliveNorCounted) {
  AbsentIndex index;
  index.Add(kHolder, kHolder, false);
  index.Add(kOther, kOther, true);
  EXPECT_TRUE(index.IsAlive(kHolder));
  EXPECT_FALSE(index.IsAlive(kOther));
  EXPECT_TRUE(index.Contains(kOther)) << "its rows are not gone";
  EXPECT_TRUE(index.HasEnded(kOther));
  EXPECT_EQ(index.CountSessions(), 1u);
  EXPECT_EQ(index.CountPlaces(), 1u);
  index.Remove(kOther);
  EXPECT_FALSE(index.HasEnded(kOther));
  EXPECT_FALSE(index.Contains(kOther));
}

}  // namespace
}  // namespace dormouse::signal
