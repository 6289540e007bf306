#include "deploy/ctl/app_copy.h"

#include <fmt/format.h>

#include <utility>

#include "common/bundle/app_bundle.h"
#include "deploy/ctl/deployment.h"
#include "deploy/ctl/say.h"

namespace dormouse {
namespace {

using Stub = admin::Admin::StubInterface;

// How often it is begun anew because deployments have removed versions meanwhile.
constexpr int kMostCopies = 5;

// False: a version of it is not kept any more.
bool Copy(ClusterClient* cluster, const app::Record& record, BackupWriter* writer) {
  backup::Chunk first;
  *first.mutable_app() = record;
  writer->Add(first);
  for (const app::Version& version : record.versions()) {
    admin::ReadVersionRequest request;
    request.set_hash(version.hash());
    Sha256 hash;
    for (uint32_t chunk = 0; chunk < BundleChunks(version.bytes()); ++chunk) {
      request.set_chunk(chunk);
      backup::Chunk part;
      try {
        part.set_app_content(cluster->AskAnyone(&Stub::ReadVersion, request).content());
      } catch (const Failure& failure) {
        if (failure.exit() != Exit::kNotFound) throw;
        return false;
      }
      hash.Add(part.app_content());
      writer->Add(part);
    }
    if (hash.Digest() != version.hash()) {
      throw Failure(
          Exit::kFailed,
          fmt::format(
              "Version {} of app {} is not what was uploaded: the store is damaged. Deploy it anew, and "
              "then back up.",
              version.version(), record.name()));
    }
  }
  return true;
}

}  // namespace

std::optional<app::Record> ReadAppRecord(ClusterClient* cluster) {
  admin::AppVersionsRequest request;
  request.set_or_none(true);
  admin::AppVersionsReply reply = cluster->AskAnyone(&Stub::AppVersions, request);
  if (reply.is_of_directory()) return std::nullopt;
  reply.mutable_record()->clear_under_way();
  reply.mutable_record()->clear_token();
  return std::move(*reply.mutable_record());
}

void CopyApp(ClusterClient* cluster, BackupWriter* writer) {
  for (int copy = 0; copy < kMostCopies; ++copy) {
    const std::optional<app::Record> record = ReadAppRecord(cluster);
    if (!record || Copy(cluster, *record, writer)) return;
    writer->DropOpen();
  }
  throw Failure(Exit::kFailed, "Versions of the app are deployed faster than they can be read.");
}

void AppRestorer::Take(const backup::Chunk& chunk) {
  if (chunk.has_app()) Begin(chunk.app());
  if (next_ >= app_.versions_size()) return;
  bundle_ += chunk.app_content();
  const app::Version& version = app_.versions(next_);
  if (bundle_.size() < version.bytes()) return;
  Deploy(version);
  bundle_.clear();
  ++next_;
}

void AppRestorer::Begin(const app::Record& app) {
  const std::optional<app::Record> there = ReadAppRecord(cluster_);
  if (!there) {
    Remark(
        fmt::format("the statekeepers run the app of a directory (option app): the backup's app {} is left "
                    "out.",
                    app.name()));
    return;
  }
  before_ = there->current();
  if (!before_.empty() && before_ != app.current()) {
    if (keep_) return;
    if (!replace_) {
      throw Failure(
          Exit::kFailed,
          fmt::format("This cluster runs version {} of app {}, and the backup has version {} of app {}. "
                      "Nothing was changed. --replace makes the backup's the current one, --keep lets the "
                      "cluster's be.",
                      before_, there->name(), app.current(), app.name()));
    }
  }
  app_ = app;
}

void AppRestorer::Deploy(const app::Version& version) {
  Deployment deployment(cluster_, app_.name(), true, version);
  const bool is_current = version.version() == app_.current();
  if (!is_current || before_ != version.version()) {
    if (!deployment.Begin()) deployment.Upload(bundle_);
    if (!is_current) return deployment.Store();
    deployment.Prepare();
    deployment.Activate();
  }
  deployed_.emplace(app_.name(), version.version(), before_, deployment.Serve());
}

}  // namespace dormouse
