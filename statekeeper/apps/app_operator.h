// What an operator can ask about the versions of the app (service Admin of proto/admin.proto; AppKeeper implements it).
//
// Threading: call from any thread; answers come on another one, or never.
#pragma once

#include <grpcpp/support/status.h>

#include <functional>

#include "proto/admin.pb.h"

namespace dormouse {

class AppOperator {
 public:
  template <typename Reply>
  using Answer = std::function<void(const grpc::Status& status, const Reply& reply)>;

  virtual ~AppOperator() = default;

  virtual void Versions(Answer<admin::AppVersionsReply> answer) = 0;
  virtual void Begin(admin::BeginDeploymentRequest request, Answer<admin::BeginDeploymentReply> answer) = 0;
  virtual void Upload(admin::UploadAppRequest request, Answer<admin::UploadAppReply> answer) = 0;
  virtual void End(admin::EndDeploymentRequest request, Answer<admin::EndDeploymentReply> answer) = 0;
  // Of this member.
  virtual void Serve(admin::ServeAppRequest request, Answer<admin::ServeAppReply> answer) = 0;
  virtual void Read(admin::ReadVersionRequest request, Answer<admin::ReadVersionReply> answer) = 0;
  virtual void Store(admin::StoreVersionRequest request, Answer<admin::StoreVersionReply> answer) = 0;
};

}  // namespace dormouse
