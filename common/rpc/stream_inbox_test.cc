#include "common/rpc/stream_inbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/grpc_stream.h"

namespace dormouse {
namespace {

// A stream whose operations end when the test says so.
class FakeStream final : public GrpcStream {
 public:
  FakeStream(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox) : GrpcStream(thread) {
    set_inbox(std::move(inbox));
  }
  void Open() { Begin(nullptr); }
  void Arrive(size_t bytes) {
    const grpc::Slice slice(std::string(bytes, 'm'));
    *reading_ = grpc::ByteBuffer(&slice, 1);
    End(&read_tag_, true);
  }
  void Break() { End(&read_tag_, false); }
  void WriteEnds() { End(&write_tag_, true); }
  bool reads() const { return read_tag_ != nullptr; }

  void End(const grpc::Status&) override {}
  void Abort() override {}

  int writes = 0;

 private:
  static void End(void** tag, bool ok) {
    static_cast<Completion*>(std::exchange(*tag, nullptr))->Complete(ok);
  }
  void StartRead(grpc::ByteBuffer* message, void* tag) override {
    reading_ = message;
    read_tag_ = tag;
  }
  void StartWrite(const grpc::ByteBuffer&, void* tag) override {
    ++writes;
    write_tag_ = tag;
  }
  void OnReadEnd() override { Closed(grpc::Status(grpc::StatusCode::UNAVAILABLE, "broken")); }

  grpc::ByteBuffer* reading_ = nullptr;
  void* read_tag_ = nullptr;
  void* write_tag_ = nullptr;
};

class StreamInboxTest : public testing::Test, public StreamInbox::Owner {
 protected:
  StreamInboxTest()
      : loop_(ev_loop_new(EVBACKEND_EPOLL)),
        thread_(std::make_unique<grpc::CompletionQueue>()),
        inbox_(std::make_shared<StreamInbox>(loop_, 1000, this)),
        stream_(std::make_shared<FakeStream>(&thread_, inbox_)) {
    stream_->Open();
  }
  ~StreamInboxTest() override {
    inbox_->Close();
    if (stream_->reads()) stream_->Break();
    ev_loop_destroy(loop_);
  }

  void OnArrival(Arrival& arrival) override {
    kinds_.push_back(arrival.kind);
    if (kinds_.size() == hold_at_) inbox_->Hold(true);
  }
  void OnArrivalsEnd() override { ++turns_; }
  void TurnLoop() { ev_run(loop_, EVRUN_NOWAIT); }

  struct ev_loop* const loop_;
  CompletionThread thread_;
  const std::shared_ptr<StreamInbox> inbox_;
  std::shared_ptr<FakeStream> stream_;
  std::vector<Arrival::Kind> kinds_;
  size_t hold_at_ = 0;
  int turns_ = 0;
};

TEST_F(StreamInboxTest, WhatArrivesBetweenTwoTurnsIsHandedOverInOne) {
  stream_->Arrive(10);
  stream_->Arrive(10);
  EXPECT_TRUE(kinds_.empty());
  TurnLoop();
  EXPECT_EQ(kinds_, (std::vector{Arrival::kMessage, Arrival::kMessage}));
  EXPECT_EQ(turns_, 1);
  stream_->Arrive(10);
  TurnLoop();
  EXPECT_EQ(kinds_.size(), 3u);
}

TEST_F(StreamInboxTest, AFullInboxStopsReadingUntilTheLoopCaughtUp) {
  stream_->Arrive(600);
  EXPECT_TRUE(stream_->reads());
  stream_->Arrive(600);
  EXPECT_FALSE(stream_->reads());
  EXPECT_EQ(inbox_->parked(), 1u);
  TurnLoop();
  EXPECT_TRUE(stream_->reads());
  EXPECT_EQ(inbox_->parked(), 0u);
  stream_->Arrive(600);
  EXPECT_TRUE(stream_->reads());
}

TEST_F(StreamInboxTest, WhatIsHeldComesAfterwardsInOrderAndStopsReadingMeanwhile) {
  hold_at_ = 1;
  stream_->Arrive(10);
  stream_->Arrive(10);
  TurnLoop();
  EXPECT_EQ(kinds_.size(), 1u);
  stream_->Arrive(600);
  stream_->Arrive(600);
  TurnLoop();
  EXPECT_EQ(kinds_.size(), 1u);
  EXPECT_FALSE(stream_->reads());
  inbox_->Hold(false);
  for (int i = 0; i < 3; ++i) TurnLoop();
  EXPECT_EQ(kinds_.size(), 4u);
  EXPECT_TRUE(stream_->reads());
}

TEST_F(StreamInboxTest, TheLoopHearsOfTheEndAfterEverythingElse) {
  stream_->Arrive(10);
  stream_->Break();
  TurnLoop();
  EXPECT_EQ(kinds_, (std::vector{Arrival::kMessage, Arrival::kClosed}));
  EXPECT_EQ(stream_->status().error_message(), "broken");
}

TEST_F(StreamInboxTest, AStreamIsWritableAgainOnlyForThoseWhoAsked) {
  EXPECT_FALSE(stream_->Busy());
  stream_->Write({});
  stream_->WriteEnds();
  TurnLoop();
  EXPECT_TRUE(kinds_.empty());
  EXPECT_FALSE(stream_->Busy());
  stream_->Write({});
  EXPECT_TRUE(stream_->Busy());
  EXPECT_TRUE(stream_->Busy());
  stream_->WriteEnds();
  TurnLoop();
  EXPECT_EQ(kinds_, (std::vector{Arrival::kWritable}));
  EXPECT_FALSE(stream_->Busy());
  EXPECT_EQ(stream_->writes, 2);
}

TEST_F(StreamInboxTest, AClosedInboxDropsWhatComesAndReadsToTheEnd) {
  inbox_->Close();
  stream_->Arrive(5000);
  EXPECT_TRUE(stream_->reads());
  TurnLoop();
  EXPECT_TRUE(kinds_.empty());
}

}  // namespace
}  // namespace dormouse
