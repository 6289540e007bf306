#include "gateway/link/send_window.h"

#include <gtest/gtest.h>

namespace dormouse {
namespace {

TEST(SendWindowTest, IsOpenUntilAWindowIsUnderWay) {
  SendWindow window;
  EXPECT_TRUE(window.IsOpen(SendWindow::kBytes - 1));
  EXPECT_FALSE(window.IsOpen(SendWindow::kBytes));
  window.Sent(SendWindow::kBytes);
  EXPECT_FALSE(window.IsOpen(0));
  window.Done(10);
  EXPECT_TRUE(window.IsOpen(9));
  EXPECT_FALSE(window.IsOpen(10));
}

TEST(SendWindowTest, PositionsThatAreOverOrOfOthersChangeNothing) {
  SendWindow window;
  window.Sent(100);
  window.Done(50);
  window.Done(40);
  window.Done(500);
  EXPECT_FALSE(window.empty());
  window.Done(100);
  EXPECT_TRUE(window.empty());
}

TEST(SendWindowTest, CountsOnWhenPositionsWrap) {
  SendWindow window;
  for (int i = 0; i < 5000; ++i) {  // more than 4 GiB
    window.Sent(SendWindow::kBytes);
    EXPECT_FALSE(window.IsOpen(0));
    window.Done(window.position());
    EXPECT_TRUE(window.empty());
  }
}

TEST(SendWindowTest, ASilentLaneIsTakenToHaveDealtWithAll) {
  SendWindow window;
  window.Sent(SendWindow::kBytes);
  for (uint32_t i = 0; i < SendWindow::kTicks; ++i) window.Tick();
  EXPECT_FALSE(window.IsOpen(0));
  window.Done(1);  // it was heard
  for (uint32_t i = 0; i < SendWindow::kTicks; ++i) window.Tick();
  EXPECT_FALSE(window.empty());
  window.Tick();
  EXPECT_TRUE(window.empty());
}

}  // namespace
}  // namespace dormouse
