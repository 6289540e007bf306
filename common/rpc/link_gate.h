// Who may call what of a statekeeper over TCP: one gate for all services. A call comes to it as soon as its
// headers are there, before any of its messages is read, and before anybody hears of it. Where it is refused
// its caller gets UNAUTHENTICATED or PERMISSION_DENIED with a sentence that says what to do; it is counted
// (dormouse_link_refusals_total) and logged, once a second at most.
//
//   service          who
//   Edge (links)     gateways, statekeepers
//   Hubs (backends)  gateways, statekeepers
//   AppHttp          gateways, statekeepers
//   Peer, Calls      statekeepers
//   Admin            operators, statekeepers
//
// By certificates (mutual TLS) somebody is who the certificate says, and whoever has none that the
// authorities have signed gets no further than the handshake. Else by tokens: those of the cluster's secret
// say as whom they were made; with those of the admin key one is an operator.
//
// Any thread. Outlives the server by itself.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/status.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/shared_secret.h"
#include "common/log_limit.h"
#include "common/rpc/link_credentials.h"

namespace dormouse {

class LinkGate {
 public:
  // `credentials`: there must be any. `admin_key`: nullptr: operators need a certificate or the unix socket.
  LinkGate(std::shared_ptr<const LinkCredentials> credentials, std::shared_ptr<const SharedSecret> admin_key,
           prometheus::Registry* registry);

  // For grpc::ServerBuilder::AddListeningPort.
  static std::shared_ptr<grpc::ServerCredentials> OfPort(std::shared_ptr<const LinkGate> gate);

  const LinkCredentials& credentials() const { return *credentials_; }

  // What of a call is looked at.
  struct Call {
    std::string_view path;           // /SERVICE/METHOD
    std::string_view authorization;  // empty: none
    std::vector<std::string> names;  // of the certificate
  };
  grpc::Status Judge(const Call& call) const;

  // Somebody came no further than the handshake of TLS.
  void CountFailedHandshake() const { handshake_->Increment(); }
  // Somebody said nothing sensible, or not in time.
  void CountSilent() const { silent_->Increment(); }

 private:
  struct Service;
  static const Service* FindService(std::string_view path);
  std::optional<std::string> RoleByToken(const Service& service, std::string_view authorization,
                                         grpc::Status* refusal) const;
  grpc::Status Refuse(prometheus::Counter* counter, const Service* service, const grpc::Status& why) const;

  const std::shared_ptr<const LinkCredentials> credentials_;
  const std::shared_ptr<const SharedSecret> admin_key_;
  prometheus::Counter* no_token_;
  prometheus::Counter* bad_token_;
  prometheus::Counter* role_;
  prometheus::Counter* handshake_;
  prometheus::Counter* silent_;
  mutable LogLimit log_limit_;
};

}  // namespace dormouse
