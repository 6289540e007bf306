#include "deploy/ctl/cluster_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "proto/link_channel.h"

namespace dormouse {
namespace {

using grpc::StatusCode;

constexpr std::string_view kUnix = "unix:";
constexpr Duration kGreeting{2'000};  // for each statekeeper to show that it lives

// The sockets in the place of a directory of them.
std::vector<std::string> Expand(const std::vector<std::string>& statekeepers) {
  std::vector<std::string> addresses;
  for (const std::string& name : statekeepers) {
    std::error_code error;
    if (!name.starts_with(kUnix) || !std::filesystem::is_directory(name.substr(kUnix.size()), error)) {
      addresses.push_back(name);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(name.substr(kUnix.size()), error)) {
      const std::string file = entry.path().filename();
      if (file.starts_with("statekeeper-") && file.ends_with(".sock")) {
        addresses.push_back(std::string(kUnix) + entry.path().string());
      }
    }
    if (error) {
      throw Failure(Exit::kNobody,
                    fmt::format("{} cannot be read: {}.", name.substr(kUnix.size()), error.message()));
    }
  }
  if (addresses.empty()) {
    throw Failure(Exit::kNobody,
                  fmt::format("There is no statekeeper's socket in {}.", fmt::join(statekeepers, ", ")));
  }
  return addresses;
}

bool IsSilence(const grpc::Status& status) {
  return status.error_code() == StatusCode::UNAVAILABLE ||
         status.error_code() == StatusCode::DEADLINE_EXCEEDED;
}

Exit ExitOf(StatusCode code) {
  switch (code) {
    case StatusCode::NOT_FOUND:
      return Exit::kNotFound;
    case StatusCode::INVALID_ARGUMENT:
      return Exit::kUsage;
    case StatusCode::UNAVAILABLE:
      return Exit::kNobody;
    case StatusCode::ABORTED:
    case StatusCode::DEADLINE_EXCEEDED:
      return Exit::kLate;
    default:
      return Exit::kFailed;
  }
}

}  // namespace

ClusterClient::ClusterClient(std::vector<std::string> statekeepers, const std::string& key, Duration timeout)
    : statekeepers_(std::move(statekeepers)), timeout_(timeout) {
  if (!key.empty()) {
    std::string wrong;
    key_ = OperatorKey::Read("key", key, &wrong);
    if (!key_.has_value()) throw Failure(Exit::kUsage, wrong);
  }
  Find();
}

void ClusterClient::Find() {
  const std::vector<std::string> addresses = Expand(statekeepers_);
  std::string last;
  for (const std::string& address : addresses) {
    address_ = address;
    stub_ = admin::Admin::NewStub(NewLinkChannel(address));
    sends_token_ = key_.has_value() && !address.starts_with(kUnix);
    const Deadline patience = std::chrono::system_clock::now() + std::min(timeout_, kGreeting);
    grpc::Status status;
    // One that is not a member yet will be in a moment.
    while (true) {
      status = Try(&admin::Admin::StubInterface::Members, admin::MembersRequest(), patience, &members_);
      if (status.error_code() != StatusCode::ABORTED || std::chrono::system_clock::now() > patience) break;
      std::this_thread::sleep_for(kPause);
    }
    if (status.ok()) return;
    if (status.error_code() == StatusCode::UNIMPLEMENTED) {
      throw Failure(Exit::kFailed, fmt::format("What answers at {} does not serve operators: it is an older "
                                               "statekeeper, or another program.",
                                               address));
    }
    if (!IsSilence(status)) {
      throw Failure(ExitOf(status.error_code()), fmt::format("{}: {}", address, status.error_message()));
    }
    last = status.error_message();
  }
  throw Failure(Exit::kNobody, fmt::format("No statekeeper answers at {} ({}). --statekeeper names others.",
                                           fmt::join(addresses, ", "), last));
}

std::string ClusterClient::Token() const { return "Bearer " + key_->NewToken(WallMs()); }

void ClusterClient::ThrowUnlessMoving(const grpc::Status& status, Deadline deadline) const {
  const bool late = std::chrono::system_clock::now() + kPause >= deadline;
  if (status.error_code() == StatusCode::ABORTED && !late) return;
  std::string sentence = status.error_message();
  if (status.error_code() == StatusCode::ABORTED || status.error_code() == StatusCode::DEADLINE_EXCEEDED) {
    sentence += fmt::format(" (waited {}; --timeout says how long)", FormatDuration(timeout_));
  } else if (status.error_code() == StatusCode::UNAVAILABLE) {
    sentence = fmt::format("{} does not answer any more: {}", address_, sentence);
  }
  throw Failure(ExitOf(status.error_code()), sentence);
}

}  // namespace dormouse
