#include "deploy/ctl/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "common/bundle/app_bundle.h"
#include "common/clock.h"
#include "deploy/ctl/built_app.h"
#include "deploy/ctl/deployment.h"
#include "deploy/ctl/say.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

app::Record ReadRecord(ClusterClient* cluster) {
  return cluster->AskAnyone(&Stub::AppVersions, admin::AppVersionsRequest()).record();
}

const app::Version* Find(const app::Record& record, std::string_view version) {
  const auto found = std::ranges::find(record.versions(), version, &app::Version::version);
  return found == record.versions().end() ? nullptr : &*found;
}

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
