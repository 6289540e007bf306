#include "statekeeper/admin/admin_gate.h"

#include <string>
#include <string_view>

#include "common/clock.h"

namespace dormouse {
namespace {

constexpr std::string_view kScheme = "Bearer ";

grpc::Status Refused(const std::string& why) { return {grpc::StatusCode::UNAUTHENTICATED, why}; }

}  // namespace

grpc::Status AdminGate::Check(const grpc::ServerContext& context) const {
  if (context.peer().starts_with("unix:")) return grpc::Status::OK;
  if (!key_.has_value()) {
    return Refused(
        "This statekeeper has no admin key, so it serves operators only on its own host, at the unix socket "
        "in "
        "the directory run of its data. To be asked over the network, all statekeepers need --admin-key "
        "FILE, "
        "and dormousectl the same file with --key.");
  }
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  const std::string_view value =
      found == metadata.end() ? "" : std::string_view(found->second.data(), found->second.size());
  if (!value.starts_with(kScheme)) {
    return Refused(
        "This statekeeper asks for the admin key: name the file with its secret with dormousectl --key.");
  }
  const std::string why = key_->WhyRefused(value.substr(kScheme.size()), WallMs());
  return why.empty() ? grpc::Status::OK : Refused(why);
}

}  // namespace dormouse
