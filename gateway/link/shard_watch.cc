#include "gateway/link/shard_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "common/rpc/statekeeper_sockets.h"

namespace dormouse {
namespace {

constexpr char kWatchMethod[] = "/dormouse.link.Edge/WatchShards";
constexpr int64_t kRoundPauseMs = 50;  // looking through a directory takes some 10 us

}  // namespace

ShardWatch::ShardWatch(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox,
                       std::vector<std::string> targets, std::shared_ptr<const LinkCredentials> credentials,
                       std::function<void(const link::ShardMap&)> on_map)
    : thread_(thread),
      inbox_(std::move(inbox)),
      on_map_(std::move(on_map)),
      request_(ToBuffer(link::WatchShardsRequest())),
      targets_(std::move(targets)),
      credentials_(std::move(credentials)) {}

void ShardWatch::Tick(int64_t steady_ms) {
  if (stream_ != nullptr || steady_ms < open_at_ms_) return;
  if (current_ == 0) FindTargets();
  if (statekeepers_.empty()) return GoOn(trouble_);
  has_spoken_ = false;
  stream_ = ClientStream::Open(thread_, statekeepers_[current_]->Channel(failures_ > 0, steady_ms),
                               kWatchMethod, request_, inbox_);
  stream_->set_context(static_cast<StreamUser*>(this));
}

void ShardWatch::Rotate() {
  if (stream_ == nullptr) return;
  const bool is_only_one =
      statekeepers_.size() == 1 && targets_.size() == 1 && targets_[0] == known_.begin()->first;
  if (is_only_one) return;
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

void ShardWatch::FindTargets() {
  trouble_ = "there is none";
  const std::vector<std::string> names = FindStatekeepers(targets_, &trouble_);
  std::map<std::string, LinkTarget> known = std::move(known_);
  known_.clear();
  statekeepers_.clear();
  for (const std::string& name : names) {
    auto target = known.extract(name);
    if (target.empty()) {
      statekeepers_.push_back(&known_.try_emplace(name, name, credentials_).first->second);
    } else {
      statekeepers_.push_back(&known_.insert(std::move(target)).position->second);
    }
  }
}

void ShardWatch::OnMessage(const grpc::ByteBuffer& message) {
  link::ShardMap map;
  if (!FromBuffer(message, &map)) {
    SPDLOG_ERROR("Statekeeper {} sent something that is not a shard map", statekeepers_[current_]->name());
    return;
  }
  has_spoken_ = true;
  failures_ = 0;
  if (!IsSound(map)) return;
  shard_count_ = map.shard_count();
  on_map_(map);
}

bool ShardWatch::IsSound(const link::ShardMap& map) const {
  const auto count = static_cast<int>(map.shard_count());
  const bool sound = count > 0 && count <= 65536 && map.owner_size() == count && map.epoch_size() == count &&
                     std::all_of(map.members().begin(), map.members().end(),
                                 [](const link::Member& member) { return member.lanes() > 0; });
  if (!sound) {
    SPDLOG_ERROR("Ignoring shard map {}: it contradicts itself", map.version());
    return false;
  }
  if (shard_count_ != 0 && shard_count_ != map.shard_count()) {
    SPDLOG_ERROR(
        "Ignoring shard map {}: it has {} shards, this gateway was told {}. Are two clusters mixed up?",
        map.version(), count, shard_count_);
    return false;
  }
  return true;
}

void ShardWatch::OnClosed(const grpc::Status& status) {
  stream_.reset();
  GoOn(status.error_message());
}

void ShardWatch::GoOn(const std::string& trouble) {
  const size_t round = std::max<size_t>(statekeepers_.size(), 1);
  // One line when it is lost, one when nobody answers: not one for each attempt.
  if (has_spoken_ || failures_ + 1 == round) {
    SPDLOG_WARN("No shard map from statekeeper {}: {}; trying on",
                statekeepers_.empty() ? fmt::format("{}", fmt::join(targets_, ", "))
                                      : statekeepers_[current_]->name(),
                trouble);
  }
  has_spoken_ = false;
  ++failures_;
  current_ = (current_ + 1) % round;
  open_at_ms_ = failures_ % round == 0 ? SteadyMs() + kRoundPauseMs : 0;  // one round at once
}

}  // namespace dormouse
