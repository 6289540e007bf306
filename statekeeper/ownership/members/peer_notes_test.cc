#include "statekeeper/ownership/members/peer_notes.h"

#include <gtest/gtest.h>

#include <vector>

namespace dormouse {
namespace {

class PeerNotesTest : public testing::Test {
 protected:
  void Tell(Duration after, bool reaches_store = true) {
    now_ += after;
    notes_.Tell(reaches_store, now_);
  }

  SteadyTime now_ = SteadyClock::now();
  std::vector<peer::Note> told_;
  PeerNotes notes_{[this](const peer::Note& note) { told_.push_back(note); }};
};

TEST_F(PeerNotesTest, NewsGoesAtOnceAndCounts) {
  Tell(Duration(0));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0].reaches_store());
  Tell(Duration(100));
  EXPECT_EQ(told_.size(), 1u) << "nothing is new";
  notes_.MarkNews();
  Tell(Duration(0));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[1].changes(), told_[0].changes() + 1);
  EXPECT_FALSE(notes_.has_news());
}

TEST_F(PeerNotesTest, MuchNewsIsOneNote) {
  Tell(Duration(0));
  notes_.MarkNews();
  Tell(Duration(1));
  EXPECT_EQ(told_.size(), 1u);
  notes_.MarkNews();
  Tell(Duration(100));
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(PeerNotesTest, WhetherTheStoreIsReachedIsNews) {
  Tell(Duration(0), true);
  Tell(Duration(100), false);
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_FALSE(told_[1].reaches_store());
}

TEST_F(PeerNotesTest, NowAndThenItOnlySaysThatItLives) {
  Tell(Duration(0));
  Tell(Duration(500));
  ASSERT_EQ(told_.size(), 2u);
  EXPECT_EQ(told_[1].changes(), told_[0].changes());
}

}  // namespace
}  // namespace dormouse
