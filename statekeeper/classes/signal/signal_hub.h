// One signal hub: takes events apart and hands messages to their handlers. It has no state in memory at all:
// every handler reads the rows that it needs.
#pragma once

#include "common/options.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class SignalHub : public Hub {
 public:
  // `options` must outlive the hub.
  explicit SignalHub(const Options& options) : options_(options) {}

  void OnMessage(Context& context, const Connection& from, const Message& message) override;
  void OnClose(Context& context, const Connection& connection, const CloseInfo& info) override;
  void OnAlarm(Context& context) override;
  void OnFailure(Context& context, const Connection& from, const Message& message, Failure failure) override;

 private:
  const Options& options_;
};

}  // namespace dormouse::signal
