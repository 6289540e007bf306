// Asks a cluster: the first of the named statekeepers that answers, which passes on what concerns others.
//
// One thread, but TryOnce, which others may call meanwhile; calls wait. Whatever goes wrong is thrown as a Failure.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/config/options.h"
#include "common/rpc/link_channel.h"
#include "common/rpc/link_credentials.h"
#include "deploy/ctl/failure.h"
#include "proto/admin.grpc.pb.h"

namespace dormouse {

class ClusterClient {
 public:
  // `statekeepers`: HOST:PORT, unix:SOCKET, or unix:DIRECTORY for all statekeepers' sockets in it. `files`:
  // the admin key, or a certificate; to be shown over TCP. `timeout`: the longest time that an answer may
  // take.
  ClusterClient(std::vector<std::string> statekeepers, LinkCredentials::Files files, Duration timeout);

  template <typename Request, typename Reply>
  using Method = grpc::Status (admin::Admin::StubInterface::*)(grpc::ClientContext*, const Request&, Reply*);

  // Where ownership moves meanwhile, asks again until it is settled.
  template <typename Request, typename Reply>
  Reply Ask(Method<Request, Reply> method, const Request& request) {
    const Deadline deadline = std::chrono::system_clock::now() + timeout_;
    while (true) {
      Reply reply;
      const grpc::Status status = Try(method, request, deadline, &reply);
      if (status.ok()) return reply;
      ThrowUnlessMoving(status, deadline);
      std::this_thread::sleep_for(kPause);
    }
  }

  // The same, for as long as it may take; where the statekeeper goes away meanwhile, of any other.
  template <typename Request, typename Reply>
  Reply AskAnyone(Method<Request, Reply> method, const Request& request) {
    Deadline deadline = std::chrono::system_clock::now() + timeout_;
    while (true) {
      Reply reply;
      const grpc::Status status = Try(method, request, deadline, &reply);
      if (status.ok()) return reply;
      if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
        FindUntil(deadline);
      } else {
        ThrowUnlessMoving(status, deadline);
      }
      std::this_thread::sleep_for(kPause);
    }
  }

  // Once, for no longer than that; nothing where it fails.
  template <typename Request, typename Reply>
  std::optional<Reply> TryOnce(Method<Request, Reply> method, const Request& request, Duration patience) {
    Reply reply;
    if (!Try(method, request, std::chrono::system_clock::now() + patience, &reply).ok()) return std::nullopt;
    return reply;
  }

  // As they were when the statekeeper was found.
  const admin::MembersReply& members() const { return members_; }

  Duration timeout() const { return timeout_; }

  // Looks for a statekeeper that answers, anew.
  void Find();

 private:
  using Deadline = std::chrono::system_clock::time_point;
  static constexpr Duration kPause{200};

  template <typename Request, typename Reply>
  grpc::Status Try(Method<Request, Reply> method, const Request& request, Deadline deadline, Reply* reply) {
    grpc::ClientContext context;
    context.set_deadline(deadline);
    channel_.Authorize(&context);
    return (stub_.get()->*method)(&context, request, reply);
  }
  // Until one answers, or that time.
  void FindUntil(Deadline deadline);
  void ThrowUnlessMoving(const grpc::Status& status, Deadline deadline) const;

  const std::vector<std::string> statekeepers_;
  const Duration timeout_;
  const std::shared_ptr<const LinkCredentials> credentials_;
  std::string address_;
  LinkChannel channel_;
  std::unique_ptr<admin::Admin::Stub> stub_;
  admin::MembersReply members_;
};

}  // namespace dormouse
