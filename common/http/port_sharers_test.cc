#include "common/http/port_sharers.h"

#include <ev.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/free_port.h"
#include "common/http/listener.h"

namespace dormouse {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class PortSharersTest : public testing::Test {
 protected:
  PortSharersTest() : loop_(ev_loop_new(EVFLAG_AUTO), ev_loop_destroy) {}

  // As a gateway does; it listens until the test ends. Empty, or why not.
  std::string Listen(const std::string& group, const std::string& host = "127.0.0.1") {
    const std::string address = host + ":" + std::to_string(port_);
    auto sharers = std::make_unique<PortSharers>(group);
    auto listener = std::make_unique<Listener>(loop_.get(), [](int, const IpAddress&, bool) { return true; });
    std::string wrong = sharers->Claim(address);
    if (!wrong.empty()) return wrong;
    wrong = listener->Listen(address, Listener::Sharing::kShared, "--listen");
    if (!wrong.empty()) return wrong;
    sharers->Settle(listener->port());
    sharers_.push_back(std::move(sharers));
    listeners_.push_back(std::move(listener));
    return "";
  }
  void End() {
    listeners_.clear();
    sharers_.clear();
  }

  const std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)> loop_;
  const int port_ = FreePort();
  std::vector<std::unique_ptr<PortSharers>> sharers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

TEST_F(PortSharersTest, ThoseOfOneGroupShareAPort) {
  EXPECT_EQ(Listen("one"), "");
  EXPECT_EQ(Listen("one"), "");
  EXPECT_EQ(Listen("one"), "");
}

TEST_F(PortSharersTest, AnotherGroupIsToldUntilTheFirstIsGone) {
  ASSERT_EQ(Listen("one"), "");
  const std::string wrong = Listen("another");
  EXPECT_THAT(wrong, StartsWith("cannot listen on 127.0.0.1:" + std::to_string(port_) + ": "));
  EXPECT_THAT(wrong, HasSubstr("another cluster"));
  EXPECT_EQ(Listen("one"), "") << "who was refused is in nobody's way";
  End();
  EXPECT_EQ(Listen("another"), "");
}

TEST_F(PortSharersTest, AnAddressOfAllIsNoWayRound) {
  ASSERT_EQ(Listen("one"), "");
  EXPECT_THAT(Listen("another", "0.0.0.0"), HasSubstr("another cluster"));
}

TEST_F(PortSharersTest, AStrangerWhoWouldShareIsNotSharedWith) {
  Listener stranger(loop_.get(), [](int, const IpAddress&, bool) { return true; });
  ASSERT_EQ(stranger.Listen("127.0.0.1:" + std::to_string(port_), Listener::Sharing::kShared, "--listen"),
            "");
  EXPECT_THAT(Listen("one"), HasSubstr("Address already in use"));
}

TEST_F(PortSharersTest, OfTwoGroupsThatStartAtOnceOneListens) {
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> wrong(2);
    std::vector<std::unique_ptr<PortSharers>> claims;
    claims.reserve(2);
    for (int i = 0; i < 2; ++i) claims.push_back(std::make_unique<PortSharers>(std::to_string(i)));
    std::vector<std::unique_ptr<Listener>> listeners(2);
    const std::string address = "127.0.0.1:" + std::to_string(port_);
    std::vector<std::unique_ptr<struct ev_loop, void (*)(struct ev_loop*)>> loops;
    loops.reserve(2);
    for (int i = 0; i < 2; ++i) loops.emplace_back(ev_loop_new(EVFLAG_AUTO), ev_loop_destroy);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < 2; ++i) {
      threads.emplace_back([&, i] {
        wrong[i] = claims[i]->Claim(address);
        if (!wrong[i].empty()) return;
        listeners[i] =
            std::make_unique<Listener>(loops[i].get(), [](int, const IpAddress&, bool) { return true; });
        wrong[i] = listeners[i]->Listen(address, Listener::Sharing::kShared, "--listen");
        claims[i]->Settle(port_);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_NE(wrong[0].empty(), wrong[1].empty()) << wrong[0] << wrong[1];
    listeners.clear();
  }
}

}  // namespace
}  // namespace dormouse
