// The lane's end of a local stream, on the same thread and loop as the gateway's: says what a test wants it
// to, and notes what it is told.
#pragma once

#include <ev.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/framed_stream.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/stream_inbox.h"
#include "common/temp_dir.h"
#include "gateway/link/statekeeper_address.h"
#include "proto/link.pb.h"
#include "statekeeper/link/local_listener.h"

namespace dormouse {

class LocalLane : private StreamInbox::Owner {
 public:
  explicit LocalLane(struct ev_loop* loop) : loop_(loop), inbox_(new StreamInbox(loop, 1u << 20, this)) {
    listener_ = LocalListener::Listen(LaneSocket(path_, 0), loop, inbox_,
                                      [](const grpc::ByteBuffer&) { return grpc::Status::OK; });
    ev_timer_init(
        &tick_, [](struct ev_loop*, ev_timer*, int) {}, 0, 0.01);
    ev_timer_again(loop_, &tick_);
  }
  ~LocalLane() override {
    ev_timer_stop(loop_, &tick_);
    listener_.reset();
    stream_.reset();
    inbox_->Close();
  }

  std::shared_ptr<StatekeeperAddress> address() const {
    link::Member member;
    member.set_incarnation(kIncarnation);
    member.set_lanes(1);
    member.set_unix_path(path_);
    return std::make_shared<StatekeeperAddress>(member, nullptr);
  }

  // Lets the loop turn until that is so; for half a minute at most.
  void Await(const std::function<bool()>& condition) {
    for (int turns = 0; !condition(); ++turns) {
      ASSERT_LT(turns, 3'000);
      ev_run(loop_, EVRUN_ONCE);
    }
  }

  void Say(const link::ToGateway& message) { stream_->Write(ToBuffer(message)); }
  void Greet(bool resumed, uint64_t after) {
    link::ToGateway greeting;
    greeting.mutable_hello()->set_incarnation(kIncarnation);
    greeting.mutable_hello()->set_resumed(resumed);
    greeting.mutable_hello()->set_after(after);
    Say(greeting);
  }
  void SayBatch(uint64_t number, const std::string& deliveries = {}) {
    link::ToGateway batch;
    batch.set_batch(number);
    batch.set_deliveries(deliveries);
    Say(batch);
  }
  void End(const grpc::Status& why) { stream_->End(why); }

  static constexpr uint64_t kIncarnation = 7;
  std::vector<link::ToLane> told;  // greetings among them

 private:
  void OnArrival(Arrival& arrival) override {
    if (arrival.kind == Arrival::kOpened) stream_ = arrival.stream;
    if (arrival.kind == Arrival::kOpened || arrival.kind == Arrival::kMessage) {
      FromBuffer(arrival.message, &told.emplace_back());
    }
  }
  void OnArrivalsEnd() override {}

  struct ev_loop* const loop_;
  ev_timer tick_;  // so that who waits in vain sees that
  const TempDir directory_;
  const std::string path_ = directory_ / "edge.sock";
  const std::shared_ptr<StreamInbox> inbox_;
  std::unique_ptr<LocalListener> listener_;
  std::shared_ptr<LinkStream> stream_;
};

}  // namespace dormouse
