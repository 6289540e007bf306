// Passes calls on to other statekeepers, whose answers become the answers of the calls. A call that ends here
// ends there, too. Any thread; nothing waits.
//
// To one of the same host by its unix socket, to others over TCP as a statekeeper. A connection is made for
// each call: operators do not ask often.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/rpc/link_credentials.h"
#include "common/rpc/unary_call.h"
#include "common/rpc/unary_question.h"
#include "proto/admin.grpc.pb.h"
#include "statekeeper/ownership/cluster_admin.h"

namespace dormouse {

class Forwarder {
 public:
  // AsyncNAME of the stub.
  template <typename Request, typename Reply>
  using Method = std::unique_ptr<grpc::ClientAsyncResponseReaderInterface<Reply>> (
      admin::Admin::StubInterface::*)(grpc::ClientContext*, const Request&, grpc::CompletionQueue*);

  // `credentials`: nullptr: none.
  explicit Forwarder(std::shared_ptr<const LinkCredentials> credentials)
      : credentials_(std::move(credentials)) {}

  // Whether another statekeeper passed it on: it goes no further.
  static bool IsForwarded(const grpc::ServerContext& context);

  // `context`: of the call, which its handler has not returned from yet. The deadline goes along. `thread`:
  // that the call came on.
  template <typename Request, typename Reply>
  void Forward(CompletionThread* thread, const MemberView& to, const grpc::ServerContext& context,
               const Request& request, Method<Request, Reply> method,
               std::shared_ptr<UnaryCall<Reply>> call) const {
    std::unique_ptr<grpc::ClientContext> onward;
    grpc::Status status;
    const auto stub = Reach(to, context, &onward, &status);
    if (stub == nullptr) {
      call->Refuse(status);
      return;
    }
    UnaryQuestion<Reply>::Ask(
        thread, std::move(onward),
        [&](grpc::ClientContext* with, grpc::CompletionQueue* queue) {
          return (stub.get()->*method)(with, request, queue);
        },
        [call = std::move(call), name = to.id + " at " + to.address](const grpc::Status& said, Reply* reply) {
          if (said.ok()) {
            call->Answer(*reply);
          } else {
            call->Refuse(AsFromHere(said, name));
          }
        });
  }

 private:
  std::unique_ptr<admin::Admin::Stub> Reach(const MemberView& to, const grpc::ServerContext& context,
                                            std::unique_ptr<grpc::ClientContext>* onward,
                                            grpc::Status* status) const;
  static grpc::Status AsFromHere(const grpc::Status& said, const std::string& name);

  const std::shared_ptr<const LinkCredentials> credentials_;
};

}  // namespace dormouse
