#include "gateway/link/statekeeper_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/link_channel.h"
#include "proto/batch_message.h"
#include "proto/refused_event.h"

namespace dormouse {
namespace {

// An acknowledgement waits for company, but not beyond this many batches.
constexpr uint64_t kMaxUnacknowledged = 64;

}  // namespace

StatekeeperStream::StatekeeperStream(const Gateway& gateway, std::shared_ptr<StatekeeperAddress> statekeeper,
                                     uint32_t number, StatekeeperLane* lane)
    : gateway_(gateway),
      statekeeper_(std::move(statekeeper)),
      number_(number),
      lane_(lane),
      silent_since_ms_(SteadyMs()) {}

std::string StatekeeperStream::name() const {
  return statekeeper_->name() + " lane " + std::to_string(number_);
}

void StatekeeperStream::Tick(int64_t steady_ms) {
  if (stream_ != nullptr || !backoff_.IsDue(steady_ms)) return;
  outgoing_.Clear();
  link::ToLane::Hello* hello = outgoing_.mutable_hello();
  hello->set_identity(*gateway_.identity);
  hello->set_incarnation(statekeeper_->incarnation());
  hello->set_lane(number_);
  hello->set_received_through(received_through_);
  hello->set_afresh(afresh_);
  FillStale();
  stream_ = statekeeper_->Open(number_, ToBuffer(outgoing_), backoff_.Open(), steady_ms, gateway_.thread,
                               gateway_.inbox);
  stream_->set_context(static_cast<StreamUser*>(this));
}

void StatekeeperStream::Close() {
  if (greeted_) silent_since_ms_ = SteadyMs();
  greeted_ = false;
  questions_.clear();
  answer_times_.clear();
  if (stream_ == nullptr) return;
  stream_->set_context(nullptr);
  stream_->End(grpc::Status::CANCELLED);
  stream_.reset();
}

void StatekeeperStream::Save(takeover::Lane* to) const {
  *to->mutable_statekeeper() = statekeeper_->member();
  to->set_number(number_);
  to->set_received_through(received_through_);
  to->set_afresh(afresh_);
  for (const auto& [shard, epoch] : stale_) {
    link::Stale* stale = to->add_stale();
    stale->set_shard(shard);
    stale->set_epoch(epoch);
  }
}

void StatekeeperStream::Restore(const takeover::Lane& from) {
  received_through_ = acknowledged_through_ = from.received_through();
  afresh_ = from.afresh();
  for (const link::Stale& stale : from.stale()) stale_[static_cast<ShardId>(stale.shard())] = stale.epoch();
}

// --- What goes.

void StatekeeperStream::DueAcknowledgement(bool now) {
  const uint64_t unacknowledged = received_through_ - acknowledged_through_;
  acknowledge_due_ |= unacknowledged > 0 && (now || unacknowledged >= kMaxUnacknowledged);
}

bool StatekeeperStream::Write(const EventBatch& events, uint64_t acknowledgeable) {
  const bool acknowledges = acknowledgeable > acknowledged_through_;
  const bool nothing_else = !stale_untold_ && questions_.empty() && answer_times_.empty();
  if (events.empty() && nothing_else && !(acknowledge_due_ && acknowledges)) return false;
  outgoing_.Clear();
  for (link::LookAt& question : std::exchange(questions_, {})) *outgoing_.add_look_at() = std::move(question);
  for (link::AnswerTimes& times : std::exchange(answer_times_, {})) {
    *outgoing_.add_answer_times() = std::move(times);
  }
  if (stale_untold_) FillStale();
  if (acknowledges) {
    outgoing_.set_received_through(acknowledgeable);
    acknowledged_through_ = acknowledgeable;
  }
  acknowledge_due_ &= acknowledged_through_ < received_through_;
  stream_->Write(ToBuffer(outgoing_, link::ToLane::kEventsFieldNumber, events.parts()));
  ++messages_sent_;
  return true;
}

bool StatekeeperStream::LookAt(link::LookAt question) {
  if (!greeted_) return false;
  questions_.push_back(std::move(question));
  return true;
}

void StatekeeperStream::IgnoredStale(ShardId shard, uint32_t known_epoch) {
  uint32_t& epoch = stale_[shard];
  stale_untold_ |= epoch != known_epoch;
  epoch = known_epoch;
}

void StatekeeperStream::FillStale() {
  for (const auto& [shard, epoch] : stale_) {
    link::Stale* stale = outgoing_.add_stale();
    stale->set_shard(shard);
    stale->set_epoch(epoch);
  }
  stale_untold_ = false;
}

// --- What comes.

void StatekeeperStream::OnMessage(const grpc::ByteBuffer& message) {
  ++messages_received_;
  BatchBytes deliveries;
  if (!FromBuffer(message, link::ToGateway::kDeliveriesFieldNumber, &incoming_, &deliveries)) {
    return Break("it sent something that is not a batch");
  }
  Receiver* const receiver = gateway_.receiver;
  if (!greeted_) {
    if (!incoming_.has_hello() || !OnHello(incoming_.hello()) || !receiver->OnOwned(lane_, incoming_, true)) {
      Break("it does not greet as it should");
    }
    return;
  }
  if (incoming_.owned_size() > 0) {
    if (!receiver->OnOwned(lane_, incoming_, false)) Break("it owns shards that there are not");
    return;
  }
  if (incoming_.looks_size() > 0) return receiver->OnLooks(lane_, incoming_);
  if (incoming_.batch() != received_through_ + 1) return Break("a batch is missing, or came twice");
  const bool sound = receiver->OnBatch(lane_, incoming_, deliveries.view());
  ++received_through_;
  if (sound) return;
  afresh_ = true;
  Break("it sent a broken batch");
}

bool StatekeeperStream::OnHello(const link::ToGateway::Hello& hello) {
  if (hello.incarnation() != statekeeper_->incarnation()) return false;
  if (hello.resumed() && (afresh_ || hello.after() != received_through_)) return false;
  received_through_ = hello.after();
  afresh_ = false;
  acknowledged_through_ = received_through_;  // our own greeting said so
  acknowledge_due_ = false;
  greeted_ = true;
  backoff_.Greeted(SteadyMs());
  SPDLOG_INFO("Linked to {} ({})", name(), hello.resumed() ? "resumed" : "new");
  gateway_.receiver->OnGreeted(lane_, hello.resumed());
  return true;
}

void StatekeeperStream::Break(const char* why) {
  SPDLOG_ERROR("Breaking the link to {}: {}", name(), why);
  Disagree();
  Close();
}

void StatekeeperStream::OnClosed(const grpc::Status& status) {
  if (greeted_ || backoff_.is_first()) {
    SPDLOG_WARN("No link to {}: {}; trying on", name(), status.error_message());
  }
  bool agreed = true;
  if (greeted_ && status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    const std::optional<uint32_t> refused = ReadRefusedEventDetails(status.error_details());
    agreed = refused && gateway_.receiver->OnRefusedEvent(lane_, *refused);
  }
  if (agreed) {
    backoff_.Broke(SteadyMs());
  } else {
    Disagree();
  }
  Close();
}

void StatekeeperStream::Disagree() { afresh_ |= backoff_.Disagreed(SteadyMs(), greeted_); }

}  // namespace dormouse
