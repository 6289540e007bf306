#include "gateway/link/lane_link.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/local_stream.h"
#include "gateway/link/client_stream.h"
#include "proto/refused_event.h"

namespace dormouse {
namespace {

constexpr char kMethod[] = "/dormouse.link.Edge/Link";
constexpr int64_t kFirstRetryMs = 50;
constexpr int64_t kRetryMs = 200;
// Streams that the ends could not agree on: how often one is opened just to go on, how long it takes until
// the next after those, twice as long each time, and how long one must have lived for those before it to be
// forgotten.
constexpr uint32_t kContinuations = 1;
constexpr int64_t kTroubleMs = 1000;
constexpr uint32_t kMaxTroubleDoublings = 5;
constexpr int64_t kSoundMs = 60'000;
// An acknowledgement waits for company, but not beyond this many batches.
constexpr uint64_t kMaxUnacknowledged = 64;

}  // namespace

std::shared_ptr<LinkStream> StatekeeperAddress::Open(uint32_t lane, const grpc::ByteBuffer& greeting,
                                                     uint32_t attempt, int64_t steady_ms,
                                                     CompletionThread* thread,
                                                     const std::shared_ptr<StreamInbox>& inbox) {
  const std::string& path = member_.unix_path();
  const bool by_path = member_.address().empty() || attempt % 2 == 0;
  if (by_path && !path.empty()) {
    const std::string lane_socket = LaneSocket(path, lane);
    if (access(lane_socket.c_str(), F_OK) == 0) return LocalStream::Connect(lane_socket, greeting, inbox);
  }
  const bool has_unix = !path.empty() && access(path.c_str(), F_OK) == 0;
  LinkTarget& target = member_.address().empty() || (has_unix && by_path) ? unix_ : address_;
  return ClientStream::Open(thread, target.Channel(attempt > 0, steady_ms), kMethod, greeting, inbox);
}

LaneLink::LaneLink(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox, const std::string* identity,
                   std::shared_ptr<StatekeeperAddress> statekeeper, uint32_t lane, Owner* owner)
    : thread_(thread),
      inbox_(std::move(inbox)),
      identity_(identity),
      statekeeper_(std::move(statekeeper)),
      lane_(lane),
      owner_(owner),
      silent_since_ms_(SteadyMs()) {}

std::string LaneLink::name() const { return statekeeper_->name() + " lane " + std::to_string(lane_); }

void LaneLink::Tick(int64_t steady_ms) {
  if (stream_ != nullptr || steady_ms < open_at_ms_) return;
  outgoing_.Clear();
  link::ToLane::Hello* hello = outgoing_.mutable_hello();
  hello->set_identity(*identity_);
  hello->set_incarnation(statekeeper_->incarnation());
  hello->set_lane(lane_);
  hello->set_received_through(received_through_);
  hello->set_afresh(afresh_);
  FillStale();
  stream_ = statekeeper_->Open(lane_, ToBuffer(outgoing_), attempts_++, steady_ms, thread_, inbox_);
  stream_->set_context(static_cast<StreamUser*>(this));
}

void LaneLink::Close() {
  if (greeted_) silent_since_ms_ = SteadyMs();
  greeted_ = false;
  look_at_.clear();
  if (stream_ == nullptr) return;
  stream_->set_context(nullptr);
  stream_->End(grpc::Status::CANCELLED);
  stream_.reset();
}

void LaneLink::Flush(bool acknowledge) {
  if (!greeted_) return;
  const uint64_t unacknowledged = received_through_ - acknowledged_through_;
  acknowledge_due_ |= unacknowledged > 0 && (acknowledge || unacknowledged >= kMaxUnacknowledged);
  // A short write may be over before the next look: hence a loop, or nobody would say that the rest can go.
  while ((owner_->HasEvents() || acknowledge_due_ || stale_unsaid_ || !look_at_.empty()) &&
         !stream_->Busy()) {
    outgoing_.Clear();
    if (owner_->HasEvents()) owner_->TakeEvents(outgoing_.mutable_events());
    const uint64_t through = owner_->AcknowledgeableThrough(received_through_);
    const bool acknowledges = through > acknowledged_through_;
    for (link::LookAt& question : std::exchange(look_at_, {})) *outgoing_.add_look_at() = std::move(question);
    const bool nothing_else = !stale_unsaid_ && outgoing_.look_at().empty();
    if (outgoing_.events().empty() && nothing_else && !(acknowledge_due_ && acknowledges)) return;
    if (acknowledges) outgoing_.set_received_through(through);
    if (stale_unsaid_) FillStale();
    acknowledged_through_ = std::max(acknowledged_through_, through);
    acknowledge_due_ &= acknowledged_through_ < received_through_;
    stream_->Write(ToBuffer(outgoing_));
    ++messages_sent_;
  }
}

bool LaneLink::LookAt(link::LookAt question) {
  if (!greeted_) return false;
  look_at_.push_back(std::move(question));
  return true;
}

void LaneLink::IgnoredStale(ShardId shard, uint32_t known_epoch) {
  uint32_t& epoch = stale_[shard];
  stale_unsaid_ |= epoch != known_epoch;
  epoch = known_epoch;
}

void LaneLink::FillStale() {
  for (const auto& [shard, epoch] : stale_) {
    link::Stale* stale = outgoing_.add_stale();
    stale->set_shard(shard);
    stale->set_epoch(epoch);
  }
  stale_unsaid_ = false;
}

void LaneLink::OnMessage(const grpc::ByteBuffer& message) {
  ++messages_received_;
  if (!FromBuffer(message, &incoming_)) return Break("it sent something that is not a batch");
  if (!greeted_) {
    if (!incoming_.has_hello() || !OnHello(incoming_.hello()) || !owner_->OnOwned(incoming_, true)) {
      Break("it does not greet as it should");
    }
    return;
  }
  if (incoming_.owned_size() > 0) {
    if (!owner_->OnOwned(incoming_, false)) Break("it owns shards that there are not");
    return;
  }
  if (incoming_.looks_size() > 0) return owner_->OnLooks(incoming_);
  if (incoming_.batch() != received_through_ + 1) return Break("a batch is missing, or came twice");
  const bool sound = owner_->OnBatch(&incoming_);
  ++received_through_;
  if (!sound) {
    afresh_ = true;
    return Break("it sent a broken batch");
  }
  if (incoming_.deliveries().capacity() > 2 * kBatchBytes) incoming_.mutable_deliveries()->shrink_to_fit();
}

bool LaneLink::OnHello(const link::ToGateway::Hello& hello) {
  if (hello.incarnation() != statekeeper_->incarnation()) return false;
  if (hello.resumed() && (afresh_ || hello.after() != received_through_)) return false;
  received_through_ = hello.after();
  afresh_ = false;
  acknowledged_through_ = received_through_;  // our own greeting said so
  acknowledge_due_ = false;
  greeted_ = true;
  greeted_at_ms_ = SteadyMs();
  attempts_ = 0;
  SPDLOG_INFO("Linked to {} ({})", name(), hello.resumed() ? "resumed" : "new");
  owner_->OnGreeted(hello.resumed());
  return true;
}

void LaneLink::Break(const char* why) {
  SPDLOG_ERROR("Breaking the link to {}: {}", name(), why);
  RetryAfterTrouble();
  Close();
}

void LaneLink::OnClosed(const grpc::Status& status) {
  if (greeted_ || attempts_ == 1) SPDLOG_WARN("No link to {}: {}; trying on", name(), status.error_message());
  if (greeted_ && status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    const std::optional<uint32_t> refused = ReadRefusedEventDetails(status.error_details());
    if (refused && owner_->OnRefusedEvent(*refused)) {
      RetryLater();
    } else {
      RetryAfterTrouble();
    }
  } else {
    RetryLater();
  }
  Close();
}

void LaneLink::RetryAfterTrouble() {
  const int64_t now = SteadyMs();
  if (greeted_ && now - greeted_at_ms_ >= kSoundMs) troubles_ = 0;
  ++troubles_;
  afresh_ |= troubles_ > kContinuations;
  const uint32_t again = troubles_ - 1;  // the first times cost nothing
  open_at_ms_ = now + (again <= kContinuations
                           ? kFirstRetryMs
                           : kTroubleMs << std::min(again - kContinuations - 1, kMaxTroubleDoublings));
}

void LaneLink::RetryLater() { open_at_ms_ = SteadyMs() + (attempts_ <= 1 ? kFirstRetryMs : kRetryMs); }

}  // namespace dormouse
