#include "statekeeper/link/gateway_session.h"

#include <utility>

#include "common/clock.h"
#include "common/rpc/link_channel.h"

namespace dormouse {
namespace {

constexpr int64_t kAfreshMs = 1000;

}  // namespace

GatewaySession::GatewaySession(GatewayId id, int64_t unlinked_ms, const Lane& lane)
    : id_(id), lane_(lane), unlinked_ms_(unlinked_ms), received_(lane.lanes) {}

void GatewaySession::Link(std::shared_ptr<LinkStream> stream, uint64_t incarnation, bool resumed) {
  if (linked()) LetGo(grpc::Status(grpc::StatusCode::ABORTED, "replaced by a newer stream"));
  stream_ = std::move(stream);
  stream_->set_context(this);
  event_bytes_ = 0;
  link::ToGateway greeting;
  greeting.mutable_hello()->set_incarnation(incarnation);
  greeting.mutable_hello()->set_resumed(resumed);
  greeting.mutable_hello()->set_after(outbox_.acknowledged());
  lane_.owned->DescribeAll(&greeting);
  untold_.clear();
  WriteMessage(greeting);
  outbox_.Rewind();
  WantWrite();
}

void GatewaySession::OnLost() {
  stream_.reset();
  untold_.clear();  // its next stream begins with all
  answers_.clear();
  unlinked_ms_ = SteadyMs();
}

void GatewaySession::LetGo(const grpc::Status& why) {
  stream_->set_context(nullptr);
  stream_->End(why);
}

void GatewaySession::End(const grpc::Status& why) {
  LetGo(why);
  OnLost();
}

void GatewaySession::Abandon(const char* why) {
  if (!linked()) return;
  if (stream_->Busy()) {
    stream_->set_context(nullptr);
    stream_->Abort();
  } else {
    LetGo(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, why));
  }
  OnLost();
}

bool GatewaySession::StartAfresh() {
  const int64_t now = SteadyMs();
  if (now - afresh_ms_ < kAfreshMs) return false;
  afresh_ms_ = now;
  silent_ticks_ = 0;
  received_.ForgetAll();
  return true;
}

uint64_t GatewaySession::Deliver(const DeliveryToAppend& delivery) {
  WantWrite();
  return outbox_.AddDelivery(delivery);
}

uint64_t GatewaySession::Settled(ShardId shard, uint32_t epoch, uint64_t sequence) {
  lane_.schedule->AddNotes();
  return outbox_.AddSettled(shard, epoch, sequence);
}

void GatewaySession::Forget(GatewayId gateway, ShardId shard, uint64_t sequence, uint64_t below) {
  lane_.schedule->AddNotes();
  outbox_.AddForget(gateway, shard, sequence, below);
}

void GatewaySession::Own(ShardId shard) {
  if (linked()) untold_.insert(shard);
  WantWrite();
}

void GatewaySession::Answer(link::Look look) {
  if (!linked()) return;
  answers_.push_back(std::move(look));
  WantWrite();
}

void GatewaySession::WantWrite() {
  if (!std::exchange(write_wanted_, true)) lane_.schedule->Add(id_);
}

void GatewaySession::NotesAreDue() {
  if (!outbox_.has_notes()) return;
  notes_due_ = true;
  WantWrite();
}

void GatewaySession::Write() {
  write_wanted_ = false;
  if (!linked()) return;
  if (!untold_.empty() && !stream_->Busy()) TellOwned();
  if (!untold_.empty()) return;
  if (!answers_.empty() && !stream_->Busy()) TellAnswers();
  // A short write may be over before the next look: hence a loop, or nobody would say that the rest can go.
  while ((outbox_.has_deliveries() || (notes_due_ && outbox_.has_notes())) && !stream_->Busy()) {
    stream_->Write(outbox_.Next());
    ++*lane_.messages_sent;
    notes_due_ &= outbox_.has_notes();
  }
}

void GatewaySession::WriteMessage(const link::ToGateway& message) {
  stream_->Write(ToBuffer(message));
  ++*lane_.messages_sent;
}

void GatewaySession::TellOwned() {
  link::ToGateway message;
  for (const ShardId shard : std::exchange(untold_, {})) lane_.owned->Describe(shard, &message);
  if (message.owned_size() > 0) WriteMessage(message);
}

void GatewaySession::TellAnswers() {
  link::ToGateway message;
  for (link::Look& look : std::exchange(answers_, {})) *message.add_looks() = std::move(look);
  WriteMessage(message);
}

uint32_t GatewaySession::CountEventBytes(size_t bytes) {
  return std::exchange(event_bytes_, event_bytes_ + static_cast<uint32_t>(bytes));
}

void GatewaySession::Tick() {
  const uint64_t acknowledged = outbox_.acknowledged();
  const bool owes = owes_acknowledgement();
  if (!owes || std::exchange(acknowledged_at_tick_, acknowledged) != acknowledged) silent_ticks_ = 0;
  if (owes && linked()) ++silent_ticks_;  // without a stream other times hold
}

}  // namespace dormouse
