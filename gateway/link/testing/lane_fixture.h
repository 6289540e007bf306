// For tests of what a gateway does for one lane, which is a LocalLane on the test's own loop.
#pragma once

#include <ev.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/rpc/stream_inbox.h"
#include "gateway/link/replay_buffer.h"
#include "gateway/link/statekeeper_lane.h"
#include "gateway/link/statekeeper_stream.h"
#include "gateway/link/testing/local_lane.h"

namespace dormouse {

class LaneFixture : public testing::Test, protected StatekeeperStream::Receiver, private StreamInbox::Owner {
 protected:
  static constexpr ShardId kShard = 1;

  // The gateway knows four shards; the lane owns the first three of them in epoch 1.
  LaneFixture() {
    buffer_.Open(4, &unassigned_);
    for (size_t i = 0; i < 3; ++i) buffer_.Assign(&buffer_[i], &lane_, 1);
    lane_.set_stream(std::make_unique<StatekeeperStream>(
        StatekeeperStream::Gateway{
            .thread = nullptr, .inbox = inbox_, .identity = &identity_, .receiver = this},
        far_->address(), 0, &lane_));
  }
  ~LaneFixture() override {
    lane_.set_stream(nullptr);
    inbox_->Close();
    far_.reset();
    ev_loop_destroy(loop_);
  }

  StatekeeperStream& stream() { return *lane_.stream(); }
  // A stream begins, and the lane has heard the greeting.
  void Open() {
    const size_t before = far_->told.size();
    stream().Tick(now_ms_ += 100'000);
    far_->Await([&] { return far_->told.size() > before; });
  }
  void OpenAndGreet(bool resumed = false, uint64_t after = 0) {
    Open();
    far_->Greet(resumed, after);
    far_->Await([this] { return stream().greeted(); });
  }
  // The turn ends: the last thing that the lane is told by that.
  link::ToLane Flush(bool acknowledge = false) {
    const size_t before = far_->told.size();
    lane_.Flush(acknowledge);
    far_->Await([&] { return far_->told.size() > before; });
    return far_->told.back();
  }
  void Append(ShardId shard, std::string_view payload) {
    buffer_.Append(&buffer_[shard], {.shard = shard, .epoch = 1, .hub = "echo/a", .payload = payload}, {});
    lane_.Enqueue(shard);
  }
  static std::vector<std::string> Payloads(const link::ToLane& message) {
    std::vector<std::string> payloads;
    std::string_view rest = message.events();
    for (EventView event; ReadEvent(&rest, &event);) payloads.emplace_back(event.payload);
    return payloads;
  }

  void OnGreeted(StatekeeperLane*, bool) override { lane_.Restart(); }
  bool OnOwned(StatekeeperLane*, const link::ToGateway&, bool) override { return true; }
  bool OnBatch(StatekeeperLane*, const link::ToGateway&, std::string_view) override { return sound_; }
  void OnLooks(StatekeeperLane*, const link::ToGateway&) override {}
  bool OnRefusedEvent(StatekeeperLane*, uint32_t begin) override {
    refused_.push_back(begin);
    return true;
  }

  struct ev_loop* const loop_ = ev_loop_new(0);
  int64_t now_ms_ = int64_t{1} << 40;  // later than any clock's
  std::unique_ptr<LocalLane> far_ = std::make_unique<LocalLane>(loop_);
  const std::shared_ptr<StreamInbox> inbox_{new StreamInbox(loop_, 1u << 20, this)};
  const std::string identity_ = std::string(16, 'i');
  ReplayBuffer buffer_{1'000'000};
  StatekeeperLane unassigned_{&buffer_};
  StatekeeperLane lane_{&buffer_};
  bool sound_ = true;  // what OnBatch says
  std::vector<uint32_t> refused_;

 private:
  void OnArrival(Arrival& arrival) override {
    auto* user = static_cast<StreamUser*>(arrival.stream->context());
    if (user == nullptr) return;
    if (arrival.kind == Arrival::kMessage) user->OnMessage(arrival.message);
    if (arrival.kind == Arrival::kClosed) user->OnClosed(arrival.stream->status());
  }
  void OnArrivalsEnd() override {}
};

}  // namespace dormouse
