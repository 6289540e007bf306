// Passes calls on to other statekeepers, whose answers become the answers of the calls. Any thread; nothing
// waits.
//
// To one of the same host by its unix socket, to others over TCP with a token of the admin key. A connection
// is made for each call: operators do not ask often.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/operator_key.h"
#include "proto/admin.grpc.pb.h"
#include "statekeeper/admin/admin_call.h"
#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

class Forwarder {
 public:
  template <typename Request, typename Reply>
  using Method = void (admin::Admin::StubInterface::async_interface::*)(grpc::ClientContext*, const Request*,
                                                                        Reply*,
                                                                        std::function<void(grpc::Status)>);

  explicit Forwarder(std::optional<OperatorKey> key) : key_(std::move(key)) {}

  // Whether another statekeeper passed it on: it goes no further.
  static bool IsForwarded(const grpc::CallbackServerContext& context);

  // `context`: of the call, which its handler has not returned from yet. The deadline goes along.
  template <typename Request, typename Reply>
  void Forward(const MemberView& to, const grpc::CallbackServerContext& context, const Request& request,
               Method<Request, Reply> method, std::shared_ptr<AdminCall<Reply>> call) const {
    struct Journey {
      std::unique_ptr<admin::Admin::Stub> stub;
      std::unique_ptr<grpc::ClientContext> context;
      Request request;
      Reply reply;
    };
    auto journey = std::make_shared<Journey>();
    grpc::Status status;
    journey->stub = Reach(to, context, &journey->context, &status);
    if (journey->stub == nullptr) {
      call->Refuse(status);
      return;
    }
    journey->request = request;
    const std::string name = to.id + " at " + to.address;
    (journey->stub->async()->*method)(journey->context.get(), &journey->request, &journey->reply,
                                      [journey, call, name](const grpc::Status& said) {
                                        if (said.ok()) {
                                          call->Answer(std::move(journey->reply));
                                        } else {
                                          call->Refuse(AsFromHere(said, name));
                                        }
                                      });
  }

 private:
  std::unique_ptr<admin::Admin::Stub> Reach(const MemberView& to, const grpc::CallbackServerContext& context,
                                            std::unique_ptr<grpc::ClientContext>* onward,
                                            grpc::Status* status) const;
  static grpc::Status AsFromHere(const grpc::Status& said, const std::string& name);

  const std::optional<OperatorKey> key_;
};

}  // namespace dormouse
