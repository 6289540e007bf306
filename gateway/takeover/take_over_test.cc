// Both sides of a take-over, in one process: the one that runs on a loop, its successor in the test's thread.
#include <ev.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/loop/loop_wake.h"
#include "common/temp_dir.h"
#include "gateway/takeover/handing_over.h"
#include "gateway/takeover/state_version.h"
#include "gateway/takeover/taking_over.h"

namespace dormouse::takeover {
namespace {

Hello Self() {
  Hello hello;
  hello.set_cluster("here");
  hello.set_listen("127.0.0.1:8080");
  hello.set_admin("127.0.0.1:8081");
  return hello;
}

class TakeOverTest : public testing::Test {
 protected:
  TakeOverTest() : path_(SocketPath(data_.path(), "127.0.0.1:8081")), loop_(ev_loop_new(EVBACKEND_EPOLL)) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0);
    handing_over_ = std::make_unique<HandingOver>(
        loop_, path_, Self(),
        HandingOver::Gateway{
            .identity = "who I am",
            .why_not = [this] { return why_not_; },
            .shards = [] { return 16u; },
            .descriptors = [this] { return connections_ + 3; },
            .ports =
                [this] {
                  return std::vector<int>{ends_[0], ends_[0]};
                },
            .is_settled = [] { return true; },
            .save = [this](const std::vector<int>& ports, StateWriter* writer) { Save(ports, writer); },
            .leave = [this] { left_ = true; },
            .report =
                [this](const HandingOver::Report& report) {
                  const std::lock_guard lock(mutex_);
                  report_ = report;
                  reported_.notify_all();
                }});
    EXPECT_EQ(handing_over_->Listen(), "");
    thread_ = std::thread([this] { ev_run(loop_, 0); });
  }
  ~TakeOverTest() override {
    stop_.Send();
    thread_.join();
    handing_over_.reset();
    stop_.Stop();
    ev_loop_destroy(loop_);
    close(ends_[0]);
    close(ends_[1]);
  }

  void Save(const std::vector<int>& ports, StateWriter* writer) {
    Item item;
    item.mutable_ports()->set_table_key(99);
    item.mutable_ports()->set_plain(true);
    writer->Add(std::move(item), ports);
    for (uint64_t i = 0; i < connections_; ++i) {
      Item connection;
      connection.mutable_connection()->set_handle(i);
      connection.mutable_connection()->set_hub(std::string(hub_bytes_, 'h'));
      writer->Add(std::move(connection), ends_[0]);
    }
    Item end;
    end.mutable_end()->set_connections(connections_);
    writer->Add(std::move(end));
  }

  // Reads all that the other has. Empty, or what is wrong.
  static std::string ReadAll(StateReader* reader, uint64_t* connections) {
    while (const Item* item = reader->Next()) {
      if (item->has_end()) return "";
      EXPECT_EQ(item->connection().handle(), *connections);
      close(reader->TakeDescriptor());
      ++*connections;
    }
    return reader->wrong();
  }

  HandingOver::Report AwaitReport() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(reported_.wait_for(lock, std::chrono::seconds(10), [this] { return report_.has_value(); }));
    return std::exchange(report_, std::nullopt).value_or(HandingOver::Report{});
  }
  std::string WhyNot(const Hello& hello) {
    std::string wrong;
    EXPECT_EQ(TakingOver::Begin(path_, hello, &wrong), nullptr);
    EXPECT_EQ(AwaitReport().outcome, HandingOver::Outcome::kRefused);
    return wrong;
  }

  // A successor to whom all goes well.
  void TakeAll() {
    std::string wrong;
    const auto other = TakingOver::Begin(path_, Self(), &wrong);
    ASSERT_NE(other, nullptr) << wrong;
    uint64_t connections = 0;
    EXPECT_EQ(ReadAll(other->Ask(16, &wrong), &connections), "");
    EXPECT_TRUE(other->Take(connections, &wrong)) << wrong;
    EXPECT_EQ(AwaitReport().outcome, HandingOver::Outcome::kDone);
  }

  TempDir data_;
  const std::string path_;
  struct ev_loop* const loop_;
  LoopWake stop_{loop_, [this] { ev_break(loop_, EVBREAK_ALL); }};
  int ends_[2] = {-1, -1};
  uint64_t connections_ = 600;
  size_t hub_bytes_ = 100;
  std::string why_not_;
  std::unique_ptr<HandingOver> handing_over_;
  std::atomic<bool> left_{false};
  std::mutex mutex_;
  std::condition_variable reported_;
  std::optional<HandingOver::Report> report_;
  std::thread thread_;
};

TEST_F(TakeOverTest, TheSuccessorHasEverythingAndTheOtherLeaves) {
  std::string wrong;
  const auto other = TakingOver::Begin(path_, Self(), &wrong);
  ASSERT_NE(other, nullptr) << wrong;
  EXPECT_EQ(other->identity(), "who I am");
  StateReader* const reader = other->Ask(16, &wrong);
  ASSERT_NE(reader, nullptr) << wrong;
  EXPECT_EQ(other->ports().table_key(), 99u);
  uint64_t connections = 0;
  EXPECT_EQ(ReadAll(reader, &connections), "");
  EXPECT_EQ(connections, connections_);
  EXPECT_FALSE(left_);
  ASSERT_TRUE(other->Take(connections, &wrong)) << wrong;
  const HandingOver::Report report = AwaitReport();
  EXPECT_EQ(report.outcome, HandingOver::Outcome::kDone);
  EXPECT_EQ(report.successor, getpid());
  while (!left_) std::this_thread::yield();
}

