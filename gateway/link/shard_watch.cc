#include "gateway/link/shard_watch.h"

#include <utility>

#include "common/clock.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr char kMethod[] = "/dormouse.link.Edge/WatchShards";
constexpr int64_t kRetryMs = 50;

}  // namespace

ShardWatch::ShardWatch(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox,
                       const std::vector<std::string>& targets,
                       std::function<void(const link::ShardMap&)> on_map)
    : thread_(thread),
      inbox_(std::move(inbox)),
      on_map_(std::move(on_map)),
      request_(ToBuffer(link::WatchShardsRequest())) {
  for (const std::string& target : targets) statekeepers_.emplace_back(target);
}

void ShardWatch::Tick(int64_t steady_ms) {
  if (stream_ != nullptr || steady_ms < open_at_ms_) return;
  has_spoken_ = false;
  stream_ = ClientStream::Open(thread_, statekeepers_[current_].Channel(failures_ > 0, steady_ms), kMethod,
                               request_, inbox_);
  stream_->set_context(static_cast<StreamUser*>(this));
}

void ShardWatch::Rotate() {
  if (stream_ == nullptr || statekeepers_.size() == 1) return;
  Close();
  current_ = (current_ + 1) % statekeepers_.size();
  open_at_ms_ = 0;
}

void ShardWatch::Close() {
  if (stream_ == nullptr) return;
  stream_->set_context(nullptr);
  stream_->End(grpc::Status::CANCELLED);
  stream_.reset();
}

void ShardWatch::OnMessage(const grpc::ByteBuffer& message) {
  link::ShardMap map;
  if (!FromBuffer(message, &map)) {
    SPDLOG_ERROR("Statekeeper {} sent something that is not a shard map", statekeepers_[current_].name());
    return;
  }
  has_spoken_ = true;
  failures_ = 0;
  on_map_(map);
}

void ShardWatch::OnClosed(const grpc::Status& status) {
  // One line when it is lost, one when nobody answers: not one for each attempt.
  if (has_spoken_ || failures_ + 1 == statekeepers_.size()) {
    SPDLOG_WARN("No shard map from statekeeper {}: {}; trying on", statekeepers_[current_].name(),
                status.error_message());
  }
  stream_.reset();
  ++failures_;
  current_ = (current_ + 1) % statekeepers_.size();
  open_at_ms_ = failures_ % statekeepers_.size() == 0 ? SteadyMs() + kRetryMs : 0;  // one round at once
}

}  // namespace dormouse
