// Gateways' WatchShards streams: each gets the newest shard map when it comes and whenever there is a newer
// one. A slow one skips maps. Without a map they are refused, and the gateway asks another statekeeper.
//
// Threading: Publish and Withdraw from any thread, the rest on the completion thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "proto/completion_thread.h"
#include "proto/link.pb.h"

namespace dormouse {

class ShardWatchers {
 public:
  using Call = grpc::ServerAsyncWriter<grpc::ByteBuffer>;
  // Has gRPC put the next WatchShards call into these.
  using RequestCall = std::function<void(grpc::ServerContext* context, grpc::ByteBuffer* request, Call* call,
                                         grpc::CompletionQueue* queue, void* tag)>;

  // Takes watchers until the server shuts down. The object outlives them all.
  void Accept(CompletionThread* thread, RequestCall request_call);

  void Publish(const link::ShardMap& map);
  // There is no map until the next Publish: ends all streams.
  void Withdraw();

 private:
  class Watcher;

  // Gives it what it lacks, or ends it. With mutex_ held.
  void Serve(Watcher* watcher);

  std::mutex mutex_;
  bool has_map_ = false;
  uint64_t version_ = 0;  // counts Publish calls
  grpc::ByteBuffer map_;
  std::set<Watcher*> watchers_;
};

}  // namespace dormouse