TEST_F(TakeOverTest, OneThatIsGoneBeforeItHasTakenChangesNothing) {
  std::string wrong;
  for (const bool asks : {false, true}) {
    auto other = TakingOver::Begin(path_, Self(), &wrong);
    ASSERT_NE(other, nullptr) << wrong;
    if (asks) {
      EXPECT_NE(other->Ask(16, &wrong), nullptr) << wrong;
    }
    other.reset();
    EXPECT_EQ(AwaitReport().outcome, asks ? HandingOver::Outcome::kFailed : HandingOver::Outcome::kRefused);
    EXPECT_FALSE(left_);
  }
  // And the next one may.
  TakeAll();
}

TEST_F(TakeOverTest, OneThatIsTooSlowIsNotWaitedForAndFindsThatOut) {
  std::string wrong;
  const auto other = TakingOver::Begin(path_, Self(), &wrong);
  ASSERT_NE(other, nullptr) << wrong;
  uint64_t connections = 0;
  EXPECT_EQ(ReadAll(other->Ask(16, &wrong), &connections), "");
  const HandingOver::Report report = AwaitReport();  // at the other's deadline
  EXPECT_EQ(report.outcome, HandingOver::Outcome::kFailed);
  EXPECT_FALSE(other->Take(connections, &wrong));
  EXPECT_NE(wrong, "");
  EXPECT_FALSE(left_);
}

TEST_F(TakeOverTest, OneThatRefusesWhatItReadsIsHeardAtOnce) {
  std::string wrong;
  const auto other = TakingOver::Begin(path_, Self(), &wrong);
  ASSERT_NE(other->Ask(16, &wrong), nullptr);
  other->Refuse("the state is odd");
  const HandingOver::Report report = AwaitReport();
  EXPECT_EQ(report.outcome, HandingOver::Outcome::kFailed);
  EXPECT_EQ(report.why, "the state is odd");
  EXPECT_LT(report.pause_ms, 2'000);
  EXPECT_FALSE(left_);
}

TEST_F(TakeOverTest, WhatDoesNotFitIsRefusedWithASentence) {
  Hello hello = Self();
  hello.set_cluster("elsewhere");
  EXPECT_NE(WhyNot(hello).find("another cluster"), std::string::npos);
  hello = Self();
  hello.set_listen("127.0.0.1:9000");
  EXPECT_NE(WhyNot(hello).find("--listen 127.0.0.1:8080, the new one 127.0.0.1:9000"), std::string::npos);
  hello = Self();
  hello.set_api_listen("127.0.0.1:8090");
  EXPECT_NE(WhyNot(hello).find("--api-listen not set"), std::string::npos);
  std::string wrong;
  const auto other = TakingOver::Begin(path_, Self(), &wrong);
  EXPECT_EQ(other->Ask(7, &wrong), nullptr);
  EXPECT_NE(wrong.find("7 shards, those of the gateway that runs 16"), std::string::npos) << wrong;
  EXPECT_EQ(AwaitReport().outcome, HandingOver::Outcome::kRefused);
  EXPECT_FALSE(left_);
}

// As one of an older or a later version greets.
TEST_F(TakeOverTest, AVersionThatCannotReadTheStateIsRefused) {
  for (const uint32_t version : {kStateVersion - 1, kStateVersion + 1}) {
    Channel channel = Channel::Connect(path_);
    FromSuccessor greeting;
    *greeting.mutable_hello() = Self();
    greeting.mutable_hello()->set_oldest_version(version);
    greeting.mutable_hello()->set_newest_version(version);
    ASSERT_TRUE(channel.Send(greeting.SerializeAsString(), {}, SteadyMs() + 1'000));
    std::string bytes;
    std::vector<int> descriptors;
    ASSERT_EQ(channel.Receive(&bytes, &descriptors, SteadyMs() + 5'000), Channel::Received::kPacket);
    ToSuccessor answer;
    ASSERT_TRUE(answer.ParseFromString(bytes));
    EXPECT_NE(answer.refusal().why().find("restart it instead"), std::string::npos);
    EXPECT_EQ(AwaitReport().outcome, HandingOver::Outcome::kRefused);
  }
}

TEST_F(TakeOverTest, OnlyOneIsUnderWay) {
  std::string wrong;
  const auto first = TakingOver::Begin(path_, Self(), &wrong);
  ASSERT_NE(first, nullptr) << wrong;
  EXPECT_EQ(TakingOver::Begin(path_, Self(), &wrong), nullptr);
  EXPECT_EQ(wrong, "another take-over is under way");
}

TEST_F(TakeOverTest, ManyMegabytesGoInTime) {
  connections_ = 2'000;
  hub_bytes_ = 30'000;
  TakeAll();
}

TEST(SocketPathTest, IsNamedByTheAdminPort) {
  EXPECT_EQ(SocketPath("/var/lib/x", "127.0.0.1:8081"), "/var/lib/x/gateways/8081.sock");
  EXPECT_EQ(SocketPath("/var/lib/x", "[::1]:8081"), "/var/lib/x/gateways/8081.sock");
  EXPECT_EQ(SocketPath("/var/lib/x", "127.0.0.1:0"), "");
}

TEST(TakingOverTest, NobodyToTakeOverFromIsSaid) {
  const TempDir data;
  std::string wrong;
  EXPECT_EQ(TakingOver::Begin(SocketPath(data.path(), "127.0.0.1:8081"), {}, &wrong), nullptr);
  EXPECT_NE(wrong.find("there is no gateway"), std::string::npos);
  EXPECT_EQ(TakingOver::Begin("", {}, &wrong), nullptr);
  EXPECT_NE(wrong.find("--admin"), std::string::npos);
}

}  // namespace
}  // namespace dormouse::takeover
