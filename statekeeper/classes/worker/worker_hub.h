// A hub whose handlers run in a worker: each event is deferred and sent there, in order; what the worker says of it
// comes back as resumptions (worker_lane.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/worker.pb.h"
#include "statekeeper/classes/worker/worker_lane.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

class WorkerHub : public Hub {
 public:
  explicit WorkerHub(std::shared_ptr<WorkerLane> lane) : lane_(std::move(lane)) {}
  ~WorkerHub() override;

  void OnWake(Context& context) override;
  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) override;
  void OnMessage(Context& context, const Connection& from, const Message& message) override;
  void OnClose(Context& context, const Connection& connection, const CloseInfo& close) override;
  void OnAlarm(Context& context) override;
  void OnTimer(Context& context, std::string_view name) override;
  void OnRequest(Context& context, std::string_view payload) override;
  void OnBackpressure(Context& context, const Connection& connection, bool paused,
                      const Backlog& backlog) override;

 private:
  // `kept`: the runtime keeps it until the worker says that it is done.
  void Send(Context& context, worker::Event event, bool kept);

  const std::shared_ptr<WorkerLane> lane_;  // nullptr: its lane has ended
  uint64_t object_ = 0;
  uint64_t events_ = 0;
  worker::Wake wake_;  // until it was sent
};

// Applies a turn's effects.
void ApplyEffects(Context& context, const worker::Turn& turn);
// Reads what is asked for.
worker::ReadAnswer ReadRows(Context& context, const worker::Read& read);

}  // namespace dormouse
