// For tests of what a lane does for its gateways: their sessions, on streams that go nowhere.
#pragma once

#include <ev.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "statekeeper/link/gateway_table.h"
#include "statekeeper/link/owned_shards.h"
#include "statekeeper/link/testing/fake_stream.h"
#include "statekeeper/link/write_schedule.h"

namespace dormouse {

class GatewayFixture : public testing::Test {
 protected:
  static constexpr GatewayId kOwn = 1;
  static constexpr GatewayId kOther = 2;
  static constexpr ShardId kShard = 3;

  ~GatewayFixture() override {
    schedule_.reset();
    ev_loop_destroy(loop_);
  }

  GatewaySession* Link(GatewayId id) {
    GatewaySession* session = gateways_.Find(id);
    const bool resumed = session != nullptr;
    if (!resumed) session = gateways_.Add(id);
    streams_[id] = std::make_shared<FakeStream>();
    session->Link(streams_[id], 77, resumed);
    return session;
  }
  FakeStream& StreamOf(GatewayId id) { return *streams_[id]; }

  // The loop's turn ends.
  void Write() {
    schedule_->Run([this](GatewayId id) {
      if (GatewaySession* session = gateways_.Find(id)) session->Write();
    });
  }
  // Notes have waited long enough, too.
  void WriteAll() {
    gateways_.ForEach([](GatewaySession* session) { session->NotesAreDue(); });
    Write();
  }
  // Everything that was written. Returns the last batch.
  uint64_t Acknowledge(GatewayId id) {
    GatewaySession* session = gateways_.Find(id);
    const uint64_t through = session->outbox().written_through();
    session->Acknowledge(through);
    return through;
  }
  uint64_t Deliver(GatewayId id, const std::string& payload, const std::string& return_to = {},
                   uint64_t connection = 5) {
    const Recipient recipient{connection, {}};
    return gateways_.Find(id)->Deliver({.shard = kShard,
                                        .epoch = 1,
                                        .cause = {},
                                        .return_to = return_to,
                                        .recipients = {&recipient, 1},
                                        .payload = payload});
  }
  // An event of the shard came from the gateway.
  void Receive(GatewayId id, uint64_t sequence, uint32_t epoch = 1) {
    gateways_.Find(id)->received().Receive(
        {.shard = kShard, .epoch = epoch, .sequence = sequence, .hub = {}, .payload = {}}, epoch);
  }

  struct ev_loop* const loop_ = ev_loop_new(0);
  OwnedShards owned_{0, 1};
  uint64_t messages_sent_ = 0;
  std::unique_ptr<WriteSchedule> schedule_ = std::make_unique<WriteSchedule>(loop_, [] {});
  GatewayTable gateways_{
      Duration(60'000),
      {.lanes = 1, .owned = &owned_, .schedule = schedule_.get(), .messages_sent = &messages_sent_}};
  std::map<GatewayId, std::shared_ptr<FakeStream>> streams_;
};

}  // namespace dormouse
