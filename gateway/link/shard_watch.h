// Keeps a WatchShards stream open to one of the configured statekeepers, the next one when it fails. A map
// that contradicts itself, or has another number of shards than the first, is ignored.
//
// Threading: the gateway's loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/link_channel.h"
#include "gateway/link/client_stream.h"
#include "gateway/link/stream_user.h"
#include "proto/link.pb.h"

namespace dormouse {

class ShardWatch final : private StreamUser {
 public:
  // `targets`: HOST:PORT, unix:SOCKET or unix:DIRECTORY (looked through before each round), at least one.
  // Opens at the first Tick.
  ShardWatch(CompletionThread* thread, std::shared_ptr<StreamInbox> inbox, std::vector<std::string> targets,
             std::shared_ptr<const LinkCredentials> credentials,
             std::function<void(const link::ShardMap&)> on_map);
  ~ShardWatch() { Close(); }
  ShardWatch(const ShardWatch&) = delete;
  ShardWatch& operator=(const ShardWatch&) = delete;

  bool waiting() const { return stream_ == nullptr; }
  // Opens a stream where none is and its time has come.
  void Tick(int64_t steady_ms);
  // Leaves this statekeeper for the next one: others may know better. No effect where there is only one.
  void Rotate();
  void Close();

 private:
  void OnMessage(const grpc::ByteBuffer& message) override;
  void OnClosed(const grpc::Status& status) override;
  void FindTargets();
  bool IsSound(const link::ShardMap& map) const;
  // The one that was tried has failed, or `trouble` kept it from being tried: the next one.
  void GoOn(const std::string& trouble);

  CompletionThread* const thread_;
  const std::shared_ptr<StreamInbox> inbox_;
  const std::function<void(const link::ShardMap&)> on_map_;
  const grpc::ByteBuffer request_;
  const std::vector<std::string> targets_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  std::map<std::string, LinkTarget> known_;  // by name
  std::vector<LinkTarget*> statekeepers_;    // of known_, in this round; empty: there are none now
  std::string trouble_;                      // with the directories among the targets
  size_t current_ = 0;
  std::shared_ptr<ClientStream> stream_;
  uint32_t shard_count_ = 0;  // of the first map; 0: there was none
  bool has_spoken_ = false;   // the current stream brought a map
  size_t failures_ = 0;       // in a row
  int64_t open_at_ms_ = 0;
};

}  // namespace dormouse
