// A statekeeper for tests whose streams do what the test says: to break the rules that a real one keeps, or
// to stand between a gateway and a real one and meddle.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/sync_stream.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "common/rpc/link_channel.h"
#include "proto/link.grpc.pb.h"

namespace dormouse {

class ScriptedStatekeeper final : private link::Edge::Service {
 public:
  using Stream = grpc::ServerReaderWriter<link::ToGateway, link::ToLane>;
  // A stream whose greeting was read; it ends when the script returns. On a thread of its own.
  using Script = std::function<void(grpc::ServerContext*, Stream*, const link::ToLane& greeting)>;

  // `map`: what watchers are told.
  ScriptedStatekeeper(const std::string& path, link::ShardMap map, Script script)
      : map_(std::move(map)), script_(std::move(script)) {
    grpc::ServerBuilder builder;
    ConfigureLinkServer(&builder);
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~ScriptedStatekeeper() override {
    stopping_ = true;
    server_->Shutdown(std::chrono::system_clock::now());
  }

  // Passes each stream on to the statekeeper at `target`. `copies`: how often a message of its lanes arrives.
  static Script Meddle(const std::string& target, std::function<int(const link::ToGateway&)> copies) {
    const LinkChannel channel(target);
    return [channel, copies = std::move(copies)](grpc::ServerContext* context, Stream* down,
                                                 const link::ToLane& greeting) {
      grpc::ClientContext up_context;
      const auto up = link::Edge::NewStub(channel.grpc())->Link(&up_context);
      up->Write(greeting);
      std::thread upward([&] {
        link::ToLane message;
        while (down->Read(&message) && up->Write(message)) {
        }
        up_context.TryCancel();
      });
      link::ToGateway message;
      while (up->Read(&message)) {
        for (int i = copies(message); i > 0; --i) down->Write(message);
      }
      context->TryCancel();
      upward.join();
      up->Finish();
    };
  }

 private:
  grpc::Status WatchShards(grpc::ServerContext* context, const link::WatchShardsRequest*,
                           grpc::ServerWriter<link::ShardMap>* watcher) override {
    watcher->Write(map_);
    while (!stopping_ && !context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return grpc::Status::OK;
  }
  grpc::Status Link(grpc::ServerContext* context, Stream* stream) override {
    link::ToLane greeting;
    if (stream->Read(&greeting)) script_(context, stream, greeting);
    return grpc::Status::OK;
  }

  const link::ShardMap map_;
  const Script script_;
  std::atomic<bool> stopping_{false};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace dormouse
