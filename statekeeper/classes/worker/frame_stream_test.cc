#include "statekeeper/classes/worker/frame_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>
#include <vector>

#include "statekeeper/classes/worker/testing/fake_worker.h"

namespace dormouse {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FrameStreamTest : public testing::Test {
 protected:
  FrameStreamTest() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    stream_.emplace(loop_, fds[0],
                    FrameStream::Callbacks{[this](std::string_view frame) {
                                             frames_.emplace_back(frame);
                                             return frame != "nonsense";
                                           },
                                           [this](const std::string& why) { ends_.push_back(why); }});
    fd_ = fds[1];
    other_.emplace(fds[1]);
  }
  ~FrameStreamTest() override {
    stream_.reset();
    ev_loop_destroy(loop_);
  }
  void Turn() { ev_run(loop_, EVRUN_NOWAIT); }

  struct ev_loop* const loop_ = ev_loop_new(EVBACKEND_EPOLL);
  std::optional<FrameStream> stream_;
  int fd_ = -1;
  std::optional<FakeWorker> other_;
  std::vector<std::string> frames_;
  std::vector<std::string> ends_;
};

TEST_F(FrameStreamTest, FramesAreWholeHoweverTheirBytesCome) {
  const std::string bytes =
      FakeWorker::Frame("one") + FakeWorker::Frame("") + FakeWorker::Frame(std::string(300, 'x'));
  for (const char byte : bytes) {
    other_->Write({&byte, 1});
    Turn();
  }
  EXPECT_THAT(frames_, ElementsAre("one", "", std::string(300, 'x')));
  other_->Write(bytes);
  Turn();
  EXPECT_EQ(frames_.size(), 6u);
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(FrameStreamTest, ItEndsOnceWithTheConnectionAndAfterWhatCameBefore) {
  other_->Write(FakeWorker::Frame("last") + "ab");
  other_->Leave();
  for (int i = 0; i < 3; ++i) Turn();
  EXPECT_THAT(frames_, ElementsAre("last"));
  EXPECT_THAT(ends_, ElementsAre(HasSubstr("closed")));
}

TEST_F(FrameStreamTest, AFrameThatIsTooLargeEndsItBeforeItHasCome) {
  other_->Write(std::string("\x01\x00\x00\x04", 4));
  Turn();
  EXPECT_THAT(ends_, ElementsAre(HasSubstr("larger than 64 MiB")));
}

TEST_F(FrameStreamTest, NothingIsReadBehindWhatMakesNoSense) {
  other_->Write(FakeWorker::Frame("nonsense") + FakeWorker::Frame("more"));
  for (int i = 0; i < 3; ++i) Turn();
  EXPECT_THAT(frames_, ElementsAre("nonsense"));
  EXPECT_EQ(ends_.size(), 1u);
}

TEST_F(FrameStreamTest, WhatTheSocketDoesNotTakeFollowsInItsOrder) {
  worker::ToWorker message;
  message.add_calls()->set_payload(std::string(100'000, 'x'));
  for (uint64_t i = 1; i <= 50; ++i) {
    message.mutable_calls(0)->set_number(i);
    stream_->Write(message);
    stream_->Flush();
  }
  EXPECT_GT(stream_->backlog(), 1'000'000u) << "nobody reads";
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 1000 && numbers.size() < 50; ++i) {
    for (const worker::ToWorker said = other_->Hear(); const auto& call : said.calls())
      numbers.push_back(call.number());
    Turn();
  }
  ASSERT_EQ(numbers.size(), 50u);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(stream_->backlog(), 0u);
}

TEST_F(FrameStreamTest, ManyFramesArriveWholeThoughTheBacklogIsNeverEmpty) {
  worker::ToWorker message;
  message.add_calls()->set_payload(std::string(400'000, 'x'));
  size_t heard = 0;
  for (uint64_t i = 1; i <= 40; ++i) {
    message.mutable_calls(0)->set_number(i);
    stream_->Write(message);
    stream_->Flush();
    if (i > 8) {
      for (const worker::ToWorker said = other_->Hear(); const auto& call : said.calls()) {
        ASSERT_EQ(call.number(), ++heard);
        ASSERT_EQ(call.payload().size(), 400'000u);
      }
    }
    Turn();
  }
  for (int i = 0; i < 1000 && heard < 40; ++i) {
    for (const worker::ToWorker said = other_->Hear(); const auto& call : said.calls())
      ASSERT_EQ(call.number(), ++heard);
    Turn();
  }
  EXPECT_EQ(heard, 40u);
}

TEST_F(FrameStreamTest, WritingToWhoHasLeftIsToldByReading) {
  other_->Leave();
  worker::ToWorker message;
  message.set_ping(1);
  stream_->Write(message);
  stream_->Flush();
  EXPECT_THAT(ends_, IsEmpty()) << "not within the call";
  Turn();
  EXPECT_EQ(ends_.size(), 1u);
}

}  // namespace
}  // namespace dormouse
