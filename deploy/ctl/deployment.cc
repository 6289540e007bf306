#include "deploy/ctl/deployment.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <set>
#include <utility>

#include "common/bundle/app_bundle.h"
#include "common/ids.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

constexpr size_t kTokenBytes = 8;
constexpr Duration kTogether{20'000};         // for all to answer who are asked at once
constexpr uint32_t kChunksBetweenWords = 16;  // after which it is said that the deployment goes on

// For people, who see it beside the version.
std::string Who() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  const passwd* const user = getpwuid(geteuid());
  return fmt::format("{}@{}", user == nullptr ? std::to_string(geteuid()) : user->pw_name, host.data());
}

}  // namespace

Deployment::Deployment(ClusterClient* cluster, std::string name, bool rename, app::Version version)
    : cluster_(cluster) {
  begin_.set_token(NewSecretHex(kTokenBytes));
  begin_.set_name(std::move(name));
  begin_.set_rename(rename);
  *begin_.mutable_version() = std::move(version);
  if (begin_.version().by().empty()) begin_.mutable_version()->set_by(Who());
}

Deployment::~Deployment() {
  if (!is_under_way_) return;
  admin::EndDeploymentRequest give_up;
  give_up.set_token(begin_.token());
  cluster_->TryOnce(&Stub::EndDeployment, give_up, Duration(5'000));
}

bool Deployment::Begin() {
  const bool is_stored = cluster_->AskAnyone(&Stub::BeginDeployment, begin_).is_stored();
  is_under_way_ = true;
  return is_stored;
}

void Deployment::Upload(const std::string& bundle) {
  admin::UploadAppRequest request;
  request.set_hash(begin_.version().hash());
  const uint32_t chunks = BundleChunks(bundle.size());
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    if (chunk % kChunksBetweenWords == kChunksBetweenWords - 1) Begin();
    request.set_chunk(chunk);
    request.set_content(bundle.substr(size_t{chunk} * kBundleChunk, kBundleChunk));
    cluster_->AskAnyone(&Stub::UploadApp, request);
  }
}

void Deployment::Prepare() {
  OfEach(true, [this](const admin::Member& member, const Failure& failure) {
    throw Failure(failure.exit(),
                  fmt::format("Version {} does not come up at statekeeper {} ({}): {}\nNothing was changed.",
                              begin_.version().version(), member.id(), member.address(), failure.what()));
  });
}

void Deployment::Activate() {
  admin::EndDeploymentRequest end;
  end.set_token(begin_.token());
  end.set_activate(true);
  cluster_->AskAnyone(&Stub::EndDeployment, end);
  is_under_way_ = false;
}

void Deployment::Store() {
  admin::StoreVersionRequest store;
  store.set_token(begin_.token());
  cluster_->AskAnyone(&Stub::StoreVersion, store);
  is_under_way_ = false;
}

std::vector<std::string> Deployment::Serve() {
  AskAllAtOnce(false);  // so that they change over at about the same time
  std::vector<std::string> failed;
  std::vector<std::string> served = OfEach(false, [&](const admin::Member& member, const Failure& failure) {
    failed.push_back(fmt::format("statekeeper {} ({}): {}", member.id(), member.address(), failure.what()));
  });
  if (failed.empty()) return served;
  throw Failure(Exit::kFailed,
                fmt::format("Version {} is the current one, and {} of {} statekeepers do not serve it "
                            "yet; they try again, and serve the version before meanwhile:\n{}",
                            begin_.version().version(), failed.size(), failed.size() + served.size(),
                            fmt::join(failed, "\n")));
}

admin::ServeAppRequest Deployment::RequestOf(const admin::Member& member, bool only_prepare) const {
  admin::ServeAppRequest request;
  request.set_member(member.id());
  request.set_only_prepare(only_prepare);
  *request.mutable_version() = begin_.version();
  return request;
}

// Who does not answer is asked again by OfEach.
void Deployment::AskAllAtOnce(bool only_prepare) {
  std::vector<std::future<void>> asked;
  for (const admin::Member& member : Members()) {
    asked.push_back(std::async(std::launch::async, [this, request = RequestOf(member, only_prepare)] {
      cluster_->TryOnce(&Stub::ServeApp, request, std::min(cluster_->timeout(), kTogether));
    }));
  }
}

std::vector<admin::Member> Deployment::Members() {
  const admin::MembersReply reply = cluster_->AskAnyone(&Stub::Members, admin::MembersRequest());
  return {reply.members().begin(), reply.members().end()};
}

// Asks each that lives, those that come meanwhile, too. The ids of those that it is done at.
std::vector<std::string> Deployment::OfEach(bool only_prepare, const OnFailure& on_failure) {
  std::set<std::string> asked;
  std::vector<std::string> done;
  for (bool any = true; any;) {
    any = false;
    for (const admin::Member& member : Members()) {
      if (!asked.insert(member.id()).second) continue;
      any = true;
      if (only_prepare) Begin();
      // It comes up where it was tried first: then it is worth the others' while.
      if (only_prepare && done.size() == 1) AskAllAtOnce(true);
      try {
        done.push_back(cluster_->AskAnyone(&Stub::ServeApp, RequestOf(member, only_prepare)).member());
      } catch (const Failure& failure) {
        if (failure.exit() == Exit::kNotFound) continue;  // it lives no more
        on_failure(member, failure);
      }
    }
  }
  return done;
}

}  // namespace dormouse
