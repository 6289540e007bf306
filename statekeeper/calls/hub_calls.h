// Calls of hubs from within this process, to wherever they live: to its own lanes, or to the statekeeper that owns the
// hub (call_peers.h). What comes between owners is tried again until one takes it, or its time is over: it has not begun
// then. Calls of a hub that one thread makes arrive in their order, unless its owner changes meanwhile.
//
//   Call -> own lane -> done
//              | not here
//              +-> owner -> its own lane -> done
//              |     | not there, or nobody owns it yet
//              +<----+ again, a moment later
//
// A backend's requests (api.proto) go the same way. One that can be repeated without harm, for it has an idempotency key or
// changes nothing, is tried again, too, where it is not known whether it was carried out.
//
// Threading: Call on any thread, once Use was called; the rest on the main thread. `done` runs on a lane's thread, the
// server's completion thread, or this one's own, on which tries are repeated.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/rpc/link_credentials.h"
#include "proto/api.pb.h"
#include "proto/calls.grpc.pb.h"
#include "statekeeper/calls/call_peers.h"
#include "statekeeper/hub/hub_caller.h"
#include "statekeeper/link/link_service.h"
#include "statekeeper/ownership/cluster_admin.h"
#include "statekeeper/runtime/lane/lane_shards.h"

namespace dormouse {

class HubCalls final : public HubCaller, public LinkService {
 public:
  // `self`: this statekeeper's incarnation. `credentials`: nullptr: none.
  HubCalls(uint64_t self, std::shared_ptr<const LinkCredentials> credentials);
  ~HubCalls() override;

  // Both outlive it, or its Stop. Before any lane runs.
  void Use(LaneShards* shards, ClusterAdmin* cluster);

  // HubCaller
  void Call(Question question, Done done) override;

  // `done`: with an api.Reply as payload, or a failure. As Call else.
  void Command(std::string hub, std::shared_ptr<const api::Request> commands, int64_t timeout_ms, Done done);

  // LinkService
  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override;
  void Stop() override;

 private:
  struct Try {
    std::string hub;
    std::shared_ptr<const std::string> payload;    // or `commands`, serialized
    std::shared_ptr<const api::Request> commands;  // nullptr: it is no backend's
    HubRequest::Caller caller;                     // of commands: until when
    Done done;
  };

  bool CallHere(const Try& what, HubRequest::Done done);
  void TryHere(const Try& what);
  void TryOwner(Try what);
  void TryAgain(Try what, const std::string& why, int64_t after_ms);
  // It has been answered; or it is tried again.
  void Finish(const Try& what, Answer answer);
  void WatchPeers();
  void Carry(uint64_t from, const calls::Request& request);
  void Repeat();

  CallPeers peers_;
  LaneShards* shards_ = nullptr;
  ClusterAdmin* cluster_ = nullptr;
  calls::Calls::AsyncService service_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<int64_t, Try> again_;  // by when (SteadyMs)
  bool peers_wait_ = false;            // they are to be looked at
  bool ending_ = false;
  std::thread repeater_;
};

}  // namespace dormouse
