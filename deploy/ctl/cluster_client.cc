#include "deploy/ctl/cluster_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/host_port.h"
#include "common/rpc/statekeeper_sockets.h"

namespace dormouse {
namespace {

using grpc::StatusCode;

constexpr Duration kGreeting{2'000};  // for each statekeeper to show that it lives

std::vector<std::string> Expand(const std::vector<std::string>& statekeepers) {
  for (const std::string& address : statekeepers) {
    if (IsUnixTarget(address)) continue;
    if (const std::string why = WhyNotToCall(address); !why.empty())
      throw Failure(Exit::kUsage, "--statekeeper: " + why);
  }
  std::string trouble;
  std::vector<std::string> addresses = FindStatekeepers(statekeepers, &trouble);
  if (!addresses.empty()) return addresses;
  if (trouble.empty())
    trouble = fmt::format("There is no statekeeper's socket in {}.", fmt::join(statekeepers, ", "));
  throw Failure(Exit::kNobody, trouble);
}

std::shared_ptr<const LinkCredentials> ReadCredentials(LinkCredentials::Files files) {
  std::string wrong;
  auto credentials = LinkCredentials::Read(std::move(files), LinkRole::kOperator, &wrong);
  if (credentials == nullptr) throw Failure(Exit::kUsage, wrong);
  return credentials;
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

ClusterClient::ClusterClient(std::vector<std::string> statekeepers, LinkCredentials::Files files,
                             Duration timeout)
    : statekeepers_(std::move(statekeepers)),
      timeout_(timeout),
      credentials_(ReadCredentials(std::move(files))) {
  Find();
}

void ClusterClient::Find() {
  const std::vector<std::string> addresses = Expand(statekeepers_);
  std::string last;
  for (const std::string& address : addresses) {
    address_ = address;
    channel_ = LinkChannel(address, credentials_);
    stub_ = admin::Admin::NewStub(channel_.grpc());
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
  const bool by_network = !std::ranges::all_of(addresses, IsUnixTarget);
  throw Failure(Exit::kNobody,
                fmt::format("No statekeeper answers at {} ({}). --statekeeper names others.{}",
                            fmt::join(addresses, ", "), last,
                            by_network ? " Statekeepers with certificates answer only whoever shows one: "
                                         "--certificate, --private-key and --ca."
                                       : ""));
}

void ClusterClient::FindUntil(Deadline deadline) {
  while (true) {
    try {
      return Find();
    } catch (const Failure& failure) {
      if (failure.exit() != Exit::kNobody || std::chrono::system_clock::now() + kPause >= deadline) throw;
    }
    std::this_thread::sleep_for(kPause);
  }
}

void ClusterClient::ThrowUnlessMoving(const grpc::Status& status, Deadline deadline) const {
  const bool late = std::chrono::system_clock::now() + kPause >= deadline;
  if (status.error_code() == StatusCode::ABORTED && !late) return;
  std::string sentence = status.error_message();
  if (status.error_code() == StatusCode::UNIMPLEMENTED) {
    sentence =
        "A statekeeper that this concerns is of an older version, which cannot do that: upgrade all of "
        "them first.";
  } else if (status.error_code() == StatusCode::ABORTED ||
             status.error_code() == StatusCode::DEADLINE_EXCEEDED) {
    sentence += fmt::format(" (waited {}; --timeout says how long)", FormatDuration(timeout_));
  } else if (status.error_code() == StatusCode::UNAVAILABLE) {
    sentence = fmt::format("{} does not answer any more: {}", address_, sentence);
  }
  throw Failure(ExitOf(status.error_code()), sentence);
}

}  // namespace dormouse
