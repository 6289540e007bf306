// One signal hub: takes events apart and hands messages to their handlers.
#pragma once

#include "common/config/options.h"
#include "statekeeper/classes/signal/messages/call.h"
#include "statekeeper/hub/backend_hub.h"
#include "statekeeper/hub/hub.h"

namespace dormouse::signal {

class SignalHub : public Hub, public BackendHub {
 public:
  // What is passed must outlive the hub. `authority`: nullptr if authentication is off; `resume_metrics`:
  // nullptr if nothing is to be counted.
  SignalHub(const Options& options, const TokenAuthority* authority, ResumeMetrics* resume_metrics);

  void OnWake(Context& context) override;
  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest& request) override;
  void OnMessage(Context& context, const Connection& from, const Message& message) override;
  void OnBackpressure(Context& context, const Connection& connection, bool paused,
                      const Backlog& backlog) override;
  void OnClose(Context& context, const Connection& connection, const CloseInfo& info) override;
  void OnAlarm(Context& context) override;
  void OnUndelivered(Context& context, const ConnectionId& closed, const Message& message) override;
  void OnLost(Context& context, const ConnectionId& closed, const Lost& lost) override;
  void OnRecalled(Context& context, const ConnectionId& closed) override;
  void OnConfirmed(Context& context, const ConnectionId& open) override;
  void OnSeen(Context& context, const Connection& connection) override;
  std::vector<std::pair<std::string, int64_t>> Describe(Context& context) override;
  void OnFailure(Context& context, const Connection& from, const Message& message, Failure failure) override;
  // {"type": ..., "payload": ..., "from": ..., "to": ..., "metadata": ...}: a message of the protocol; answered with
  // {"type": ..., "payload": ...}.
  void OnRequest(Context& context, std::string_view payload) override;

  // BackendHub
  bool Deliver(Context& context, const api::Command& command, api::Sent* sent, std::string* refused) override;
  std::optional<ConnectionId> FindActor(Context& context, const std::string& actor) override;
  void Disconnect(Context& context, const Connection& connection, uint16_t code,
                  std::string_view reason) override;
  void DescribeConnection(Context& context, const Connection& connection,
                          api::Connection* description) override;

 private:
  HubParts parts() { return {options_, authority_, memory_}; }
  SessionParts sessions(Context& context) { return {context, options_, memory_}; }
  void Handle(Call& call);
  void HandleOfSuccessor(Context& context, const Connection& from, const Message& message,
                         const Envelope& request);

  // Registrations that waited for mail of a session (sessions/mail_inheritance.h).
  void HandleWaitingRegisters(Context& context, const ConnectionId& holder);

  const Options& options_;
  const TokenAuthority* const authority_;
  HubMemory memory_;
};

}  // namespace dormouse::signal
