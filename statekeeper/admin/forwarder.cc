#include "statekeeper/admin/forwarder.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/clock.h"
#include "proto/link_channel.h"

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
  // The name of the socket has the member's id in it: what is there is the member's.
  const bool is_here = !to.unix_path.empty() && access(to.unix_path.c_str(), F_OK) == 0;
  if (!is_here && !key_.has_value()) {
    *status = {
        grpc::StatusCode::FAILED_PRECONDITION,
        fmt::format("This concerns statekeeper {} at {}, on another host. Statekeepers talk to each other "
                    "about this only with an admin key: start all of them with --admin-key FILE, or ask "
                    "that one.",
                    to.id, to.address)};
    return nullptr;
  }
  *onward = grpc::ClientContext::FromServerContext(context);
  (*onward)->AddMetadata(kMark, "1");
  if (!is_here) (*onward)->AddMetadata("authorization", "Bearer " + key_->NewToken(WallMs()));
  return admin::Admin::NewStub(NewLinkChannel(is_here ? "unix:" + to.unix_path : to.address));
}

grpc::Status Forwarder::AsFromHere(const grpc::Status& said, const std::string& name) {
  using grpc::StatusCode;
  if (said.error_code() == StatusCode::UNAVAILABLE) {
    return {StatusCode::ABORTED, fmt::format("This concerns statekeeper {}, which does not answer.", name)};
  }
  if (said.error_code() == StatusCode::UNAUTHENTICATED) {
    return {
        StatusCode::FAILED_PRECONDITION,
        fmt::format("This concerns statekeeper {}, which refuses this one: {} All statekeepers need the same "
                    "--admin-key.",
                    name, said.error_message())};
  }
  if (said.error_code() == StatusCode::DEADLINE_EXCEEDED) {
    return {said.error_code(), fmt::format("Statekeeper {}: {}", name, said.error_message())};
  }
  return said;
}

}  // namespace dormouse
