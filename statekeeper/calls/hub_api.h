// What gateways ask of hubs in the name of backends (api.proto): takes their requests and hands them on to HubCalls, which
// finds the hub.
//
// Bounds: kMost requests that are not done, kMostBytes of them, and kMostOfHub of one hub, whether or not somebody still
// waits for them; more are refused as busy. So a hub that answers nothing holds up none but who calls it.
//
// Threading: made and destroyed on the main thread; requests are taken on the server's completion thread, and answered on
// any.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "proto/api.grpc.pb.h"
#include "statekeeper/calls/hub_calls.h"
#include "statekeeper/link/link_service.h"

namespace dormouse {

class HubApi final : public LinkService {
 public:
  static constexpr size_t kMost = 20'000;
  static constexpr size_t kMostBytes = 256u << 20;
  static constexpr size_t kMostOfHub = 2'000;

  // `calls` outlives it; and it outlives the lanes.
  explicit HubApi(HubCalls* calls) : calls_(calls) {}

  // LinkService
  grpc::Service* service() override { return &service_; }
  void Serve(CompletionThread* thread) override;

 private:
  // False: there is no room for it.
  bool Begin(const std::string& hub, size_t bytes, api::Reply* refusal);
  void End(const std::string& hub, size_t bytes);

  HubCalls* const calls_;
  api::Hubs::AsyncService service_;
  std::mutex mutex_;  // guards what follows
  size_t requests_ = 0;
  size_t bytes_ = 0;
  std::map<std::string, size_t> by_hub_;
};

}  // namespace dormouse
