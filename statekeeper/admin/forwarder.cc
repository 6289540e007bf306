#include "statekeeper/admin/forwarder.h"

#include <fmt/format.h>

#include "common/rpc/link_channel.h"
#include "statekeeper/admin/member_target.h"

namespace dormouse {
namespace {

constexpr char kMark[] = "dormouse-forwarded";

}  // namespace

bool Forwarder::IsForwarded(const grpc::ServerContext& context) {
  return context.client_metadata().contains(kMark);
}

std::unique_ptr<admin::Admin::Stub> Forwarder::Reach(const MemberView& to, const grpc::ServerContext& context,
                                                     std::unique_ptr<grpc::ClientContext>* onward,
                                                     grpc::Status* status) const {
  const std::string target = TargetOf(to);
  if (!target.starts_with("unix:") && (credentials_ == nullptr || !credentials_->any())) {
    *status = {
        grpc::StatusCode::FAILED_PRECONDITION,
        fmt::format("This concerns statekeeper {} at {}, on another host, and this statekeeper has neither a "
                    "cluster secret nor a certificate to show there: start all of them with --cluster-secret "
                    "FILE, or ask that one.",
                    to.id, to.address)};
    return nullptr;
  }
  *onward = grpc::ClientContext::FromServerContext(context);
  (*onward)->AddMetadata(kMark, "1");
  const LinkChannel channel(target, credentials_);
  channel.Authorize(onward->get());
  return admin::Admin::NewStub(channel.grpc());
}

grpc::Status Forwarder::AsFromHere(const grpc::Status& said, const std::string& name) {
  using grpc::StatusCode;
  if (said.error_code() == StatusCode::UNAVAILABLE) {
    return {StatusCode::ABORTED, fmt::format("This concerns statekeeper {}, which does not answer.", name)};
  }
  if (said.error_code() == StatusCode::UNAUTHENTICATED ||
      said.error_code() == StatusCode::PERMISSION_DENIED) {
    return {
        StatusCode::FAILED_PRECONDITION,
        fmt::format("This concerns statekeeper {}, which refuses this one: {} All statekeepers need the same "
                    "--cluster-secret, or certificates of the same authorities.",
                    name, said.error_message())};
  }
  if (said.error_code() == StatusCode::DEADLINE_EXCEEDED) {
    return {said.error_code(), fmt::format("Statekeeper {}: {}", name, said.error_message())};
  }
  return said;
}

}  // namespace dormouse
