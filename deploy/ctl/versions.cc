#include "deploy/ctl/versions.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "common/bundle/app_bundle.h"
#include "common/clock.h"
#include "common/ids.h"
#include "deploy/ctl/built_app.h"
#include "deploy/ctl/say.h"

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

app::Record ReadRecord(ClusterClient* cluster) {
  return cluster->AskAnyone(&Stub::AppVersions, admin::AppVersionsRequest()).record();
}

const app::Version* Find(const app::Record& record, std::string_view version) {
  const auto found = std::ranges::find(record.versions(), version, &app::Version::version);
  return found == record.versions().end() ? nullptr : &*found;
}

// One run of it. What it has begun and not ended is given up when it goes.
class Deployment {
 public:
  Deployment(ClusterClient* cluster, std::string name, bool rename, app::Version version)
      : cluster_(cluster) {
    begin_.set_token(NewSecretHex(kTokenBytes));
    begin_.set_name(std::move(name));
    begin_.set_rename(rename);
    *begin_.mutable_version() = std::move(version);
    begin_.mutable_version()->set_by(Who());
  }
  ~Deployment() {
    if (!is_under_way_) return;
    admin::EndDeploymentRequest give_up;
    give_up.set_token(begin_.token());
    cluster_->TryOnce(&Stub::EndDeployment, give_up, Duration(5'000));
  }
  Deployment(const Deployment&) = delete;
  Deployment& operator=(const Deployment&) = delete;

  // Whether the store has the version already. Said again: it goes on.
  bool Begin() {
    const bool is_stored = cluster_->AskAnyone(&Stub::BeginDeployment, begin_).is_stored();
    is_under_way_ = true;
    return is_stored;
  }

  void Upload(const std::string& bundle) {
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

  // All that live have it up, or the first that has not is thrown.
  void Prepare() {
    OfEach(true, [this](const admin::Member& member, const Failure& failure) {
      throw Failure(
          failure.exit(),
          fmt::format("Version {} does not come up at statekeeper {} ({}): {}\nNothing was changed.",
                      begin_.version().version(), member.id(), member.address(), failure.what()));
    });
  }

  void Activate() {
    admin::EndDeploymentRequest end;
    end.set_token(begin_.token());
    end.set_activate(true);
    cluster_->AskAnyone(&Stub::EndDeployment, end);
    is_under_way_ = false;
  }

  // Who serves it, once it is the current one.
  std::vector<std::string> Serve() {
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

 private:
  admin::ServeAppRequest RequestOf(const admin::Member& member, bool only_prepare) const {
    admin::ServeAppRequest request;
    request.set_member(member.id());
    request.set_only_prepare(only_prepare);
    *request.mutable_version() = begin_.version();
    return request;
  }

  // Who does not answer is asked again by OfEach.
  void AskAllAtOnce(bool only_prepare) {
    std::vector<std::future<void>> asked;
    for (const admin::Member& member : Members()) {
      asked.push_back(std::async(std::launch::async, [this, request = RequestOf(member, only_prepare)] {
        cluster_->TryOnce(&Stub::ServeApp, request, std::min(cluster_->timeout(), kTogether));
      }));
    }
  }

  std::vector<admin::Member> Members() {
    const admin::MembersReply reply = cluster_->AskAnyone(&Stub::Members, admin::MembersRequest());
    return {reply.members().begin(), reply.members().end()};
  }

  // Asks each that lives, those that come meanwhile, too. The ids of those that it is done at.
  template <typename OnFailure>
  std::vector<std::string> OfEach(bool only_prepare, const OnFailure& on_failure) {
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

  ClusterClient* const cluster_;
  admin::BeginDeploymentRequest begin_;
  bool is_under_way_ = false;
};

}  // namespace

void Deploy(ClusterClient* cluster, const DeployOptions& options, Form form) {
  const BuiltApp app = ReadApp(options.directory, options.environment);
  const app::Record before = ReadRecord(cluster);
  app::Version version;
  version.set_hash(BundleHash(app.bundle));
  version.set_version(BundleName(version.hash()));
  version.set_bytes(app.bundle.size());
  for (const std::string& name : app.classes) version.add_classes(name);
  const std::string name = options.app.empty() ? app.name : options.app;
  Deployed deployed{name, version.version(), before.current(), {}};
  Deployment deployment(cluster, name, !options.app.empty(), version);
  if (before.current() != version.version() || before.name() != name) {
    if (!deployment.Begin()) deployment.Upload(app.bundle);
    deployment.Prepare();
    deployment.Activate();
  }
  deployed.statekeepers = deployment.Serve();
  Print(ShowDeployed(deployed, form));
}

void Rollback(ClusterClient* cluster, const std::string& to, Form form) {
  const app::Record before = ReadRecord(cluster);
  const int count = before.versions_size();
  if (to.empty() && count < 2)
    throw Failure(Exit::kFailed,
                  "There is no version before this one; dormousectl versions shows those that there are.");
  const std::string wanted = to.empty() ? before.versions(count - 2).version() : to;
  const app::Version* const found = Find(before, wanted);
  if (found == nullptr) {
    throw Failure(
        Exit::kNotFound,
        fmt::format("There is no version {}; dormousectl versions shows those that there are.", wanted));
  }
  Deployment deployment(cluster, "", false, *found);
  if (before.current() != wanted) {
    deployment.Begin();
    deployment.Prepare();
    deployment.Activate();
  }
  const std::vector<std::string> statekeepers = deployment.Serve();
  Print(ShowDeployed({before.name(), wanted, before.current(), statekeepers}, form));
}

void Versions(ClusterClient* cluster, Form form) { Print(ShowVersions(ReadRecord(cluster), WallMs(), form)); }

}  // namespace dormouse
