// A gateway for tests that says to a lane what the test wants it to.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "gateway/link/client_stream.h"
#include "gateway/link/testing/facts.h"
#include "gateway/link/testing/loop_thread.h"
#include "gateway/link/testing/test_gateway.h"
#include "proto/link.pb.h"

namespace dormouse {

class RudeGateway : private StreamInbox::Owner {
 public:
  explicit RudeGateway(const std::string& target)
      : channel_(target), completions_(std::make_unique<grpc::CompletionQueue>()) {
    thread_.Run([this] { inbox_.reset(new StreamInbox(thread_.loop(), 1 << 20, this)); });
  }
  ~RudeGateway() override {
    thread_.Run([this] {
      for (const auto& stream : streams_) stream->End(grpc::Status::CANCELLED);
      streams_.clear();
      inbox_->Close();
    });
  }

  // One more stream; what follows is about the latest, but messages and ends of all are counted.
  void Open(const link::ToLane& first) {
    thread_.Run([&] {
      streams_.push_back(
          ClientStream::Open(&completions_, channel_, "/dormouse.link.Edge/Link", ToBuffer(first), inbox_));
    });
  }
  static constexpr uint64_t kNumber = 6;
  static GatewayId Id() { return TestGatewayId(kNumber); }
  static link::ToLane Hello(uint64_t incarnation, uint32_t lane) {
    link::ToLane message;
    message.mutable_hello()->set_identity(TestIdentity(kNumber));
    message.mutable_hello()->set_incarnation(incarnation);
    message.mutable_hello()->set_lane(lane);
    return message;
  }
  bool AwaitGreeting() { return AwaitMessages(1); }
  // With the greeting.
  bool AwaitMessages(int count) {
    return facts_.Await([&] { return received_.size() >= static_cast<size_t>(count); });
  }
  std::vector<link::ToGateway> received() {
    return facts_.Get<std::vector<link::ToGateway>>([this] { return received_; });
  }
  void Write(const grpc::ByteBuffer& message) {
    for (;;) {
      int writable = 0;
      facts_.Change([&] { writable = writable_; });
      bool busy = false;
      thread_.Run([&] {
        busy = streams_.back()->Busy();
        if (!busy) streams_.back()->Write(message);
      });
      if (!busy) return;
      ASSERT_TRUE(facts_.Await([&] { return writable_ > writable; }));
    }
  }
  grpc::StatusCode AwaitEnd() {
    if (!facts_.Await([this] { return ended_; })) return grpc::StatusCode::OK;
    return status_.error_code();
  }

 private:
  void OnArrival(Arrival& arrival) override {
    facts_.Change([&] {
      if (arrival.kind == Arrival::kMessage) FromBuffer(arrival.message, &received_.emplace_back());
      if (arrival.kind == Arrival::kWritable) ++writable_;
      if (arrival.kind != Arrival::kClosed) return;
      ended_ = true;
      status_ = arrival.stream->status();
    });
  }
  void OnArrivalsEnd() override {}

  const LinkChannel channel_;
  Facts facts_;
  std::vector<link::ToGateway> received_;
  int writable_ = 0;
  bool ended_ = false;
  grpc::Status status_;
  CompletionThread completions_;
  LoopThread thread_;
  std::shared_ptr<StreamInbox> inbox_;
  std::vector<std::shared_ptr<ClientStream>> streams_;
};

}  // namespace dormouse
